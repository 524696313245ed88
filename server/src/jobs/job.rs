//! One job: what it is, what it has done, and how it has ended or is to end.

use super::abort::Abort;
use crate::clock;
use crate::store::BucketRef;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use wire::api::bck::Bck;
use wire::api::jobs::{JobStats, JobStatus, Snap};
use wire::api::timefmt::snap_time;

/// The kind of the job; AIStore has none like it.
pub(crate) const STORE_CHECK: &str = "store-check";

/// A job that is to be, and the buckets it works on.
#[derive(Debug, Default)]
pub(crate) struct About {
    pub(crate) kind: &'static str,
    pub(crate) bucket: Bck,
    pub(crate) destination: Bck,
    /// The very buckets: when one of them is destroyed, the job has nothing left to do.
    pub(crate) of: Vec<Arc<BucketRef>>,
}

/// The end of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) ended_ns: i64,
    /// It was stopped.
    pub(crate) aborted: bool,
    /// The reason why it failed or was stopped; empty when all went well.
    pub(crate) error: String,
}

/// A job as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    kind: String,
    bucket: Bck,
    destination: Bck,
    started_ns: i64,
    objects: u64,
    size_bytes: u64,
    pub(crate) end: Option<End>,
}

/// A job. Its body holds it, and so do those who ask about it: nobody searches for it to add to what it has done.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) bucket: Bck,
    pub(crate) destination: Bck,
    of: Vec<Arc<BucketRef>>,
    started_ns: i64,
    objects: AtomicU64,
    size_bytes: AtomicU64,
    pub(crate) abort: Abort,
    end: OnceLock<End>,
    /// Its end is written down, and can be told.
    is_told: AtomicBool,
}

impl Job {
    pub(super) fn new(id: String, about: About) -> Self {
        Self {
            id,
            kind: about.kind.to_owned(),
            bucket: about.bucket,
            destination: about.destination,
            of: about.of,
            started_ns: clock::unix_ns(),
            objects: AtomicU64::new(0),
            size_bytes: AtomicU64::new(0),
            abort: Abort::default(),
            end: OnceLock::new(),
            is_told: AtomicBool::new(false),
        }
    }

    /// One that has ended, out of its record.
    pub(super) fn from_record(record: Record, otherwise: impl FnOnce() -> End) -> Self {
        Self {
            id: record.id,
            kind: record.kind,
            bucket: record.bucket,
            destination: record.destination,
            of: Vec::new(),
            started_ns: record.started_ns,
            objects: AtomicU64::new(record.objects),
            size_bytes: AtomicU64::new(record.size_bytes),
            abort: Abort::default(),
            end: OnceLock::from(record.end.unwrap_or_else(otherwise)),
            is_told: AtomicBool::new(true),
        }
    }

    /// Adds to what it has done.
    pub(crate) fn add(&self, objects: u64, size_bytes: u64) {
        self.objects.fetch_add(objects, Ordering::Relaxed);
        self.size_bytes.fetch_add(size_bytes, Ordering::Relaxed);
    }

    /// True if it works on this very bucket.
    pub(super) fn is_of(&self, bucket: &BucketRef) -> bool {
        self.of.iter().any(|of| of.id == bucket.id)
    }

    /// The buckets that it works on.
    pub(super) fn buckets(&self) -> &[Arc<BucketRef>] {
        &self.of
    }

    /// Notes its end, which is told later. The first one counts.
    pub(super) fn end(&self, end: End) {
        let _ = self.end.set(end);
    }

    /// From now on its end is told.
    pub(super) fn tell(&self) {
        self.is_told.store(true, Ordering::Release);
    }

    /// Its end as far as others may know.
    pub(super) fn told(&self) -> Option<&End> {
        self.end.get().filter(|_| self.is_told.load(Ordering::Acquire))
    }

    pub(super) fn is_running(&self) -> bool {
        self.told().is_none()
    }

    pub(super) fn record(&self) -> Record {
        Record {
            id: self.id.clone(),
            kind: self.kind.clone(),
            bucket: self.bucket.clone(),
            destination: self.destination.clone(),
            started_ns: self.started_ns,
            objects: self.objects.load(Ordering::Relaxed),
            size_bytes: self.size_bytes.load(Ordering::Relaxed),
            end: self.end.get().cloned(),
        }
    }

    pub(super) fn status(&self) -> JobStatus {
        let end = self.told().cloned().unwrap_or_default();
        JobStatus {
            kind: self.kind.clone(),
            uuid: self.id.clone(),
            err: end.error,
            end_time: end.ended_ns,
            aborted: end.aborted,
            is_idle: !self.is_running(),
        }
    }

    pub(super) fn snap(&self) -> Snap {
        let (record, end) = (self.record(), self.told().cloned().unwrap_or_default());
        let (abort_err, err) =
            if end.aborted { (end.error, String::new()) } else { (String::new(), end.error) };
        Snap {
            start_time: snap_time(record.started_ns),
            end_time: snap_time(end.ended_ns),
            src_bck: record.bucket.clone(),
            bck: record.bucket,
            dst_bck: record.destination,
            id: record.id,
            kind: record.kind,
            abort_err,
            err,
            stats: JobStats {
                loc_objs: i64::try_from(record.objects).unwrap_or(i64::MAX),
                loc_bytes: i64::try_from(record.size_bytes).unwrap_or(i64::MAX),
                ..JobStats::default()
            },
            aborted: end.aborted,
            is_idle: !self.is_running(),
            ..Snap::default()
        }
    }
}
