//! All jobs of a node: those that run, and those that have ended.
//!
//! A finished job stays queryable, because clients poll for its end; the oldest are forgotten first. Jobs that are not
//! finished are bounded too: some work, some wait for their turn, and one more is refused.

use super::check_state::CheckState;
use super::file::JobFile;
use super::filter::Filter;
use super::job::{About, End, Job, Record};
use crate::clock;
use crate::error::{Error, Result};
use crate::store::BucketRef;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::api::jobs::{JobStatus, Snap};

/// Jobs remembered.
const REMEMBERED_MAX: usize = 1000;
/// Jobs that work or wait; each may hold a list of names.
const UNFINISHED_MAX: usize = 256;
/// Why the jobs that a process has left behind have ended.
const RESTARTED: &str = "the node was restarted before the job was done";

/// All jobs of the node.
#[derive(Debug)]
pub(crate) struct Jobs {
    /// In the order of their begin.
    jobs: Mutex<VecDeque<Arc<Job>>>,
    /// Begins and ends so far.
    changes: AtomicU64,
    file: JobFile,
    /// The check of the store that runs, or ran last.
    check: Mutex<Option<Arc<CheckState>>>,
}

impl Jobs {
    /// The jobs that a data directory remembers. One that ran when the process before this one ended has ended with it.
    ///
    /// # Errors
    /// When the records can neither be read nor put aside.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let (file, records) = JobFile::open(data_dir)?;
        let restarted = || End { ended_ns: clock::unix_ns(), aborted: true, error: RESTARTED.to_owned() };
        let had_running = records.iter().any(|record| record.end.is_none());
        let unknown = records.len().saturating_sub(REMEMBERED_MAX);
        let jobs =
            records.into_iter().skip(unknown).map(|record| Arc::new(Job::from_record(record, restarted)));
        let all = Self {
            jobs: Mutex::new(jobs.collect()),
            changes: AtomicU64::new(0),
            file,
            check: Mutex::default(),
        };
        // Otherwise the next start would say that they have ended later.
        if had_running && let Err(error) = all.save(all.changed()) {
            tracing::warn!(%error, "the records of jobs were not written");
        }
        Ok(all)
    }

    /// Notes the begin of a job.
    ///
    /// # Errors
    /// `Busy` when too many are not finished.
    pub(crate) fn begin(&self, id: String, about: About) -> Result<Arc<Job>> {
        let job = Arc::new(Job::new(id, about));
        let mut jobs = self.lock();
        let unfinished = jobs.iter().filter(|job| job.is_running()).count();
        if unfinished >= UNFINISHED_MAX {
            return Err(Error::busy(format!("{unfinished} jobs are not finished")));
        }
        if jobs.len() >= REMEMBERED_MAX {
            let oldest_ended = jobs.iter().position(|job| !job.is_running());
            oldest_ended.and_then(|at| jobs.remove(at));
        }
        jobs.push_back(Arc::clone(&job));
        Ok(job)
    }

    /// Notes a job that is done with the request that asks for it. It is not worth a write of its own.
    ///
    /// # Errors
    /// `Busy` when too many are not finished.
    pub(crate) fn at_once(&self, id: String, about: About) -> Result<()> {
        let job = self.begin(id, about)?;
        job.end(End { ended_ns: clock::unix_ns(), ..End::default() });
        job.tell();
        Ok(())
    }

    /// Counts a begin or an end; [`Jobs::save`] makes it durable.
    pub(super) fn changed(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Writes the records down, with this change at least. It waits for the disk, as no core does.
    ///
    /// # Errors
    /// Errors of the disk; the text names the file.
    pub(super) fn save(&self, change: u64) -> io::Result<()> {
        self.file.write(change, || {
            // Before the records are taken, so that they have what is counted.
            let upto = self.changes.load(Ordering::SeqCst);
            (upto, self.lock().iter().map(|job| job.record()).collect::<Vec<Record>>())
        })
    }

    /// Notes the begin of a check of the store; `None` while one runs.
    pub(super) fn begin_check(&self, id: &str) -> Option<Arc<CheckState>> {
        let mut check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
        if check.as_ref().is_some_and(|check| check.is_running()) {
            return None;
        }
        let fresh = Arc::new(CheckState::new(id.to_owned()));
        *check = Some(Arc::clone(&fresh));
        Some(fresh)
    }

    /// The check of the store that runs, or ran last.
    pub(crate) fn check(&self) -> Option<Arc<CheckState>> {
        self.check.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops the jobs that are meant; returns how many there are, ended ones included.
    pub(crate) fn stop(&self, filter: &Filter, why: &str) -> usize {
        let jobs = self.matching(filter);
        jobs.iter().filter(|job| job.is_running()).for_each(|job| job.abort.say(why));
        jobs.len()
    }

    /// Stops the jobs of a bucket that is gone.
    pub(crate) fn bucket_is_destroyed(&self, bucket: &BucketRef) {
        let jobs = self.lock().iter().filter(|job| job.is_of(bucket)).cloned().collect::<Vec<_>>();
        jobs.iter().for_each(|job| job.abort.say(&destroyed(bucket)));
    }

    /// Status of the newest job that is meant.
    pub(crate) fn status(&self, filter: &Filter) -> Option<JobStatus> {
        self.matching(filter).last().map(|job| job.status())
    }

    /// Status of all jobs that are meant.
    pub(crate) fn all_status(&self, filter: &Filter) -> Vec<JobStatus> {
        self.matching(filter).iter().map(|job| job.status()).collect()
    }

    /// Snapshots of all jobs that are meant.
    pub(crate) fn snaps(&self, filter: &Filter) -> Vec<Snap> {
        self.matching(filter).iter().map(|job| job.snap()).collect()
    }

    /// `kind[id]` of the jobs that are meant and run.
    pub(crate) fn running(&self, filter: &Filter) -> Vec<String> {
        let jobs = self.matching(filter);
        let running = jobs.iter().filter(|job| job.is_running());
        running.map(|job| format!("{}[{}]", job.kind, job.id)).collect()
    }

    fn matching(&self, filter: &Filter) -> Vec<Arc<Job>> {
        self.lock().iter().filter(|job| filter.matches(job)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Job>>> {
        // Nothing can be left half-changed in here.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the jobs of a bucket end with it.
pub(super) fn destroyed(bucket: &BucketRef) -> String {
    format!("bucket \"ais://{}\" was destroyed", bucket.name)
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
