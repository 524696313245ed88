//! A state comes back from its snapshot and journals, whatever a crash has left of them; damage is an error with a name.

use super::super::local::Note;
use super::super::state::{ClusterState, Command};
use super::*;
use placement::Smap;
use placement::smap::NetInfo;
use proptest::prelude::*;
use wire::api::bprops::BpropsToSet;

fn fresh() -> Replica {
    let net = NetInfo::http("127.0.0.1", 51080);
    let smap = Smap::single_node("Uuid123456", "now", "pAAAAAAA", "tBBBBBBB", &net);
    Replica::new(ClusterState::new(smap, "now".to_owned()))
}

fn name(number: usize) -> String {
    format!("b{number:06}")
}

fn create(number: usize) -> Entry {
    Entry::Command(Command::CreateBucket { name: name(number), change: BpropsToSet::default(), now_ns: 1 })
}

fn destroy(number: usize) -> Entry {
    Entry::Command(Command::DestroyBucket { name: name(number), id: None })
}

fn json(state: &Replica) -> serde_json::Value {
    serde_json::to_value(state.written(0)).unwrap()
}

/// Applies entries and makes them durable, as the control thread does.
fn take(journal: &mut Journal, state: &mut Replica, entries: Vec<Entry>) {
    let before = state.clone();
    let lines: Vec<String> = entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
    entries.into_iter().for_each(|entry| drop(state.apply(entry).unwrap()));
    journal.append(&lines, &before).unwrap();
}

fn journals(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(JOURNAL_PREFIX)).collect();
    names.sort();
    names
}

/// A directory with batches of two buckets each, and the states after each.
fn written(batches: usize) -> (tempfile::TempDir, Vec<serde_json::Value>) {
    let dir = tempfile::tempdir().unwrap();
    let mut state = fresh();
    let mut journal = Journal::create(dir.path(), &state).unwrap();
    let mut states = vec![json(&state)];
    for batch in 0..batches {
        take(&mut journal, &mut state, vec![create(2 * batch), create(2 * batch + 1)]);
        states.push(json(&state));
    }
    (dir, states)
}

#[test]
fn nothing_there_is_no_state() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read_state(dir.path()).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Cut anywhere, it is the state after some batch, and goes on from there.
    #[test]
    fn a_torn_end_is_cut_off(cut: prop::sample::Index, tail in prop::collection::vec(any::<u8>(), 0..60)) {
        let (dir, states) = written(4);
        let file = journal_path(dir.path(), 1);
        let whole = fs::read(&file).unwrap();
        let cut = cut.index(whole.len() + 1);
        let batches = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
        // In the place of what was to come there may be anything, but no line that is whole.
        fs::write(&file, [&whole[..cut], &tail].concat()).unwrap();
        let found = read_state(dir.path()).unwrap().unwrap();
        prop_assert_eq!(&json(&found.replica), &states[batches]);
        let mut journal = Journal::open(dir.path(), &found).unwrap();
        let mut state = found.replica;
        take(&mut journal, &mut state, vec![create(100)]);
        let again = read_state(dir.path()).unwrap().unwrap();
        prop_assert_eq!(json(&again.replica), json(&state));
    }

    /// With a good line behind it, a flipped bit is an error that names the file.
    #[test]
    fn damage_further_up_is_an_error(at: prop::sample::Index, bit in 0u8..8) {
        let (dir, states) = written(4);
        let file = journal_path(dir.path(), 1);
        let mut bytes = fs::read(&file).unwrap();
        let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&file, &bytes).unwrap();
        match read_state(dir.path()) {
            Err(e) => prop_assert!(at <= last && e.to_string().contains("cluster.journal.1 is damaged"), "{}", e),
            Ok(found) => {
                // The line before the last one may have run into it: both were the end of the journal.
                prop_assert!(at >= last, "byte {} of {}", at, last);
                let left = json(&found.unwrap().replica);
                prop_assert!(left == states[3] || left == states[2]);
            }
        }
    }
}

#[test]
fn a_missing_journal_is_an_error_that_names_it() {
    let (dir, _) = written(1);
    fs::remove_file(journal_path(dir.path(), 1)).unwrap();
    let error = read_state(dir.path()).unwrap_err().to_string();
    assert!(error.contains("cluster.journal.1"), "{error}");
}

#[test]
fn a_snapshot_takes_the_place_of_older_journals() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = fresh();
    let mut journal = Journal::create(dir.path(), &state).unwrap();
    let mut appended = 0;
    for batch in 0..35 {
        let entries: Vec<Entry> = (0..500).map(|at| create(batch * 500 + at)).collect();
        appended +=
            entries.iter().map(|entry| serde_json::to_string(entry).unwrap().len() as u64).sum::<u64>();
        take(&mut journal, &mut state, entries);
        let before = journal.number;
        journal.snapshot_if_due(&state).unwrap();
        if journal.number > before {
            // Beside the thread that writes.
            assert_eq!(json(&read_state(dir.path()).unwrap().unwrap().replica), json(&state));
        }
    }
    journal.wait();
    assert!(appended > SNAPSHOT_BYTES_MIN && appended < 2 * SNAPSHOT_BYTES_MIN, "{appended}");
    assert_eq!(journal.number, 2);
    let snapshot = fs::metadata(dir.path().join(STATE_FILE)).unwrap().len();
    assert_eq!(journal.snapshot_bytes.load(Ordering::Relaxed), snapshot);
    assert_eq!(journals(dir.path()), [format!("{JOURNAL_PREFIX}{}", journal.number)]);
    let found = read_state(dir.path()).unwrap().unwrap();
    assert_eq!(json(&found.replica), json(&state));
}

