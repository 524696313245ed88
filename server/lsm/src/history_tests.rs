//! Histories of all that can be done to an index, against a map in memory.

use super::testing::*;
use super::*;
use crate::error::Result;
use proptest::prelude::*;
use std::rc::Rc;

#[derive(Clone, Debug)]
enum Event {
    /// First key, distance of keys, number of keys.
    Put(u32, u32, u32),
    Delete(u32, u32, u32),
    /// A large entry.
    PutLarge(u32),
    Freeze,
    Flush,
    Merge,
    /// Loses what is not flushed.
    Reopen,
    /// Drops the operation after so many polls.
    FlushGivenUp(usize),
    MergeGivenUp(usize),
    Scan(u32),
}

const KEYS: u32 = 600;

fn event() -> impl Strategy<Value = Event> {
    let range = || (0..KEYS, 1u32..9, 1u32..400);
    prop_oneof![
        8 => range().prop_map(|(first, step, count)| Event::Put(first, step, count)),
        4 => range().prop_map(|(first, step, count)| Event::Delete(first, step, count)),
        1 => (0..KEYS).prop_map(Event::PutLarge),
        2 => Just(Event::Freeze),
        6 => Just(Event::Flush),
        3 => Just(Event::Merge),
        2 => Just(Event::Reopen),
        1 => (0usize..30).prop_map(Event::FlushGivenUp),
        1 => (0usize..30).prop_map(Event::MergeGivenUp),
        3 => (0..KEYS).prop_map(Event::Scan),
    ]
}

/// An index and what it should hold.
struct World {
    lane: Lane,
    index: Rc<LaneIndex>,
    now: Model,
    /// As of the freeze, if something is frozen.
    frozen: Option<Model>,
    /// As of the last flush.
    durable: Model,
    /// Number of the last flush that was begun or done; the checkpoint.
    flushes: u32,
    /// Changes that given-up flushes may or may not have made durable.
    perhaps: Vec<(u32, Model)>,
    done: u32,
    writes: u32,
}

impl World {
    fn new() -> Self {
        // A cache of a few blocks, so that most reads go to the disk.
        let lane = Lane::new(64 << 10);
        let index = lane.run(lane.open()).unwrap().index;
        Self {
            lane,
            index,
            now: Model::new(),
            frozen: None,
            durable: Model::new(),
            flushes: 0,
            perhaps: Vec::new(),
            done: 0,
            writes: 0,
        }
    }

    fn apply(&mut self, event: &Event) {
        self.writes += 1;
        match *event {
            Event::Put(first, step, count) => {
                for number in keys(first, step, count) {
                    self.put(number, Some(value(number, self.writes)));
                }
            }
            Event::Delete(first, step, count) => {
                keys(first, step, count).for_each(|number| self.put(number, None))
            }
            Event::PutLarge(number) => self.put(number, Some(vec![self.writes as u8; 9000])),
            Event::Freeze => self.freeze(),
            Event::Flush => {
                self.freeze();
                self.flushes += 1;
                self.lane.run(self.index.flush(&self.flushes.to_le_bytes())).unwrap();
                self.flushed();
            }
            Event::FlushGivenUp(polls) => {
                self.freeze();
                self.flushes += 1;
                let checkpoint = self.flushes.to_le_bytes();
                match give_up_after(&self.lane, polls, self.index.flush(&checkpoint)) {
                    Some(outcome) => {
                        outcome.unwrap();
                        self.flushed();
                    }
                    // Given up when all but cleaning up was done.
                    None if self.index.frozen.borrow().is_none() => self.flushed(),
                    None => self.perhaps.extend(self.frozen.clone().map(|frozen| (self.flushes, frozen))),
                }
            }
            Event::Merge => drop(self.lane.run(merge_all(&self.index)).unwrap()),
            Event::MergeGivenUp(polls) => drop(give_up_after(&self.lane, polls, merge_all(&self.index))),
            Event::Reopen => self.reopen(),
            Event::Scan(from) => {
                let found = self.lane.run(scan(&self.index, &key(from))).unwrap();
                let expected: Model =
                    self.now.range(key(from)..).map(|(k, v)| (k.clone(), v.clone())).collect();
                assert!(found == expected, "a scan from {from}");
            }
        }
    }

