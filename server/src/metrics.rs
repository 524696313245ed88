//! Counters of a core: plain cells, summed over cores only when somebody asks.

use crate::error::{Error, Kind};
use std::cell::Cell;
use std::time::Duration;
use wire::http1::{Method, RequestHead};

/// A counter of one core.
#[derive(Debug, Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.set(self.0.get() + count);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident => $name:literal;)*) => {
        /// All counters of a core. The names are AIStore's tracker names where it has one.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[$doc])* pub(crate) $field: Counter,)*
        }

        impl Counters {
            /// Tracker name and value of each counter, in a fixed order.
            pub(crate) fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$(($name, self.$field.get()),)*]
            }
        }
    };
}

counters! {
    get => "get.n";
    get_bytes => "get.size";
    get_ns => "get.ns.total";
    put => "put.n";
    put_bytes => "put.size";
    put_ns => "put.ns.total";
    head => "head.n";
    head_ns => "head.ns.total";
    append => "append.n";
    delete => "del.n";
    rename => "ren.n";
    list => "lst.n";
    list_ns => "lst.ns";
    err_get => "err.get.n";
    err_put => "err.put.n";
    err_head => "err.head.n";
    err_append => "err.append.n";
    err_delete => "err.del.n";
    err_list => "err.lst.n";
    err_put_checksum => "err.put.cksum.n";
    err_io => "err.io.n";
    /// Connections accepted.
    accepted => "conn.accepted.n";
    /// Connections turned away at the limit.
    refused => "conn.refused.n";
    /// Requests that took their connection to another core.
    moved => "conn.moved.n";
}

impl Counters {
    /// Counts a failed request under its operation.
    pub(crate) fn note_error(&self, head: &RequestHead<'_>, error: &Error) {
        match error.kind {
            Kind::BadChecksum => self.err_put_checksum.add(1),
            Kind::Io | Kind::Corrupt => self.err_io.add(1),
            _ => {}
        }
        let is_object = is_object(head);
        match head.method {
            Method::Get if is_object => self.err_get.add(1),
            Method::Get => self.err_list.add(1),
            Method::Put if head.query().contains("append_type") => self.err_append.add(1),
            Method::Put if is_object => self.err_put.add(1),
            Method::Head => self.err_head.add(1),
            Method::Delete => self.err_delete.add(1),
            _ => {}
        }
    }

    /// Adds the time a request took.
    pub(crate) fn note_latency(&self, head: &RequestHead<'_>, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let is_object = is_object(head);
        match head.method {
            Method::Get if is_object => self.get_ns.add(ns),
            Method::Get => self.list_ns.add(ns),
            Method::Put if is_object => self.put_ns.add(ns),
            Method::Head => self.head_ns.add(ns),
            _ => {}
        }
    }
}

fn is_object(head: &RequestHead<'_>) -> bool {
    head.path().starts_with("/v1/objects/")
}

/// Sums the snapshots of all cores.
pub(crate) fn sum(snapshots: Vec<Vec<(&'static str, u64)>>) -> Vec<(&'static str, u64)> {
    let mut snapshots = snapshots.into_iter();
    let mut total = snapshots.next().unwrap_or_default();
    for snapshot in snapshots {
        for ((_, sum), (_, value)) in total.iter_mut().zip(snapshot) {
            *sum += value;
        }
    }
    total
}
