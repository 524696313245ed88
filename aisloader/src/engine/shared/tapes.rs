//! The traces of a run: the one that it plays, and the one that it writes.

use crate::settings::Config;
use crate::workload::trace::{Feed, Reading, TraceNote, TraceReader, TraceWriter, feed};
use std::io;
use std::thread::JoinHandle;

/// Both, as the main thread sees them.
pub(crate) struct Tapes {
    feeds: std::vec::IntoIter<Feed>,
    reader: Option<Reading>,
    writer: Option<TraceWriter>,
}

/// One core's part of both.
#[derive(Default)]
pub(crate) struct Tape {
    pub(crate) feed: Option<Feed>,
    pub(crate) note: Option<TraceNote>,
}

impl Tapes {
    /// Opens what the flags name, for so many cores.
    pub(crate) fn open(config: &Config, cores: usize) -> io::Result<Self> {
        let mut tapes = Self { feeds: Vec::new().into_iter(), reader: None, writer: None };
        if let Some(trace) = &config.trace {
            let (feeds, reader) = feed(TraceReader::open(&trace.path).map_err(io::Error::other)?, cores)?;
            (tapes.feeds, tapes.reader) = (feeds.into_iter(), Some(reader));
        }
        if !config.record_trace.is_empty() {
            tapes.writer = Some(TraceWriter::new(&config.record_trace, cores)?);
        }
        Ok(tapes)
    }

    /// The part of the next core, `core`.
    pub(crate) fn of_core(&mut self, core: usize) -> Tape {
        Tape { feed: self.feeds.next(), note: self.writer.as_ref().map(|writer| writer.note(core)) }
    }

    /// When all cores have ended: what went wrong with either.
    pub(crate) fn finish(self) -> io::Result<()> {
        drop(self.feeds);
        let read = self.reader.map_or(Ok(Ok(())), JoinHandle::join);
        self.writer.map_or(Ok(()), TraceWriter::finish)?;
        read.unwrap_or_else(|_| Err("-trace: the reader broke off".to_owned())).map_err(io::Error::other)
    }
}