    fn put(&mut self, number: u32, value: Option<Vec<u8>>) {
        self.index.put(&key(number), value.as_deref());
        match value {
            Some(value) => self.now.insert(key(number), value),
            None => self.now.remove(&key(number)),
        };
    }

    fn freeze(&mut self) {
        assert_eq!(self.index.freeze(), self.frozen.is_none());
        self.frozen.get_or_insert_with(|| self.now.clone());
    }

    fn flushed(&mut self) {
        self.durable = self.frozen.take().unwrap();
        self.done = self.flushes;
        self.perhaps.clear();
    }

    fn reopen(&mut self) {
        let opened = self.lane.run(self.lane.open()).unwrap();
        self.index = opened.index;
        let mut perhaps = std::mem::take(&mut self.perhaps).into_iter();
        match perhaps.find(|(number, _)| opened.checkpoint == number.to_le_bytes()) {
            Some((number, model)) => (self.done, self.durable) = (number, model),
            None if self.done == 0 => assert_eq!(opened.checkpoint, b""),
            None => assert_eq!(opened.checkpoint, self.done.to_le_bytes()),
        }
        self.now = self.durable.clone();
        self.frozen = None;
    }

    fn check(&self) {
        assert!(self.lane.run(scan(&self.index, b"")).unwrap() == self.now, "a full scan");
        for number in 0..KEYS + 10 {
            let (key, expected) = (key(number), self.now.get(&key(number)));
            match self.index.peek(&key) {
                Peek::Found(value) => assert_eq!(Some(&value.to_vec()), expected, "{number}"),
                Peek::Absent => assert_eq!(expected, None, "{number}"),
                Peek::OnDisk => {}
            }
            let found = self.lane.run(self.index.get(&key)).unwrap();
            assert_eq!(found.map(|v| v.to_vec()).as_ref(), expected, "{number}");
        }
        assert_eq!(self.lane.run(self.index.verify()).unwrap(), Vec::<String>::new());
    }
}

