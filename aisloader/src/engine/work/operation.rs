//! One operation: a request, the redirects that it is sent along, and the judgement of the answer.

use super::core::Core;
use crate::client::address::{follow, is_secure};
use crate::engine::request::call::Call;
use crate::engine::request::check::Check;
use crate::engine::request::line::{Answer, Line, Room};
use crate::engine::request::peers::{Conn, PeerId, PutManner};
use crate::engine::request::sink::Sink;
use crate::engine::shared::watch::Slot;
use crate::recorder::{ErrorKind, Moved, OpError};
use std::rc::Rc;

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
        let mut conn = core.peers.take(peer)?;
        loop {
            match self.exchange(&mut conn, call, check).await {
                Ok((answer, learned, body_bytes)) => {
                    if let Some(manner) = learned {
                        core.peers.learn(peer, manner);
                    }
                    if answer.keep_alive {
                        core.peers.keep(conn);
                    }
                    return Ok((answer, body_bytes));
                }
                Err(e) if conn.is_reused && e.is_before_answer && !self.slot.is_cut() => {
                    conn = core.peers.dial(peer)?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    async fn exchange(
        &mut self,
        conn: &mut Conn,
        call: &Call,
        check: &mut Check,
    ) -> Result<(Answer, Option<PutManner>, u64), OpError> {
        let core = Rc::clone(&self.core);
        let is_asked = core.dialect.has_redirects()
            && call.is_worth_asking()
            && core.peers.put_manner(conn.peer) != PutManner::Stores;
        let host = core.peers.authority(conn.peer);
        core.dialect.write_head(&core.run, call, &mut self.room, &host, is_asked);
        let outgoing = call.outgoing(is_asked);
        let mut kept = std::mem::take(&mut self.room.kept);
        kept.clear();
        let wants_facts =
            matches!(check, Check::Checksum(_)) || matches!(call, Call::Get(Some(_)) | Call::Multipart(_));
        let mut sink = call.sink(&core.run.config, check, &mut kept);
        let mut line = Line {
            driver: core.driver(),
            slot: &self.slot,
            conn,
            room: &mut self.room,
            limits: &core.limits,
            method: call.method().1,
            first_bytes_max: if matches!(sink, Sink::Drop) { HEAD_BYTES_MAX } else { usize::MAX },
            wants_facts,
        };
        let result = line.exchange(&outgoing, &mut sink).await;
        // A failed answer's text is in `Room::kept` already.
        if matches!(&result, Ok((answer, ..)) if answer.status < 300) {
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
