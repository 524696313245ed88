//! The way from one file to all cores: a thread reads ahead a little, and deals the operations out in turn.

use super::read::TraceReader;
use super::row::TraceOp;
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

/// Operations that are handed over at once.
const BATCH: usize = 256;
/// Batches that wait for a core, at most.
const BATCHES_AHEAD: usize = 4;

/// The thread that reads; it ends with what was wrong with the file.
pub type Reading = JoinHandle<Result<(), String>>;

/// One core's operations.
pub struct Feed {
    inbox: Receiver<VecDeque<TraceOp>>,
    batch: VecDeque<TraceOp>,
}

/// The answer to a core that asks for the next operation.
pub enum Fed {
    /// The next operation.
    Op(TraceOp),
    /// The reader is behind: ask again soon.
    NotYet,
    /// There is no other.
    Over,
}

impl Feed {
    /// The next operation, without waiting.
    pub fn ask(&mut self) -> Fed {
        if self.batch.is_empty() {
            match self.inbox.try_recv() {
                Ok(batch) => self.batch = batch,
                Err(TryRecvError::Empty) => return Fed::NotYet,
                Err(TryRecvError::Disconnected) => return Fed::Over,
            }
        }
        self.batch.pop_front().map_or(Fed::NotYet, Fed::Op)
    }
}

/// Starts reading for so many cores. The thread ends with the file, at an error, or when the cores are gone.
///
/// # Errors
/// When the thread cannot be started.
pub fn feed(reader: TraceReader, cores: usize) -> io::Result<(Vec<Feed>, Reading)> {
    let pairs: Vec<_> = (0..cores.max(1)).map(|_| sync_channel(BATCHES_AHEAD)).collect();
    let (outboxes, inboxes): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let handle =
        std::thread::Builder::new().name("trace".to_owned()).spawn(move || deal(reader, &outboxes))?;
    let feeds = inboxes.into_iter().map(|inbox| Feed { inbox, batch: VecDeque::new() }).collect();
    Ok((feeds, handle))
}

fn deal(reader: TraceReader, outboxes: &[SyncSender<VecDeque<TraceOp>>]) -> Result<(), String> {
    let mut batches = vec![VecDeque::with_capacity(BATCH); outboxes.len()];
    let mut turn = 0usize;
    let mut outcome = Ok(());
    for op in reader {
        let (Some(batch), Some(outbox)) = (batches.get_mut(turn), outboxes.get(turn)) else { break };
        match op {
            Ok(op) => batch.push_back(op),
            Err(why) => {
                // Operations before the error are still done, so that the run says where it stood.
                outcome = Err(why);
                break;
            }
        }
        if batch.len() >= BATCH && outbox.send(std::mem::take(batch)).is_err() {
            // The run is over.
            return Ok(());
        }
        turn = turn.saturating_add(1).checked_rem(outboxes.len()).unwrap_or(0);
    }
    for (batch, outbox) in batches.into_iter().zip(outboxes) {
        // As above.
        let _ = outbox.send(batch);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn drain(mut feed: Feed) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            match feed.ask() {
                Fed::Op(op) => names.push(op.name),
                Fed::NotYet => std::thread::yield_now(),
                Fed::Over => return names,
            }
        }
    }

    #[test]
    fn cores_take_turns_and_nothing_is_lost() {
        let mut text = String::from("at_us,op,name\n");
        for n in 0..5000 {
            writeln!(text, "{n},get,{n}").unwrap();
        }
        text.push_str("5000,fly,away\n");
        let path = std::env::temp_dir().join(format!("aisloader-feed-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let (feeds, handle) = feed(TraceReader::open(path.to_str().unwrap()).unwrap(), 3).unwrap();
        let drains: Vec<_> = feeds.into_iter().map(|feed| std::thread::spawn(move || drain(feed))).collect();
        for (core, drain) in drains.into_iter().enumerate() {
            let want: Vec<String> = (core..5000).step_by(3).map(|n| n.to_string()).collect();
            assert_eq!(drain.join().unwrap(), want);
        }
        assert!(handle.join().unwrap().unwrap_err().contains("line 5002"));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_run_that_ends_early_ends_the_reader() {
        let path = std::env::temp_dir().join(format!("aisloader-feed-early-{}", std::process::id()));
        let rows: String = (0..20_000).map(|n| format!("{n},list\n")).collect();
        std::fs::write(&path, format!("at_us,op\n{rows}")).unwrap();
        let (feeds, handle) = feed(TraceReader::open(path.to_str().unwrap()).unwrap(), 2).unwrap();
        drop(feeds);
        assert_eq!(handle.join().unwrap(), Ok(()));
        std::fs::remove_file(&path).unwrap();
    }
}
