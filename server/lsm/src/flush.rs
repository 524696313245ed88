//! Making changes durable: a memtable becomes a run, and the manifest names it.

use super::checkpoint::{self, CheckpointRecord};
use super::files::{NewFile, checkpoint_name};
use super::index::LaneIndex;
use super::manifest::Manifest;
use super::memtable::{Memtable, MemtableCursor};
use super::run::Run;
use super::run_writer::RunWriter;
use super::turn::Pass;
use crate::error::Result;
use std::rc::Rc;

/// Entries that are handled before others go first.
pub(super) const ENTRIES_PER_TURN: u64 = 64;

impl LaneIndex {
    /// Makes the frozen memtable durable, and with it the claim that all changes up to `checkpoint` are in the index.
    /// Only then may the log before that be forgotten. Without a frozen memtable just the checkpoint is recorded.
    ///
    /// # Errors
    /// The disk's error. The memtable stays frozen, and the flush may be tried again: it writes everything anew.
    pub async fn flush(&self, checkpoint: &[u8]) -> Result<()> {
        let _pass = self.flushing.enter().await?;
        let frozen = self.frozen.borrow().clone();
        let fresh = match &frozen {
            Some(table) if table.entries() > 0 => Some(self.write_run(table).await?),
            _ => None,
        };
        let (run, file) = fresh.unzip();
        let (checkpoint, checkpoint_file) =
            checkpoint::write(&self.home, self.take_seq(), checkpoint).await?;
        let files = file.into_iter().chain([checkpoint_file]).collect();
        let pass = self.manifest.enter().await?;
        let runs: Rc<[Rc<Run>]> = run.into_iter().chain(self.runs.borrow().iter().cloned()).collect();
        let old = self.checkpoint.get();
        self.replace(pass, runs, Some(checkpoint), files).await?;
        if let Some(old) = old {
            // If it cannot be removed now, it is swept when the index is opened.
            let _ = self.home.remove_by_ring(&checkpoint_name(old.seq)).await;
        }
        if let Some(table) = frozen {
            self.frozen.take();
            dissolve(table).await;
        }
        Ok(())
    }

    async fn write_run(&self, table: &Rc<Memtable>) -> Result<(Rc<Run>, NewFile)> {
        let mut writer = RunWriter::create(&self.home, self.take_seq(), table.entries()).await?;
        let mut cursor = MemtableCursor::new(Rc::clone(table), b"");
        while cursor.advance() {
            writer.push(cursor.key(), cursor.value())?;
            if writer.entries().is_multiple_of(ENTRIES_PER_TURN) {
                writer.write_out().await?;
                uring::yield_now().await;
            }
        }
        let (written, held) = (writer.entries(), table.entries());
        assert!(written == held, "a memtable of {held} entries has changed while it was written: {written}");
        writer.finish().await
    }

    /// Makes these the runs, durably first, then for readers. `files` are those of a run and of a checkpoint that are new.
    pub(super) async fn replace(
        &self,
        _pass: Pass,
        runs: Rc<[Rc<Run>]>,
        checkpoint: Option<CheckpointRecord>,
        files: Vec<NewFile>,
    ) -> Result<()> {
        let manifest = Manifest {
            next_seq: self.next_seq.get(),
            runs: runs.iter().map(|run| run.record()).collect(),
            checkpoint,
        };
        let next = manifest.next_seq;
        let known = manifest.runs.iter().all(|run| run.seq < next);
        assert!(known, "the manifest names a run that was not begun, the next has the number {next}");
        let (was, is) = (self.checkpoint.get().map(|c| c.seq), checkpoint.map(|c| c.seq));
        assert!(was <= is, "the manifest goes back from checkpoint {was:?} to {is:?}");
        self.home.replace_manifest(manifest.encode(), files).await?;
        self.runs.replace(runs);
        self.checkpoint.set(checkpoint);
        Ok(())
    }
}

/// Frees a memtable little by little: all at once would hold up the core for milliseconds.
pub(super) async fn dissolve(table: Rc<Memtable>) {
    // A table that a cursor still reads is freed with the cursor.
    let Some(mut table) = Rc::into_inner(table) else { return };
    while table.drop_some(ENTRIES_PER_TURN) {
        uring::yield_now().await;
    }
}
