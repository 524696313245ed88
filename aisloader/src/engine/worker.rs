//! A worker: one operation after another, until the run is over.

use super::core::Core;
use super::error::{ErrorKind, OpError};
use super::exchange::{Facts, Room};
use super::operation::{Call, Operator, PutBody};
use super::peers::PeerId;
use super::watch::Slot;
use crate::names::push_path_encoded;
use crate::recorder::Span;
use crate::trace::TraceOp;
use crate::workload::{NewObject, OpKind, Workload};
use placement::mix;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};
use uring::Buf;

/// After a failure to talk to a server at all, a worker rests, longer each time, lest a dead server be answered with
/// a full core of connection attempts.
const REST_FIRST: Duration = Duration::from_millis(1);
const REST_LONGEST: Duration = Duration::from_secs(1);

/// One worker.
pub(super) struct Worker {
    operator: Operator,
    workload: Rc<RefCell<Workload>>,
    name: String,
    rest: Duration,
    /// Where this worker's walk over the names stands.
    list_uuid: String,
    list_token: String,
}

impl Worker {
    /// A worker; `workload` says what it does, alone or together with others.
    pub(super) fn new(core: &Rc<Core>, slot: Rc<Slot>, workload: Rc<RefCell<Workload>>, buf: Buf) -> Self {
        let room = Room {
            buf: Some(buf),
            head: Vec::with_capacity(1024),
            target: String::with_capacity(256),
            kept: Vec::new(),
            facts: Facts::default(),
        };
        Self {
            operator: Operator { core: Rc::clone(core), slot, room, asked: None },
            workload,
            name: String::new(),
            rest: REST_FIRST,
            list_uuid: String::new(),
            list_token: String::new(),
        }
    }

    /// Works until the run is over.
    pub(super) async fn run(mut self) {
        let core = Rc::clone(&self.operator.core);
        while !core.run.is_stopping() && self.one(None, None).await {}
    }

    /// One operation; in an open loop one that was due at `due`, of a trace if that says what to do. False: none may begin
    /// any more.
    pub(super) async fn one(&mut self, due: Option<Instant>, op: Option<&TraceOp>) -> bool {
        let core = Rc::clone(&self.operator.core);
        let kind = match op {
            None => self.next_kind(&core),
            Some(op) => op.kind,
        };
        let Some((peer, mut call)) = self.prepare(&core, kind, op) else { return false };
        let begin = Instant::now();
        if due.is_none() && core.run.planned_end().is_some_and(|end| begin >= end) {
            return false;
        }
        if let (Some(note), Some(since)) = (&core.note, core.run.begin()) {
            note.add(self.traced(kind, begin.saturating_duration_since(since), &call));
        }
        self.operator.slot.begin(core.run.config.timeout.map(|limit| begin + limit));
        let result = match peer {
            Ok(peer) => self.operator.perform(peer, &mut call).await,
            Err(e) => Err(e),
        };
        self.operator.slot.end();
        let span = Span { due, begin, end: Instant::now(), run_end: core.run.end() };
        let name = (kind != OpKind::List).then_some(self.name.as_str());
        self.operator.asked.take().into_iter().for_each(|peer| core.note_place(peer, name, &span, &result));
        match result {
            Ok(moved) => {
                self.rest = REST_FIRST;
                core.stats.borrow_mut().record(kind, &span, moved);
                self.remember(&core, kind, call);
            }
            Err(e) => self.fail(&core, kind, &span, e).await,
        }
        core.last_end.set(Some(span.end));
        true
    }

    /// A GET without any name to ask for becomes a PUT: the run that writes its own names starts so.
    fn next_kind(&mut self, core: &Core) -> OpKind {
        let kind = self.workload.borrow_mut().next_kind();
        match kind {
            OpKind::Get if core.names_known() == 0 => OpKind::Put,
            kind => kind,
        }
    }

