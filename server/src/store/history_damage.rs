//! Damage for the random histories, while the store is in use.

use super::check::{CheckPlan, Class, Finding, Observer};
use super::engine::Store;
use super::start::StoreSetup;
use crate::error::{Kind, Result};
use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const PAGE: u64 = 4096;

/// Turns bits over in the blocks of a run in a lane's directory; `pick` chooses one of so many.
pub(super) fn damage_a_run(dir: &Path, pick: impl FnOnce(u64) -> u64) {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut runs: Vec<PathBuf> =
        files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("run-")).collect();
    runs.sort();
    let Some(run) = runs.get(pick(runs.len().max(1) as u64) as usize) else { return };
    // It may be merged away right now.
    let Ok(file) = File::options().read(true).write(true).open(run) else { return };
    // Behind the blocks there are a filter, a map and a footer.
    for page in 0..(file.metadata().unwrap().len() / PAGE).saturating_sub(3) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, page * PAGE + 77).unwrap();
        file.write_all_at(&[byte[0] ^ 4], page * PAGE + 77).unwrap();
    }
    file.sync_all().unwrap();
}

/// Does as a client does that is told to try again.
pub(super) async fn patiently<T>(store: &Rc<Store>, attempt: impl AsyncFn() -> Result<T>) -> Result<T> {
    loop {
        match attempt().await {
            Err(e) if e.kind == Kind::Rebuilding => store.driver.sleep(Duration::from_millis(2)).await,
            outcome => return outcome,
        }
    }
}

/// Checks a store that nobody uses: there must be no damage but that of indexes. Returns whether one of those is damaged.
pub(super) async fn damage_of_indexes(setup: StoreSetup) -> bool {
    #[derive(Default)]
    struct OfIndexes(Cell<bool>);
    impl Observer for OfIndexes {
        fn found(&self, finding: Finding) {
            let is_of_index = finding.what.starts_with("the index is damaged");
            self.0.set(self.0.get() || is_of_index);
            assert!(is_of_index || finding.class == Class::Leftover, "{finding}");
        }
        fn expect(&self, _: u64) {}
        fn advance(&self, _: u64) {}
        fn is_cancelled(&self) -> bool {
            false
        }
    }
    let buckets = setup.buckets.iter().map(|bucket| (bucket.id, Arc::clone(bucket))).collect();
    let (store, lost) = setup.open_as_is().await.unwrap();
    let plan = CheckPlan { buckets, lost, layout: Arc::default(), share: None, lanes_at_once: 2 };
    let found = OfIndexes::default();
    store.check(&plan, &found).await.unwrap();
    found.0.get()
}
