//! Writing a trace while a run goes on.
//!
//! Each core notes its operations in their order and hands them over at every tick, with the time up to which there will
//! be no others. A thread merges them: operations older than that time on every core are written.

use super::row::{Row, TraceOp};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Batches that wait for a slow disk, at most; beyond it operations are missing in the trace, and counted.
const BATCHES_MAX: usize = 4096;

struct Batch {
    core: usize,
    ops: Vec<TraceOp>,
    /// The core's later operations begin no earlier.
    until: Duration,
}

/// The file, as the main thread sees it.
pub struct TraceWriter {
    outbox: SyncSender<Batch>,
    lost: Arc<AtomicU64>,
    handle: JoinHandle<io::Result<()>>,
    path: String,
}

/// The file, as one core sees it.
pub struct TraceNote {
    core: usize,
    outbox: SyncSender<Batch>,
    lost: Arc<AtomicU64>,
    pending: RefCell<Vec<TraceOp>>,
}

impl TraceWriter {
    /// Makes the file for the notes of so many cores.
    ///
    /// # Errors
    /// When it cannot be made; the text names it.
    pub fn new(path: &str, cores: usize) -> io::Result<Self> {
        let file = File::create(path).map_err(|e| named(path, &e))?;
        let (outbox, inbox) = sync_channel(BATCHES_MAX);
        let write = move || write_all(&inbox, cores, BufWriter::new(file));
        let handle = std::thread::Builder::new().name("record-trace".to_owned()).spawn(write)?;
        Ok(Self { outbox, lost: Arc::default(), handle, path: path.to_owned() })
    }

    /// The notes of one core.
    #[must_use]
    pub fn note(&self, core: usize) -> TraceNote {
        let (outbox, lost) = (self.outbox.clone(), Arc::clone(&self.lost));
        TraceNote { core, outbox, lost, pending: RefCell::default() }
    }

    /// Waits until everything is written; all notes are gone by then.
    ///
    /// # Errors
    /// When the file could not be written, or operations are missing in it.
    pub fn finish(self) -> io::Result<()> {
        drop(self.outbox);
        let written = self.handle.join().unwrap_or_else(|_| Err(io::Error::other("the writer broke off")));
        written.map_err(|e| named(&self.path, &e))?;
        match self.lost.load(Ordering::Relaxed) {
            0 => Ok(()),
            lost => Err(named(
                &self.path,
                &io::Error::other(format!("the disk was too slow: {lost} operations are missing")),
            )),
        }
    }
}

impl TraceNote {
    /// Notes an operation that begins now.
    pub fn add(&self, op: TraceOp) {
        self.pending.borrow_mut().push(op);
    }

    /// Hands over what was noted; later operations begin at `until` or after it. Never waits.
    pub fn flush(&self, until: Duration) {
        let ops = std::mem::take(&mut *self.pending.borrow_mut());
        let count = ops.len() as u64;
        if self.outbox.try_send(Batch { core: self.core, ops, until }).is_err() {
            self.lost.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl Drop for TraceNote {
    fn drop(&mut self) {
        self.flush(Duration::MAX);
    }
}

fn named(path: &str, error: &io::Error) -> io::Error {
    io::Error::other(format!("-record-trace: {path:?}: {error}"))
}

fn write_all(inbox: &Receiver<Batch>, cores: usize, mut out: impl Write) -> io::Result<()> {
    let mut until = vec![Duration::ZERO; cores];
    let mut waiting: BinaryHeap<Reverse<TraceOp>> = BinaryHeap::new();
    while let Ok(batch) = inbox.recv() {
        waiting.extend(batch.ops.into_iter().map(Reverse));
        if let Some(of_core) = until.get_mut(batch.core) {
            *of_core = batch.until;
        }
        let safe = until.iter().min().copied().unwrap_or_default();
        write_up_to(&mut waiting, safe, &mut out)?;
    }
    write_up_to(&mut waiting, Duration::MAX, &mut out)?;
    out.flush()
}

fn write_up_to(
    waiting: &mut BinaryHeap<Reverse<TraceOp>>,
    safe: Duration,
    out: &mut impl Write,
) -> io::Result<()> {
    while waiting.peek().is_some_and(|Reverse(op)| op.at < safe) {
        if let Some(Reverse(op)) = waiting.pop() {
            serde_json::to_writer(&mut *out, &Row::new(&op))?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::read::TraceReader;
    use super::*;
    use crate::workload::kinds::OpKind;

    #[test]
    fn the_notes_of_all_cores_become_one_order() {
        let path = std::env::temp_dir().join(format!("aisloader-note-{}", std::process::id()));
        let path = path.to_str().unwrap();
        let writer = TraceWriter::new(path, 3).unwrap();
        let cores: Vec<_> = (0..3u64)
            .map(|core| {
                let note = writer.note(core as usize);
                std::thread::spawn(move || {
                    for n in 0..1000u64 {
                        let at = Duration::from_micros(n * 3 + core);
                        let name = format!("{}", n * 3 + core);
                        note.add(TraceOp { at, kind: OpKind::Get, name, bytes: 0 });
                        if n % 10 == core {
                            note.flush(at);
                        }
                    }
                })
            })
            .collect();
        cores.into_iter().for_each(|core| core.join().unwrap());
        writer.finish().unwrap();
        let names: Vec<String> = TraceReader::open(path).unwrap().map(|op| op.unwrap().name).collect();
        assert_eq!(names, (0..3000).map(|n| n.to_string()).collect::<Vec<_>>());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_made_is_named() {
        let error = TraceWriter::new("/nowhere/at/all", 1).err().unwrap();
        assert!(error.to_string().contains("-record-trace: \"/nowhere/at/all\""));
    }
}
