//! Jobs that run inside the cluster: what runs, what has ended, and how it went.
//!
//! A finished job stays queryable, because clients poll for its end; the oldest are forgotten first. Jobs that are not
//! finished are bounded too: some work, some wait for their turn, and one more is refused.

mod check;
mod turns;

pub(crate) use check::{CheckReport, CheckState};
pub(crate) use turns::Turns;

use crate::clock;
use crate::error::{Error, Result, clip};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::api::bck::Bck;
use wire::api::ids::uuid_from;
use wire::api::jobs::{JobStats, JobStatus, QueryMsg, Snap};
use wire::api::timefmt::snap_time;

/// Jobs remembered.
const REMEMBERED_MAX: usize = 1000;
/// Jobs that work or wait; each may hold a list of names.
const UNFINISHED_MAX: usize = 256;
/// Jobs that work at a time on a core.
pub(crate) const AT_ONCE_CORE: usize = 4;

/// A job, running or ended.
#[derive(Clone, Debug)]
struct Job {
    id: String,
    kind: &'static str,
    bucket: Bck,
    destination: Bck,
    started_ns: i64,
    /// 0 while it runs.
    ended_ns: i64,
    objects: i64,
    size_bytes: i64,
    error: String,
}

/// All jobs of the node.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    jobs: Mutex<VecDeque<Job>>,
    /// The check of the store that runs, or ran last.
    check: Mutex<Option<Arc<CheckState>>>,
}

impl Jobs {
    /// Notes the start of a job and gives it an id.
    ///
    /// # Errors
    /// `Busy` when too many are not finished.
    pub(crate) fn start(&self, kind: &'static str, bucket: Bck, destination: Bck) -> Result<String> {
        let unfinished = self.lock().iter().filter(|job| job.ended_ns == 0).count();
        if unfinished >= UNFINISHED_MAX {
            return Err(Error::busy(format!("{unfinished} jobs are not finished")));
        }
        let id = new_uuid();
        self.start_as(id.clone(), kind, bucket, destination);
        Ok(id)
    }

    /// The same with an id of the caller's, for one of which there is only one.
    pub(crate) fn start_as(&self, id: String, kind: &'static str, bucket: Bck, destination: Bck) {
        let job = Job {
            id,
            kind,
            bucket,
            destination,
            started_ns: clock::unix_ns(),
            ended_ns: 0,
            objects: 0,
            size_bytes: 0,
            error: String::new(),
        };
        let mut jobs = self.lock();
        if jobs.len() >= REMEMBERED_MAX {
            let oldest_ended = jobs.iter().position(|job| job.ended_ns != 0);
            oldest_ended.and_then(|at| jobs.remove(at));
        }
        jobs.push_back(job);
    }