    /// Everything that can be done before the clock starts. `None`: the run's bounds are reached.
    fn prepare(
        &mut self,
        core: &Core,
        kind: OpKind,
        op: Option<&TraceOp>,
    ) -> Option<(Result<PeerId, OpError>, Call)> {
        let call = match kind {
            OpKind::Put => {
                let object = match op {
                    None => self.workload.borrow_mut().next_put(&core.run.config.subdir, &mut self.name),
                    Some(op) => self.traced_object(op),
                };
                self.admit(core, kind, object.size_bytes)?;
                let pieces = core.payload.pieces(object.payload, object.size_bytes);
                Call::Put(PutBody::new(core, pieces, object.size_bytes))
            }
            OpKind::Get => {
                self.admit(core, kind, 0)?;
                if let Some(op) = op {
                    self.name.clone_from(&op.name);
                } else {
                    let index = self.workload.borrow_mut().next_get(core.names_known());
                    core.copy_name(index, &mut self.name);
                }
                Call::Get
            }
            OpKind::List => {
                self.admit(core, kind, 0)?;
                let (uuid, token) =
                    (std::mem::take(&mut self.list_uuid), std::mem::take(&mut self.list_token));
                Call::List { uuid, token }
            }
        };
        self.write_target(core, kind);
        let peer = match kind {
            OpKind::List => Ok(core.gateway),
            OpKind::Put | OpKind::Get => core.peer_of(&self.name),
        };
        Some((peer, call))
    }

    /// The object that a trace writes: the same name has the same bytes whenever the trace is played.
    fn traced_object(&mut self, op: &TraceOp) -> NewObject {
        self.name.clone_from(&op.name);
        let payload = op.name.bytes().fold(op.bytes, |hash, byte| mix(hash ^ u64::from(byte)));
        NewObject { size_bytes: op.bytes, payload }
    }

    /// The operation that begins now, as a trace has it.
    fn traced(&self, kind: OpKind, at: Duration, call: &Call) -> TraceOp {
        let bytes = if let Call::Put(body) = call { body.size_bytes } else { 0 };
        let name = if kind == OpKind::List { String::new() } else { self.name.clone() };
        TraceOp { at, kind, name, bytes }
    }

    fn admit(&self, core: &Core, kind: OpKind, size_bytes: u64) -> Option<()> {
        if core.run.budget.admit(kind, size_bytes) {
            return Some(());
        }
        core.run.stop();
        None
    }

    fn write_target(&mut self, core: &Core, kind: OpKind) {
        let bucket = &core.run.config.bucket;
        let target = &mut self.operator.room.target;
        target.clear();
        // Writing to a string cannot fail.
        match kind {
            OpKind::List => {
                let _ = write!(target, "/v1/buckets/{}?provider={}", bucket.name, bucket.provider);
            }
            OpKind::Get | OpKind::Put => {
                target.push_str("/v1/objects/");
                target.push_str(&bucket.name);
                target.push('/');
                push_path_encoded(target, &self.name);
                target.push_str("?provider=");
                target.push_str(bucket.provider);
            }
        }
        if kind == OpKind::Put {
            target.push_str("&skip_vc=true");
            if let Some(direct) = &core.run.direct {
                // Targets take writes only from requests that a gateway has redirected; this is how those look.
                let _ = write!(target, "&pid={}&utm={}", direct.primary_id, unix_ns());
            }
        }
    }

    fn remember(&mut self, core: &Core, kind: OpKind, call: Call) {
        match call {
            Call::List { uuid, token } => (self.list_uuid, self.list_token) = (uuid, token),
            // What a trace writes it also names when it is to be read.
            Call::Put(_) if core.run.config.mix.pct_put < 100 && core.run.config.trace.is_none() => {
                core.add_name(&self.name);
            }
            Call::Put(_) | Call::Get => debug_assert_ne!(kind, OpKind::List),
        }
    }

    async fn fail(&mut self, core: &Core, kind: OpKind, span: &Span, error: OpError) {
        let error = match self.operator.slot.is_cut() {
            true if core.run.is_cutting() => OpError::new(ErrorKind::Unfinished, "cut at the end of the run"),
            true => OpError::new(ErrorKind::Timeout, "took longer than -timeout"),
            false => error,
        };
        // The user who interrupts a run cuts operations; the server did nothing wrong.
        if error.kind == ErrorKind::Unfinished && core.run.is_interrupted() {
            return;
        }
        core.stats.borrow_mut().record_error(kind, span, &error);
        // An open loop does not wait: its rate bounds the attempts.
        if error.is_transport() && span.due.is_none() && !core.run.is_stopping() {
            core.driver().sleep(self.rest).await;
            self.rest = self.rest.saturating_mul(2).min(REST_LONGEST);
        }
    }
}

fn unix_ns() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_nanos())
}
