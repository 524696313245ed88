//! The jobs that a request is about.

use super::job::{Job, STORE_CHECK};
use wire::api::bck::Bck;
use wire::api::job_kinds::job_kind;
use wire::api::jobs::{ArgsMsg, QueryMsg};

/// A part that is empty matches everything.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) id: String,
    /// The name of the kind in answers.
    pub(crate) kind: String,
    /// One of them.
    pub(crate) buckets: Vec<Bck>,
    pub(crate) only_running: bool,
}

/// A kind by either of its names. One that nobody knows stays as it is, and no job has it.
pub(crate) fn kind_of(name: &str) -> String {
    job_kind(name).map_or(name, |kind| kind.kind).to_owned()
}

/// True for the kinds that AIStore has, and our own.
pub(crate) fn is_kind(name: &str) -> bool {
    name == STORE_CHECK || job_kind(name).is_some()
}

fn buckets(one: Bck, more: Vec<Bck>) -> Vec<Bck> {
    std::iter::once(one).chain(more).filter(|bck| !bck.name.is_empty()).collect()
}

impl From<QueryMsg> for Filter {
    fn from(query: QueryMsg) -> Self {
        Self {
            id: query.id,
            kind: kind_of(&query.kind),
            buckets: buckets(query.bck, query.buckets),
            only_running: query.show_active == Some(true),
        }
    }
}

impl From<ArgsMsg> for Filter {
    fn from(args: ArgsMsg) -> Self {
        Self {
            id: args.id,
            kind: kind_of(&args.kind),
            buckets: buckets(args.bck, args.buckets),
            only_running: args.only_running,
        }
    }
}

impl Filter {
    /// The job of an id.
    #[cfg(test)]
    pub(super) fn id(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    /// True if it matches every job.
    pub(crate) fn is_empty(&self) -> bool {
        self.id.is_empty() && self.kind.is_empty() && self.buckets.is_empty()
    }

    pub(super) fn matches(&self, job: &Job) -> bool {
        let of = |bck: &Bck| *bck == job.bucket || *bck == job.destination;
        (self.id.is_empty() || self.id == job.id)
            && (self.kind.is_empty() || self.kind == job.kind)
            && (self.buckets.is_empty() || self.buckets.iter().any(of))
            && (!self.only_running || job.is_running())
    }
}