fn keys(first: u32, step: u32, count: u32) -> impl Iterator<Item = u32> {
    (first..KEYS).step_by(step as usize).take(count as usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn histories(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new();
        for event in &events {
            world.apply(event);
        }
        world.check();
        world.reopen();
        world.check();
        // Nothing is left behind: neither of the operations that were given up nor of the runs that were merged.
        prop_assert_eq!(world.lane.run_files().len(), world.index.stats().runs);
    }
}

#[test]
fn many_flushes_stay_few_runs_and_tombstones_go() {
    let lane = Lane::new(1 << 20);
    lane.must(async {
        let index = lane.open().await?.index;
        for round in 0..40 {
            for number in 0..50 {
                index.put(&key(round * 50 + number), Some(&value(number, round)));
            }
            index.put(&key(round * 50), None);
            freeze_and_flush(&index, &round.to_le_bytes()).await?;
            merge_all(&index).await?;
            assert!(index.stats().runs <= 12);
        }
        assert_eq!(scan(&index, b"").await?.len(), 40 * 49);
        (0..2000).for_each(|number| index.put(&key(number), None));
        freeze_and_flush(&index, b"").await?;
        for _ in 0..12 {
            index.put(b"one", Some(b"1"));
            freeze_and_flush(&index, b"").await?;
            merge_all(&index).await?;
        }
        assert_eq!(scan(&index, b"").await?.len(), 1);
        Ok(())
    });
}

#[test]
fn a_merge_of_everything_drops_tombstones_and_what_is_not_kept() {
    let lane = Lane::new(1 << 20);
    lane.must(async {
        let index = lane.open().await?.index;
        for round in 0u64..4 {
            (0..300).for_each(|number| {
                let key = [&(round % 2).to_be_bytes()[..], &key(number)].concat();
                index.put(&key, (round < 3 || number < 100).then_some(b"value"));
            });
            freeze_and_flush(&index, b"c").await?;
        }
        // Rounds 1 and 3 are a bucket that is destroyed; of round 2 everything stays.
        assert!(index.merge_step(&|key| key[7] == 0, &|| false).await?);
        let found = scan(&index, b"").await?;
        assert_eq!(found.len(), 300);
        assert!(found.keys().all(|key| key[7] == 0));
        assert_eq!((index.stats().runs, index.stats().entries), (1, 300));
        assert_eq!(lane.run_files().len(), 1);
        // The next merge finds nothing worth keeping.
        for _ in 0..4 {
            index.put(b"x", None);
            freeze_and_flush(&index, b"c").await?;
        }
        assert!(!index.merge_step(&|_| false, &|| true).await?, "stopped");
        while index.merge_step(&|_| false, &|| false).await? {}
        let reopened = lane.open().await?;
        assert_eq!(reopened.checkpoint, b"c");
        assert_eq!(lane.run_files().len(), reopened.index.stats().runs);
        Ok(())
    });
}

#[test]
fn a_tombstone_stays_as_long_as_an_older_run_may_have_the_key() {
    let lane = Lane::new(1 << 20);
    lane.must(async {
        let index = lane.open().await?.index;
        (0..5000).for_each(|number| index.put(&key(number), Some(&value(number, 0))));
        freeze_and_flush(&index, b"").await?;
        for number in 0..4 {
            index.put(&key(number), None);
            freeze_and_flush(&index, b"").await?;
        }
        // The small ones only: the large one is not similar.
        assert_eq!(merge_all(&index).await?, 1);
        assert_eq!(index.stats().runs, 2);
        assert_eq!(index.get(&key(3)).await?, None);
        assert_eq!(scan(&index, b"").await?.len(), 4996);
        Ok(())
    });
}

#[test]
fn what_was_read_once_stays_in_memory() {
    let lane = Lane::new(1 << 20);
    lane.must(async {
        let index = lane.open().await?.index;
        (0..500).for_each(|i| index.put(&key(i), (i % 5 > 0).then(|| value(i, 1)).as_deref()));
        freeze_and_flush(&index, b"").await?;
        assert_eq!((index.peek(&key(7)), index.peek(&key(10))), (Peek::OnDisk, Peek::OnDisk));
        assert_eq!(
            (index.get(&key(7)).await?.as_deref(), index.get(&key(10)).await?),
            (Some(&*value(7, 1)), None)
        );
        assert_eq!(
            (index.peek(&key(7)), index.peek(&key(10))),
            (Peek::Found(value(7, 1).into()), Peek::Absent)
        );
        // A scan leaves everything behind.
        scan(&index, b"").await?;
        let before = lane.cache.stats();
        for i in 0..500 {
            assert_ne!(index.peek(&key(i)), Peek::OnDisk);
        }
        let after = lane.cache.stats();
        assert_eq!((after.misses, after.hits), (before.misses, before.hits + 500));
        assert!(after.bytes > 20_000 && after.bytes < 80_000, "{after:?}");
        // The filter answers for almost all that are not there.
        assert!((500..1500).filter(|&i| index.peek(&key(i)) == Peek::Absent).count() == 1000);
        assert!(lane.cache.stats().hits < after.hits + 50);
        Ok(())
    });
}

#[test]
fn a_run_whose_filter_and_map_are_large() {
    let lane = Lane::new(1 << 20);
    lane.must(async {
        let index = lane.open().await?.index;
        let key = |i: u32| [&key(i)[..], &[b'k'; 900]].concat();
        (0..100_000u32).for_each(|i| index.put(&i.to_be_bytes(), Some(b"v")));
        (0..2_000).for_each(|i| index.put(&key(i), Some(b"w")));
        freeze_and_flush(&index, b"").await?;
        let index = lane.open().await?.index;
        assert!(index.stats().resident_bytes > 150_000);
        assert_eq!(index.verify().await?, Vec::<String>::new());
        assert_eq!(index.get(&77_777u32.to_be_bytes()).await?.as_deref(), Some(&b"v"[..]));
        assert_eq!(index.get(&key(1_999)).await?.as_deref(), Some(&b"w"[..]));
        assert_eq!(scan(&index, &99_999u32.to_be_bytes()).await?.len(), 1);
        assert_eq!(scan(&index, b"").await?.len(), 102_000);
        Ok(())
    });
}

#[test]
fn a_cursor_goes_on_over_flushes_and_merges() {
    let lane = Lane::new(0);
    lane.must(async {
        let index = lane.open().await?.index;
        for round in 0..3 {
            (0..900).for_each(|i| index.put(&key(i * 3 + round), Some(&value(i, round))));
            freeze_and_flush(&index, b"").await?;
        }
        (0..100).for_each(|i| index.put(&key(3000 + i), Some(b"in memory")));
        let expected = scan(&index, b"").await?;
        let old_files = lane.run_files();
        let mut cursor = index.cursor(&key(0));
        let mut found = Model::new();
        loop {
            match cursor.step() {
                Step::Item => {
                    found.insert(cursor.key().to_vec(), cursor.value().to_vec());
                }
                Step::NeedsBlock => cursor.load().await?,
                Step::End => break,
            }
            // All that it began with goes away beneath it.
            if found.len().is_multiple_of(500) {
                (0..500).for_each(|i| index.put(&key(9000 + i), Some(&value(i, 9))));
                freeze_and_flush(&index, b"").await?;
                merge_all(&index).await?;
            }
        }
        assert!(old_files.iter().all(|file| !lane.run_files().contains(file)), "they were not merged");
        found.retain(|key, _| expected.contains_key(key));
        assert!(found == expected);
        assert_eq!(lane.run_files().len(), index.stats().runs);
        Ok(())
    });
}

#[test]
fn reads_that_are_given_up_cost_no_buffer() {
    let lane = Lane::new(0);
    let index = lane.run(lane.open()).unwrap().index;
    (0..500).for_each(|i| index.put(&key(i), Some(&value(i, 1))));
    lane.run(freeze_and_flush(&index, b"")).unwrap();
    // Far more than there are buffers of either kind; some wait for a read that another one has left.
    for round in 0..300 {
        let key = key(round);
        assert!(give_up_after(&lane, 1, index.get(&key)).is_none());
        assert!(give_up_after(&lane, 1, index.verify()).is_none());
        let both = futures_util::future::join(index.get(&key), scan(&index, b""));
        give_up_after(&lane, round as usize % 5, both);
    }
    assert_eq!(lane.run(index.get(&key(7))).unwrap().as_deref(), Some(&*value(7, 1)));
    assert_eq!(lane.run(scan(&index, b"")).unwrap().len(), 500);
    assert_eq!(lane.run(index.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn merges_flushes_reads_and_scans_at_once() {
    let lane = Lane::new(128 << 10);
    let index = lane.run(lane.open()).unwrap().index;
    let writing = async {
        for round in 0..20 {
            (0..300).for_each(|i| index.put(&key(i * 7 % 1000), Some(&value(i * 7 % 1000, round))));
            freeze_and_flush(&index, &round.to_le_bytes()).await?;
        }
        Result::<()>::Ok(())
    };
    let merging = async {
        for _ in 0..60 {
            index.merge_step(&|_| true, &|| false).await?;
            uring::yield_now().await;
        }
        Result::<()>::Ok(())
    };
    // More at once than there are buffers.
    let reading = futures_util::future::try_join_all((0..200u32).map(|task| {
        let index = &index;
        async move {
            for i in 0..20 {
                let number = (task * 31 + i * 17) % 1000;
                if let Some(found) = index.get(&key(number)).await? {
                    assert!(found.starts_with(format!("{number}-").as_bytes()));
                }
            }
            Result::<()>::Ok(())
        }
    }));
    let scanning = async {
        for _ in 0..20 {
            scan(&index, b"").await?;
        }
        Result::<()>::Ok(())
    };
    lane.run(async {
        let all = futures_util::future::join(
            futures_util::future::join(writing, merging),
            futures_util::future::join(reading, scanning),
        );
        let ((a, b), (c, d)) = all.await;
        a.unwrap();
        b.unwrap();
        c.unwrap();
        d.unwrap();
        assert_eq!(index.verify().await.unwrap(), Vec::<String>::new());
        assert_eq!(scan(&index, b"").await.unwrap().len(), 300);
        assert_eq!(lane.run_files().len(), index.stats().runs);
    });
}
