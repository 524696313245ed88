//! The choice of a worker's next job: everything that can be decided and made before the clock starts.

use super::core::Core;
use crate::engine::request::call::Call;
use crate::engine::request::put_body::PutBody;
use crate::engine::request::upload::Upload;
use crate::engine::shared::known::Claimed;
use crate::recorder::{ErrorKind, OpError};
use crate::workload::pick::Turn;
use crate::workload::range::ByteRange;
use crate::workload::trace::TraceOp;
use crate::workload::{NewObject, OpKind, Workload};
use placement::mix;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// The end of the names of shards.
const SHARD: &str = ".tar";

/// One operation of the workload.
pub(crate) struct Job {
    pub(crate) kind: OpKind,
    pub(crate) first: Call,
    /// The call that follows when the first has succeeded: the PUT of an UPDATE.
    pub(crate) then: Option<Call>,
    /// The name that a DELETE has taken.
    claimed: Option<Claimed>,
}

/// The next thing to do.
pub(crate) enum Next {
    /// This job.
    Job(Job),
    /// Nothing at the moment: the names that are left are all being read.
    Nothing,
    /// Nothing any more: a bound of the run is reached, or no name is left.
    Over,
}

/// The state from which one worker's next job follows.
pub(crate) struct Agenda {
    /// The worker's number; no other one of the run has it.
    number: u64,
    workload: Rc<RefCell<Workload>>,
    /// The read of a pass that is not done yet.
    turn: Option<Turn>,
    /// The object that is worked on.
    pub(crate) name: String,
    /// Where this worker's walk over the names stands.
    list_uuid: String,
    list_token: String,
}

impl Agenda {
    /// The agenda of the worker with this number; `workload` decides, alone or for several.
    pub(crate) fn new(number: u64, workload: Rc<RefCell<Workload>>) -> Self {
        let (name, list_uuid, list_token) = (String::new(), String::new(), String::new());
        Self { number, workload, turn: None, name, list_uuid, list_token }
    }

    /// After the last operation: a read that is not done is somebody else's.
    pub(crate) fn leave(self, core: &Core) {
        if let (Some(turn), Some(epochs)) = (self.turn, &core.run.epochs) {
            epochs.give_back(turn);
        }
    }

    /// Decides on the next operation, unless a trace says what it is, and prepares it.
    pub(crate) fn next(&mut self, core: &Core, op: Option<&TraceOp>) -> Next {
        if let Some(op) = op {
            return self.traced_job(core, op);
        }
        let mut kind = self.workload.borrow_mut().next_kind();
        if kind.needs_name() && core.known.is_empty() {
            if !core.run.config.mix.has(OpKind::sends_object) {
                core.run.stop();
                return Next::Over;
            }
            // The run that writes its own names starts so.
            kind = OpKind::Put;
        }
        let object = match kind {
            OpKind::Put | OpKind::Mpu => {
                Some(self.workload.borrow_mut().next_put(&core.run.config.naming, &mut self.name))
            }
            OpKind::Update => Some(self.workload.borrow_mut().next_update()),
            _ => None,
        };
        let (mut claimed, mut held) = (None, None);
        if kind == OpKind::Delete {
            let wish = self.workload.borrow_mut().next_delete(core.known.len());
            claimed = core.known.claim(wish, &mut self.name);
            if claimed.is_none() {
                return Next::Nothing;
            }
        } else if kind.needs_name() {
            let Some(wish) = self.pick(core) else {
                core.run.stop();
                return Next::Over;
            };
            held = core.known.hold(self.number, wish, &mut self.name);
            if held.is_none() {
                return Next::Nothing;
            }
        }
        let body = object.map(|object| self.body(core, kind, object));
        if !core.run.budget.admit(kind, body.as_ref().map_or(0, |body| body.size_bytes)) {
            core.run.stop();
            return Next::Over;
        }
        let read = held.filter(|_| kind != OpKind::Head);
        let part = read.and_then(|at| self.part(core, at));
        Next::Job(self.job(core, kind, body, part, claimed))
    }

    /// The job that a trace asks for. The same name has the same bytes whenever the trace is played.
    fn traced_job(&mut self, core: &Core, op: &TraceOp) -> Next {
        self.name.clone_from(&op.name);
        let body = op.kind.sends_object().then(|| {
            let payload = op.name.bytes().fold(op.bytes, |hash, byte| mix(hash ^ u64::from(byte)));
            PutBody::new(&core.run, &core.stock, &self.name, NewObject { size_bytes: op.bytes, payload })
        });
        if !core.run.budget.admit(op.kind, op.bytes) {
            core.run.stop();
            return Next::Over;
        }
        Next::Job(self.job(core, op.kind, body, None, None))
    }