    /// Notes the start of a check of the store; `None` while one runs.
    pub(crate) fn begin_check(&self, id: &str) -> Option<Arc<CheckState>> {
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

    /// Adds to what a job has done.
    pub(crate) fn progress(&self, id: &str, objects: u64, size_bytes: u64) {
        if let Some(job) = self.lock().iter_mut().find(|job| job.id == id) {
            job.objects += objects as i64;
            job.size_bytes += size_bytes as i64;
        }
    }

    /// Notes the end of a job; an empty error means success.
    pub(crate) fn finish(&self, id: &str, error: String) {
        if let Some(job) = self.lock().iter_mut().find(|job| job.id == id) {
            job.error = clip(&error).to_owned();
            job.ended_ns = clock::unix_ns();
        }
    }

    /// Status of the newest job that the query describes.
    pub(crate) fn status(&self, query: &QueryMsg) -> Option<JobStatus> {
        self.lock().iter().rev().find(|job| job.matches(query)).map(Job::status)
    }

    /// Status of all jobs that the query describes.
    pub(crate) fn all_status(&self, query: &QueryMsg) -> Vec<JobStatus> {
        self.lock().iter().filter(|job| job.matches(query)).map(Job::status).collect()
    }

    /// Snapshots of all jobs that the query describes.
    pub(crate) fn snaps(&self, query: &QueryMsg) -> Vec<Snap> {
        self.lock().iter().filter(|job| job.matches(query)).map(Job::snap).collect()
    }

    /// `kind[id]` of the jobs that run.
    pub(crate) fn running(&self) -> Vec<String> {
        let jobs = self.lock();
        jobs.iter().filter(|job| job.ended_ns == 0).map(|job| format!("{}[{}]", job.kind, job.id)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Job>> {
        // Nothing can be left half-changed in here.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn matches(&self, query: &QueryMsg) -> bool {
        let active = query.show_active.is_none_or(|active| !active || self.ended_ns == 0);
        let bucket = query.bck.name.is_empty() || query.bck.name == self.bucket.name;
        let id = query.id.is_empty() || query.id == self.id;
        let kind = query.kind.is_empty() || query.kind == self.kind;
        active && bucket && id && kind
    }

    fn status(&self) -> JobStatus {
        JobStatus {
            kind: self.kind.to_owned(),
            uuid: self.id.clone(),
            err: self.error.clone(),
            end_time: self.ended_ns,
            aborted: false,
            is_idle: self.ended_ns != 0,
        }
    }

    fn snap(&self) -> Snap {
        Snap {
            start_time: snap_time(self.started_ns),
            end_time: snap_time(self.ended_ns),
            bck: self.bucket.clone(),
            src_bck: self.bucket.clone(),
            dst_bck: self.destination.clone(),
            id: self.id.clone(),
            kind: self.kind.to_owned(),
            err: self.error.clone(),
            stats: JobStats { loc_objs: self.objects, loc_bytes: self.size_bytes, ..JobStats::default() },
            is_idle: self.ended_ns != 0,
            ..Snap::default()
        }
    }
}

/// A fresh id for a job, a listing or a node.
pub(crate) fn new_uuid() -> String {
    uuid_from(random_u64(), random_u64())
}

/// Eight random bytes from the system.
pub(crate) fn random_u64() -> u64 {
    let mut bytes = [0u8; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(_) => u64::from_ne_bytes(bytes),
        // The call cannot fail after boot; time is unique enough for an id.
        Err(_) => clock::unix_ns() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_job_stays_queryable() {
        let jobs = Jobs::default();
        let id = jobs.start("copy-bck", Bck::ais("a"), Bck::ais("b")).unwrap();
        let query = QueryMsg { id: id.clone(), ..QueryMsg::default() };
        assert_eq!(jobs.status(&query).unwrap().end_time, 0);
        assert_eq!(jobs.running(), vec![format!("copy-bck[{id}]")]);
        jobs.progress(&id, 3, 30);
        jobs.finish(&id, String::new());
        assert!(jobs.status(&query).unwrap().end_time > 0);
        assert_eq!(jobs.snaps(&query)[0].stats.loc_objs, 3);
        assert!(jobs.running().is_empty());
        assert!(jobs.status(&QueryMsg { id: "other12345".into(), ..QueryMsg::default() }).is_none());
    }

    #[test]
    fn running_jobs_are_never_forgotten() {
        let jobs = Jobs::default();
        let first = jobs.start("delete-listrange", Bck::default(), Bck::default()).unwrap();
        for _ in 0..REMEMBERED_MAX + 10 {
            let id = jobs.start("copy-bck", Bck::default(), Bck::default()).unwrap();
            jobs.finish(&id, String::new());
        }
        assert!(jobs.status(&QueryMsg { id: first, ..QueryMsg::default() }).is_some());
        assert!(jobs.lock().len() <= REMEMBERED_MAX);
    }

    #[test]
    fn jobs_that_are_not_finished_are_bounded() {
        let jobs = Jobs::default();
        let start = || jobs.start("copy-bck", Bck::default(), Bck::default());
        let started: Vec<String> = std::iter::from_fn(|| start().ok()).take(2 * UNFINISHED_MAX).collect();
        assert_eq!(started.len(), UNFINISHED_MAX);
        assert_eq!(start().unwrap_err().status(), 503);
        jobs.finish(&started[7], "x".repeat(1 << 20));
        assert!(start().is_ok());
        assert!(jobs.lock().iter().all(|job| job.error.len() < 8 << 10));
    }
}