#[test]
fn after_a_failure_it_starts_over() {
    let (dir, states) = written(2);
    let found = read_state(dir.path()).unwrap().unwrap();
    let mut journal = Journal::open(dir.path(), &found).unwrap();
    let mut state = found.replica;
    // A file that cannot be written to.
    journal.file = fs::File::open(journal_path(dir.path(), 1)).unwrap();
    assert!(journal.append(&[serde_json::to_string(&create(90)).unwrap()], &state).is_err());
    assert_eq!(json(&state), states[2]);
    take(&mut journal, &mut state, vec![create(91)]);
    let found = read_state(dir.path()).unwrap().unwrap();
    assert_eq!((json(&found.replica), found.last.map(|last| last.0)), (json(&state), Some(2)));
    assert_eq!(journals(dir.path()).len(), 1);
}

#[test]
fn a_crash_while_it_starts_over_is_no_damage() {
    let (dir, states) = written(2);
    let file = journal_path(dir.path(), 1);
    fs::write(&file, [&fs::read(&file).unwrap()[..], b"0123"].concat()).unwrap();
    fs::write(journal_path(dir.path(), 2), b"").unwrap();
    let found = read_state(dir.path()).unwrap().unwrap();
    assert_eq!(json(&found.replica), states[2]);
    let mut state = found.replica.clone();
    let mut journal = Journal::open(dir.path(), &found).unwrap();
    for number in [50, 51] {
        take(&mut journal, &mut state, vec![create(number)]);
        let found = read_state(dir.path()).unwrap().unwrap();
        assert_eq!(json(&found.replica), json(&state));
        journal = Journal::open(dir.path(), &found).unwrap();
    }
    // With something behind it, what is torn was acknowledged once.
    fs::write(&file, [&fs::read(&file).unwrap()[..], b"0123"].concat()).unwrap();
    let error = read_state(dir.path()).unwrap_err().to_string();
    assert!(error.contains("cluster.journal.1 is damaged"), "{error}");
}

#[test]
fn what_only_this_node_knows_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = fresh();
    let mut journal = Journal::create(dir.path(), &state).unwrap();
    let close = Entry::Command(Command::CloseBucket { name: name(3), id: 3, by: "tBBBBBBB".to_owned() });
    take(&mut journal, &mut state, vec![create(1), create(2), create(3), close, destroy(1), destroy(2)]);
    take(&mut journal, &mut state, vec![Entry::Note(Note::BucketBuried { id: 1 })]);
    let doomed = serde_json::json!([{ "id": 2, "name": name(2) }]);
    let closed = serde_json::json!([{ "name": name(3), "by": "tBBBBBBB" }]);
    // From the journal, and from a snapshot.
    for _ in 0..2 {
        let found = read_state(dir.path()).unwrap().unwrap();
        assert_eq!(json(&found.replica), json(&state));
        assert_eq!((&json(&found.replica)["doomed"], &json(&found.replica)["closed"]), (&doomed, &closed));
        journal.start_over(&found.replica).unwrap();
    }
}

/// As a version wrote it in which the state itself had what is one node's own.
#[test]
fn an_older_journal_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = fresh();
    let mut journal = Journal::create(dir.path(), &state).unwrap();
    let lines = [
        r#"{"CreateBucket":{"name":"b000001","change":{"force":false},"now_ns":1}}"#,
        r#"{"DestroyBucket":{"name":"b000001","id":null}}"#,
        r#"{"BucketBuried":{"id":1}}"#,
        r#""ResetConfig""#,
    ];
    journal.append(&lines.map(str::to_owned), &state).unwrap();
    let reset = Entry::Command(Command::ResetConfig);
    for entry in [create(1), destroy(1), Entry::Note(Note::BucketBuried { id: 1 }), reset] {
        state.apply(entry).unwrap();
    }
    assert_eq!(json(&read_state(dir.path()).unwrap().unwrap().replica), json(&state));
}

#[test]
fn a_state_without_journals_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = fresh();
    state.apply(create(1)).unwrap();
    let mut old = json(&state);
    for new in ["journal", "closed"] {
        old.as_object_mut().unwrap().remove(new);
    }
    fs::write(dir.path().join(STATE_FILE), old.to_string()).unwrap();
    let found = read_state(dir.path()).unwrap().unwrap();
    let mut journal = Journal::open(dir.path(), &found).unwrap();
    take(&mut journal, &mut state, vec![create(2)]);
    assert_eq!(json(&read_state(dir.path()).unwrap().unwrap().replica), json(&state));
}
