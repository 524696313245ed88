//! Checking all of an index against its checksums and against itself.

use super::block::{Block, BlockCursor};
use super::checkpoint::{self, CheckpointRecord};
use super::filter::hash;
use super::index::LaneIndex;
use super::manifest::RunRecord;
use super::open::read_manifest;
use super::run::Run;
use crate::error::{Error, Result};
use std::rc::Rc;

impl LaneIndex {
    /// Reads every block of every run; returns what is wrong, in words. An index in which nothing is wrong answers
    /// every look-up.
    ///
    /// # Errors
    /// The disk's error; damage is a finding.
    pub async fn verify(&self) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        let pass = self.manifest.enter().await?;
        let runs = Rc::clone(&self.runs.borrow());
        // Opened anew: what is in memory says nothing about what lies on the disk.
        let mut records: Vec<RunRecord> = runs.iter().map(|run| run.record()).collect();
        let mut checkpoints: Vec<CheckpointRecord> = self.checkpoint.get().into_iter().collect();
        match read_manifest(&self.home).await {
            // After an operation that was given up it may name files that are not in use.
            Ok(Some(manifest)) => {
                records.extend(manifest.runs);
                checkpoints.extend(manifest.checkpoint);
            }
            Ok(None) => findings.push("the manifest is missing".to_owned()),
            Err(e) => findings.push(finding(e)?),
        }
        records.sort_by_key(|record| record.seq);
        records.dedup();
        checkpoints.dedup();
        for record in &checkpoints {
            if let Err(e) = checkpoint::read(&self.home, record).await {
                findings.push(finding(e)?);
            }
        }
        let mut fresh = Vec::new();
        for record in &records {
            match Run::open(&self.home, record).await {
                Ok(run) => fresh.push(run),
                Err(e) => findings.push(finding(e)?),
            }
        }
        drop(pass);
        for run in &fresh {
            verify_run(run, &mut findings).await?;
        }
        Ok(findings)
    }
}

/// Damage in words; other errors stay errors.
fn finding(error: Error) -> Result<String> {
    match error {
        Error::Corrupt(text) => Ok(text),
        error => Err(error),
    }
}

async fn verify_run(run: &Run, findings: &mut Vec<String>) -> Result<()> {
    let mut counted = Counted::default();
    let mut whole = true;
    let mut number = 0;
    while number < run.sparse().blocks() {
        match run.read(number, u32::MAX).await {
            Ok(blocks) => {
                for block in blocks {
                    verify_block(run, number, block, &mut counted, findings);
                    number += 1;
                }
            }
            Err(e) => {
                findings.push(finding(e)?);
                whole = false;
                number += 1;
            }
        }
        uring::yield_now().await;
    }
    if whole && (counted.entries, counted.tombstones) != (run.entries(), run.tombstones()) {
        let (found, expected) = (counted.entries, run.entries());
        findings.push(format!("{}: it has {found} entries, {expected} are expected", run.name()));
    }
    Ok(())
}

#[derive(Default)]
struct Counted {
    entries: u64,
    tombstones: u64,
}

fn verify_block(run: &Run, number: u32, block: Rc<Block>, counted: &mut Counted, findings: &mut Vec<String>) {
    let mut cursor = BlockCursor::default();
    cursor.enter(block);
    let (mut inside, mut filtered) = (true, true);
    while cursor.advance() {
        counted.entries += 1;
        counted.tombstones += u64::from(cursor.value().is_none());
        inside &= run.sparse().block_of(cursor.key()) == number;
        filtered &= run.filter().may_contain(hash(cursor.key()));
    }
    if !inside {
        findings.push(format!("{}, block {number}: it has keys of another block", run.name()));
    }
    if !filtered {
        findings.push(format!("{}, block {number}: the filter does not know all keys", run.name()));
    }
}