    /// The operation that begins `at` so long after the run, as a trace has it.
    pub(crate) fn noted(&self, job: &Job, at: Duration) -> TraceOp {
        let body = [Some(&job.first), job.then.as_ref()].into_iter().flatten().find_map(|call| match call {
            Call::Put(body) => Some(body.size_bytes),
            _ => None,
        });
        let name = if job.kind == OpKind::List { String::new() } else { self.name.clone() };
        TraceOp { at, kind: job.kind, name, bytes: body.unwrap_or(0) }
    }

    /// The known name that is read next; `None` after the last pass.
    fn pick(&mut self, core: &Core) -> Option<u64> {
        let Some(epochs) = &core.run.epochs else {
            return Some(self.workload.borrow_mut().next_get(core.known.listed(), core.known.len()));
        };
        self.turn = epochs.take();
        self.turn.map(|turn| turn.name)
    }

    /// The part of an object that is read; `None`: all of it, as of an object that is known to be empty.
    fn part(&mut self, core: &Core, at: u64) -> Option<ByteRange> {
        let range = core.run.config.range.as_ref()?;
        let size_bytes = if range.needs_sizes() { core.known.size_bytes(at) } else { None };
        let random = self.workload.borrow_mut().next_range();
        range.pick(size_bytes, random).filter(|_| size_bytes != Some(0))
    }

    /// The bytes of a new object, which may be a shard; then its name says so.
    fn body(&mut self, core: &Core, kind: OpKind, object: NewObject) -> PutBody {
        let archives = &core.run.config.archives;
        if !self.workload.borrow_mut().next_is_shard(archives.pct) {
            return PutBody::new(&core.run, &core.stock, &self.name, object);
        }
        if kind == OpKind::Put {
            self.name.push_str(archives.extension);
        }
        PutBody::shard(&core.run.config, &core.stock, object)
    }

    fn job(
        &mut self,
        core: &Core,
        kind: OpKind,
        body: Option<PutBody>,
        part: Option<ByteRange>,
        claimed: Option<Claimed>,
    ) -> Job {
        let put = body.map(|body| match kind {
            OpKind::Mpu => Call::Multipart(Box::new(Upload::new(&core.run.config, body))),
            _ => Call::Put(body),
        });
        let mut list = || Call::List {
            uuid: std::mem::take(&mut self.list_uuid),
            token: std::mem::take(&mut self.list_token),
        };
        let (first, then) = match (kind, put) {
            (OpKind::Put | OpKind::Mpu, Some(put)) => (put, None),
            (OpKind::Update, put) => (Call::Get(part), put),
            (OpKind::Head, _) => (Call::Head, None),
            (OpKind::Delete, _) => (Call::Delete, None),
            (OpKind::List, _) => (list(), None),
            (OpKind::Get | OpKind::Put | OpKind::Mpu, _) => (Call::Get(part), None),
        };
        Job { kind, first, then, claimed }
    }

    /// Settles what a job leaves behind: names that are new, gone, or still there.
    pub(crate) fn settle(&mut self, core: &Core, job: Job, outcome: &Result<(), OpError>) {
        match (job.first, outcome) {
            (Call::List { uuid, token }, Ok(())) => (self.list_uuid, self.list_token) = (uuid, token),
            // A trace also names the objects to read, so the ones that it writes are not added.
            (Call::Put(body), Ok(()))
                if core.run.config.mix.has(OpKind::needs_name) && core.run.config.trace.is_none() =>
            {
                if core.run.config.archives.is_read && self.name.ends_with(SHARD) {
                    self.name.push('/');
                    self.name.push_str(&core.run.config.archives.path(0));
                }
                core.known.add(&self.name, body.size_bytes);
            }
            (Call::Multipart(upload), Ok(())) if core.run.config.mix.has(OpKind::needs_name) => {
                core.known.add(&self.name, upload.object.size_bytes);
            }
            _ => {}
        }
        if let Some(claimed) = job.claimed {
            // Refused, so the object is still there; after any other failure, nobody knows.
            let is_refused = |e: &OpError| matches!(e.kind, ErrorKind::Status(status) if status != 404);
            core.known.settle(claimed, outcome.as_ref().is_err_and(is_refused));
        }
        // A read that failed is done; one that the end of the run has cut is not.
        if !outcome.as_ref().is_err_and(|e| e.kind == ErrorKind::Unfinished) {
            self.turn = None;
        }
        if job.kind.needs_name() {
            core.known.release(self.number);
        }
    }
}
