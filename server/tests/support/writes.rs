//! Names that are written over and over, in all the ways there are, until the node or its disk fails; and what must be
//! under each of them afterwards.

use super::data::{Bucket, numbered};
use super::http::{Client, Reply};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// The state of one name, as far as it is known. Its writes are numbered from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// The last that was acknowledged.
    pub(crate) acknowledged: u64,
    /// The last that was sent.
    pub(crate) sent: u64,
}

/// The kind of request that makes a write; the number of the write says it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Put,
    Delete,
    /// In two parts. It comes after a deletion: an append takes over what is there.
    Append,
    /// A copy of an object that is written for this.
    Copy,
}

fn way(number: u64) -> Way {
    match number % 14 {
        6 | 13 => Way::Delete,
        7 => Way::Append,
        3 | 10 => Way::Copy,
        _ => Way::Put,
    }
}

fn is_deletion(number: u64) -> bool {
    way(number) == Way::Delete
}

/// The writes of a test.
#[derive(Clone, Copy)]
pub(crate) struct Writes {
    pub(crate) bucket: Bucket,
    /// Where what is copied is written.
    pub(crate) sources: Bucket,
    pub(crate) threads: u64,
    /// Names of each thread: few, so that most writes are overwrites.
    pub(crate) names: u64,
    /// Lengths in bytes.
    pub(crate) sizes: &'static [usize],
    /// Some names often and the others rarely: then segments hold both live and dead records.
    pub(crate) favours_some: bool,
    /// Errors of the server end the load like its death.
    pub(crate) disk_may_fail: bool,
}

impl Writes {
    pub(crate) fn create_buckets(&self, client: &mut Client) {
        self.bucket.create(client);
        self.sources.create(client);
    }

    /// No knowledge yet, for every thread and every name of it.
    pub(crate) fn nothing_known(&self) -> Vec<Vec<Known>> {
        vec![vec![Known::default(); self.names as usize]; self.threads as usize]
    }

    fn name(id: u64) -> String {
        format!("d{}/{id}", id % 5)
    }

    fn path(&self, id: u64) -> String {
        self.bucket.object(&Self::name(id))
    }

    fn content(&self, id: u64, number: u64) -> Vec<u8> {
        numbered(id, number, self.sizes[((id * 5 + number) % self.sizes.len() as u64) as usize])
    }

    /// Writes as one of the threads until something fails, or no longer wanted.
    pub(crate) fn write_until_failure(
        &self,
        port: u16,
        thread: u64,
        known: &mut [Known],
        go_on: &AtomicBool,
    ) {
        let mut client = Client::new(port);
        let mut turn = thread * 77 + known.iter().map(|known| known.sent).sum::<u64>();
        while go_on.load(Ordering::Relaxed) {
            turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let names = if self.favours_some && (turn >> 60) != 0 { self.names / 4 } else { self.names };
            let at = ((turn >> 33) % names) as usize;
            known[at].sent += 1;
            let (id, number) = (thread * self.names + at as u64, known[at].sent);
            match self.write(&mut client, thread, id, number) {
                // A deletion of what an earlier end has taken is as good.
                Ok(reply) if reply.status == 200 || (reply.status == 404 && is_deletion(number)) => {
                    known[at].acknowledged = number;
                }
                Ok(reply) if self.disk_may_fail && reply.status >= 500 => return,
                Ok(reply) => {
                    panic!("write {number} of {}: {} {}", self.path(id), reply.status, reply.text())
                }
                Err(_) => return,
            }
        }
    }

    /// The last answer of a write, or the first that is an error.
    fn write(&self, client: &mut Client, thread: u64, id: u64, number: u64) -> io::Result<Reply> {
        let path = self.path(id);
        match way(number) {
            Way::Put => client.request("PUT", &path, &[], &self.content(id, number)),
            Way::Delete => client.request("DELETE", &path, &[], b""),
            Way::Append => append(client, &path, &self.content(id, number)),
            Way::Copy => {
                let source = self.sources.object(&format!("of-{thread}"));
                let reply = client.request("PUT", &source, &[], &self.content(id, number))?;
                if reply.status != 200 {
                    return Ok(reply);
                }
                let to = format!("{source}?object_to=ais/@%23/{}/{}", self.bucket.0, Self::name(id));
                client.request("PUT", &to, &[], b"")
            }
        }
    }

    /// Every name holds its last acknowledged write, or one that was sent after it, whole; and there is nothing else.
    /// Returns how many objects there are.
    pub(crate) fn verify(&self, client: &mut Client, known: &mut [Vec<Known>]) -> Result<u64, String> {
        let mut present = 0;
        for (known, id) in known.iter_mut().flatten().zip(0..) {
            let found = self.verify_one(client, id, known)?;
            // A write in the air has landed now or never will; a name in doubt goes on from a write of its own.
            let settled = found == known.sent || (found == 0 && is_deletion(known.sent));
            if !settled {
                known.sent += if is_deletion(known.sent + 1) { 2 } else { 1 };
                self.bucket.put(client, &Self::name(id), &self.content(id, known.sent));
            }
            known.acknowledged = known.sent;
            present += u64::from(found > 0 || !settled);
        }
        let listed = self.bucket.list(client).len() as u64;
        if listed == present {
            Ok(present)
        } else {
            Err(format!("{listed} names are listed, {present} are there"))
        }
    }

    /// The number of the write that is there; 0 for none.
    fn verify_one(&self, client: &mut Client, id: u64, known: &Known) -> Result<u64, String> {
        let reply = client.get(&self.path(id));
        let possible = known.acknowledged..=known.sent;
        let may_be_absent = known.acknowledged == 0 || possible.clone().any(is_deletion);
        let found = match reply.status {
            404 if may_be_absent => return Ok(0),
            200 if reply.complete && reply.body.len() >= 8 => {
                u64::from_le_bytes(reply.body[..8].try_into().unwrap())
            }
            status => return Err(format!("{}: {status} {}, {known:?}", self.path(id), reply.text())),
        };
        if !possible.contains(&found) || is_deletion(found) || reply.body != self.content(id, found) {
            return Err(format!("{}: write {found}, {known:?}", self.path(id)));
        }
        Ok(found)
    }
}

fn append(client: &mut Client, path: &str, bytes: &[u8]) -> io::Result<Reply> {
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let mut handle = String::new();
    for part in [first, second] {
        let to = format!("{path}?append_type=append&append_handle={handle}");
        let reply = client.request("PUT", &to, &[], part)?;
        if reply.status != 200 {
            return Ok(reply);
        }
        handle = reply.header("ais-append-handle").to_owned();
    }
    client.request("PUT", &format!("{path}?append_type=flush&append_handle={handle}"), &[], b"")
}
