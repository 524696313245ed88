//! A worker: one operation after another, until the run is over.

use super::core::Core;
use super::job::{Agenda, Job, Next};
use super::operation::Operator;
use super::training::Trainer;
use crate::content::Outcome;
use crate::engine::request::call::{Call, object_of};
use crate::engine::request::room::{Facts, Room};
use crate::recorder::phases::Marks;
use crate::recorder::{ErrorKind, Moved, OpError, Span};
use crate::workload::trace::TraceOp;
use crate::workload::{OpKind, Workload};
use link::{Patience, Slot};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use uring::Buf;

/// After a failure to talk to a server at all, a worker rests, longer each time, lest a dead server be answered with
/// a full core of connection attempts.
const REST_FIRST: Duration = Duration::from_millis(1);
const REST_LONGEST: Duration = Duration::from_secs(1);

/// One worker.
pub(crate) struct Worker {
    agenda: Agenda,
    /// The accelerator that this worker loads for.
    trainer: Option<Trainer>,
    operator: Operator,
    rest: Duration,
}

impl Worker {
    /// A worker; `workload` says what it does, alone or together with others.
    pub(crate) fn new(
        core: &Rc<Core>,
        slot: Rc<Slot>,
        number: u64,
        workload: Rc<RefCell<Workload>>,
        buf: Buf,
    ) -> Self {
        let room = Room {
            link: link::Room::new(buf),
            target: String::with_capacity(256),
            kept: Vec::new(),
            facts: Facts::default(),
            marks: Marks::default(),
        };
        Self {
            agenda: Agenda::new(number, workload),
            trainer: core.run.config.choices.training.map(Trainer::new),
            operator: Operator { core: Rc::clone(core), slot, room, asked: None },
            rest: REST_FIRST,
        }
    }

    /// Works until the run is over.
    pub(crate) async fn run(mut self) {
        let core = Rc::clone(&self.operator.core);
        while !core.run.is_stopping() && self.one(None, None).await {}
        self.leave();
    }

    /// One operation; in an open loop one that was due at `due`, of a trace if that says what to do. False: none may begin
    /// any more.
    pub(crate) async fn one(&mut self, due: Option<Instant>, op: Option<&TraceOp>) -> bool {
        let core = Rc::clone(&self.operator.core);
        if let Some(trainer) = &self.trainer {
            trainer.await_room(&core).await;
        }
        loop {
            match self.agenda.next(&core, op) {
                Next::Job(job) => return self.work(&core, job, due).await,
                Next::Over => return false,
                Next::Nothing => core.shard.tick().await,
            }
            if core.run.is_stopping() {
                return false;
            }
        }
    }

    /// After the last operation.
    pub(crate) fn leave(self) {
        let core = &self.operator.core;
        self.agenda.leave(core);
        if let Some(trainer) = self.trainer {
            trainer.end(core);
        }
    }

    /// Does a job; false when the run's time was over before it could begin.
    async fn work(&mut self, core: &Core, mut job: Job, due: Option<Instant>) -> bool {
        self.aim(core, &job.first);
        let begin = Instant::now();
        if due.is_none() && core.run.planned_end().is_some_and(|end| begin >= end) {
            return false;
        }
        if let (Some(note), Some(since)) = (&core.note, core.run.begin()) {
            note.add(self.agenda.noted(&job, begin.saturating_duration_since(since)));
        }
        let mut outcome = self.perform(core, &mut job.first, begin, due).await;
        if let (Ok(()), Some(call)) = (&outcome, &mut job.then) {
            self.aim(core, call);
            // The second half is due when the first has ended.
            outcome = self.perform(core, call, Instant::now(), None).await;
        }
        if job.kind.is_composite() {
            let span = Span { due, begin, end: Instant::now(), run_end: core.run.end() };
            match &outcome {
                Ok(()) => core.stats.borrow_mut().record(job.kind, &span, Moved::default()),
                Err(e) => self.count_failure(core, job.kind, &span, e),
            }
        }
        self.agenda.settle(core, job, &outcome);
        if let (Ok(()), Some(trainer)) = (&outcome, &mut self.trainer) {
            trainer.loaded(core, Instant::now());
        }
        if let (Err(e), None) = (&outcome, due) {
            // An open loop does not wait: its rate bounds the attempts.
            self.rest_after(core, e).await;
        }
        true
    }

    fn aim(&mut self, core: &Core, call: &Call) {
        core.dialect.write_target(&core.run, call, &self.agenda.name, &mut self.operator.room.target);
    }

    /// One call from its target to its record.
    async fn perform(
        &mut self,
        core: &Core,
        call: &mut Call,
        begin: Instant,
        due: Option<Instant>,
    ) -> Result<(), OpError> {
        let peer = match call {
            Call::List { .. } => core.gateway(),
            Call::Get(_) | Call::Head | Call::Delete | Call::Put(_) | Call::Multipart(_) => {
                core.peer_of(object_of(&core.run.config, &self.agenda.name))
            }
        };
        self.operator.room.marks.start(core.run.is_tracing());
        let until = core.run.config.timeout.map(|limit| begin + limit);
        self.operator.slot.begin(Patience { until, idle: None });
        let result = match peer {
            Ok(peer) if matches!(call, Call::Multipart(_)) => self.operator.upload(peer, call).await,
            Ok(peer) => self.operator.perform(peer, call, &self.agenda.name).await,
            Err(e) => Err(e),
        };
        self.operator.slot.end();
        if let Some(object) = call.object() {
            // After a failure nobody knows if the object has been stored.
            object
                .set_outcome(result.as_ref().map_or(Outcome::Unsure, |_| Outcome::Stored(object.size_bytes)));
        }
        let span = Span { due, begin, end: Instant::now(), run_end: core.run.end() };
        core.last_end.set(Some(span.end));
        let name = (call.kind() != OpKind::List).then(|| object_of(&core.run.config, &self.agenda.name));
        self.operator.asked.take().into_iter().for_each(|peer| core.note_place(peer, name, &span, &result));
        match result {
            Ok(moved) => {
                self.rest = REST_FIRST;
                let mut stats = core.stats.borrow_mut();
                stats.record(call.kind(), &span, moved);
                if self.operator.room.marks.is_on {
                    stats.record_phases(call.kind(), &span, &self.operator.room.marks);
                }
                Ok(())
            }
            Err(e) => {
                let error = self.explain(core, e);
                self.count_failure(core, call.kind(), &span, &error);
                Err(error)
            }
        }
    }

    fn explain(&self, core: &Core, error: OpError) -> OpError {
        match self.operator.slot.is_cut() {
            true if core.run.is_cutting() => OpError::new(ErrorKind::Unfinished, "cut at the end of the run"),
            true => OpError::new(ErrorKind::Timeout, "took longer than -timeout"),
            false => error,
        }
    }

    fn count_failure(&self, core: &Core, kind: OpKind, span: &Span, error: &OpError) {
        // The user who interrupts a run cuts operations; the server did nothing wrong.
        if error.kind != ErrorKind::Unfinished || !core.run.is_interrupted() {
            core.stats.borrow_mut().record_error(kind, span, error);
        }
    }

    async fn rest_after(&mut self, core: &Core, error: &OpError) {
        if error.is_transport() && !core.run.is_stopping() {
            core.driver().sleep(self.rest).await;
            self.rest = self.rest.saturating_mul(2).min(REST_LONGEST);
        }
    }
}
