//! One operation: a request, the redirects that it is sent along, and the judgement of the answer.

use super::core::Core;
use crate::engine::request::call::Call;
use crate::engine::request::check::Check;
use crate::engine::request::exchange::{Exchanged, Failed, exchange};
use crate::engine::request::room::Room;
use crate::engine::request::sink::Sink;
use crate::recorder::{ErrorKind, Moved, OpError};
use link::address::{follow, is_secure};
use link::{Answer, Conn, Line, Manner, PeerId, Slot};
use std::cell::RefCell;
use std::rc::Rc;
use wire::http1::Headers;

const REDIRECTS_MAX: usize = 4;
/// Bytes that `-drop` receives before the kernel is told to drop the rest. A small answer is one receive with it.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// The tools of one worker for its operations.
pub(crate) struct Operator {
    pub(crate) core: Rc<Core>,
    pub(crate) slot: Rc<Slot>,
    pub(crate) room: Room,
    /// Whom the last request went to.
    pub(crate) asked: Option<PeerId>,
}

impl Operator {
    /// Runs the operation, beginning at `peer`; `name` is the object's.
    pub(crate) async fn perform(
        &mut self,
        peer: PeerId,
        call: &mut Call,
        name: &str,
    ) -> Result<Moved, OpError> {
        let mut peer = peer;
        for _ in 0..=REDIRECTS_MAX {
            self.asked = Some(peer);
            let mut check = match call {
                Call::Get(part) => Check::new(&self.core.run, &self.core.stock.pools, name, part.as_ref()),
                _ => Check::None,
            };
            self.room.marks.request();
            let (answer, body_bytes) = self.request(peer, call, &mut check).await?;
            match answer.status {
                200..=299 => return self.accept(call, answer.status, body_bytes, check),
                301 | 302 | 307 | 308 if self.core.dialect.has_redirects() => peer = self.redirected(peer)?,
                status => return Err(self.core.dialect.failure(status, &self.room.kept, &self.room.facts)),
            }
        }
        Err(OpError::new(ErrorKind::Redirect, format!("more than {REDIRECTS_MAX} redirects")))
    }

    /// One exchange. A kept connection that the peer had closed meanwhile is replaced once: nothing went wrong, and no
    /// request was lost on it.
    async fn request(
        &mut self,
        peer: PeerId,
        call: &Call,
        check: &mut Check,
    ) -> Result<(Answer, u64), OpError> {
        let core = Rc::clone(&self.core);
        let mut conn = core.peers.take(peer).await?;
        loop {
            match self.exchange(&mut conn, call, check).await {
                Ok(Exchanged { answer, learned, body_bytes }) => {
                    if let Some(manner) = learned {
                        core.peers.learn(peer, manner);
                    }
                    if answer.is_reusable() {
                        core.peers.keep(conn);
                    }
                    return Ok((answer, body_bytes));
                }
                Err(Failed::Link(e)) => conn = core.peers.replace(conn, e, &self.slot)?,
                Err(Failed::Answer(e)) => return Err(e),
            }
        }
    }

    async fn exchange(
        &mut self,
        conn: &mut Conn,
        call: &Call,
        check: &mut Check,
    ) -> Result<Exchanged, Failed> {
        let core = Rc::clone(&self.core);
        let is_asked = core.dialect.has_redirects()
            && call.is_worth_asking()
            && core.peers.manner(conn.peer()) != Manner::Stores;
        let host = core.peers.authority(conn.peer());
        core.dialect.write_head(&core.run, call, &mut self.room, &host, is_asked);
        let outgoing = call.outgoing(is_asked);
        let mut kept = std::mem::take(&mut self.room.kept);
        kept.clear();
        let wants_facts =
            matches!(check, Check::Checksum(_)) || matches!(call, Call::Get(Some(_)) | Call::Multipart(_));
        let mut sink = call.sink(&core.run.config, check, &mut kept);
        let Room { link, facts, marks, kept: refusal, .. } = &mut self.room;
        let facts = RefCell::new(facts);
        let mut on_head = |status: u16, headers: &Headers<'_>| {
            if wants_facts || status >= 300 {
                facts.borrow_mut().read(headers);
            }
            if status >= 200 {
                marks.head();
            }
        };
        let mut line = Line {
            driver: core.driver(),
            slot: &self.slot,
            conn,
            room: link,
            limits: &core.limits,
            method: call.method().1,
            first_bytes_max: if matches!(sink, Sink::Drop) { HEAD_BYTES_MAX } else { usize::MAX },
            on_head: &mut on_head,
        };
        let result = exchange(&mut line, &outgoing, &facts, &mut sink, refusal).await;
        // A failed answer's text is in `Room::kept` already.
        if matches!(&result, Ok(done) if done.answer.status < 300) {
            self.room.kept = kept;
        }
        result
    }

    fn accept(&self, call: &mut Call, status: u16, body_bytes: u64, check: Check) -> Result<Moved, OpError> {
        match call {
            Call::Get(Some(range)) => {
                let checked = range.check(status, &self.room.facts.content_range, body_bytes);
                checked.map_err(|text| OpError::new(ErrorKind::Range, text))?;
                check.finish(&self.core.run, &self.room.facts)?;
                Ok(Moved { bytes: body_bytes, names: 0 })
            }
            Call::Get(None) => {
                check.finish(&self.core.run, &self.room.facts)?;
                Ok(Moved { bytes: body_bytes, names: 0 })
            }
            Call::Put(body) => Ok(Moved { bytes: body.size_bytes, names: 0 }),
            Call::Multipart(upload) => Ok(Moved { bytes: upload.object.size_bytes, names: 0 }),
            Call::Head | Call::Delete => Ok(Moved::default()),
            Call::List { uuid, token } => {
                let page = self.core.dialect.read_page(&self.room.kept)?;
                (*uuid, *token) = (page.uuid, page.token);
                Ok(Moved { bytes: body_bytes, names: page.names })
            }
        }
    }

    /// Turns to where the answer points.
    fn redirected(&mut self, from: PeerId) -> Result<PeerId, OpError> {
        let location = self.room.facts.location.as_str();
        let (address, target) = follow(is_secure(&self.core.peers.address(from)), location)
            .map_err(|why| OpError::new(ErrorKind::Redirect, why))?;
        let peer = address.map_or(Ok(from), |address| self.core.peers.find(&address))?;
        self.room.target.clear();
        self.room.target.push_str(target);
        Ok(peer)
    }
}
