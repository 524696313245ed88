//! One operation of a trace, and its form in a file.

use crate::workload::kinds::OpKind;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceOp {
    /// When it begins, since the begin of the trace.
    pub at: Duration,
    /// The kind of the operation.
    pub kind: OpKind,
    /// The object; empty for LIST.
    pub name: String,
    /// Size of the object that is written.
    pub bytes: u64,
}

/// The columns; exactly one of the two times is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_us: Option<u64>,
    op: String,
    #[serde(default)]
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    off: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    len: Option<u64>,
}

/// Times beyond this are mistakes of a unit.
const AT_MAX_MS: f64 = 1e12;

impl Row {
    pub(super) fn new(op: &TraceOp) -> Self {
        Self {
            at_ms: None,
            at_us: Some(u64::try_from(op.at.as_micros()).unwrap_or(u64::MAX)),
            op: op.kind.label().to_ascii_lowercase(),
            name: op.name.clone(),
            bytes: (op.bytes > 0).then_some(op.bytes),
            off: None,
            len: None,
        }
    }

    /// The operation that the row means; the error says what is wrong with it.
    pub(super) fn read(self) -> Result<TraceOp, String> {
        let at = match (self.at_ms, self.at_us) {
            (Some(ms), None) if (0.0..AT_MAX_MS).contains(&ms) => Duration::from_secs_f64(ms / 1e3),
            (Some(ms), None) => return Err(format!("at_ms: {ms} is not a time")),
            (None, Some(us)) => Duration::from_micros(us),
            _ => return Err("one of at_ms and at_us is needed".to_owned()),
        };
        let kind = OpKind::ALL.into_iter().find(|kind| kind.label().eq_ignore_ascii_case(&self.op));
        let kind = kind.ok_or_else(|| format!("op: {:?} is no operation", self.op))?;
        if self.name.is_empty() && kind != OpKind::List {
            return Err(format!("op: {:?} needs a name", self.op));
        }
        if kind.sends_object() && self.bytes.is_none() {
            return Err(format!("op: {:?} needs its bytes", self.op));
        }
        if self.off.is_some() || self.len.is_some() {
            return Err("off, len: this version reads objects whole".to_owned());
        }
        Ok(TraceOp { at, kind, name: self.name, bytes: self.bytes.unwrap_or(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<TraceOp, String> {
        serde_json::from_str::<Row>(json).map_err(|e| e.to_string())?.read()
    }

    #[test]
    fn rows_come_back_as_they_were_written() {
        for (kind, bytes) in [(OpKind::Put, 4096), (OpKind::Get, 0)] {
            let at = Duration::from_micros(1_234_567);
            let op = TraceOp { at, kind, name: "d/ö,\"".to_owned(), bytes };
            assert_eq!(read(&serde_json::to_string(&Row::new(&op)).unwrap()).unwrap(), op);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(read(r#"{"at_ms":1.5,"op":"LIST"}"#).unwrap().at, Duration::from_micros(1500));
        let table = [
            (r#"{"op":"get","name":"x"}"#, "at_ms and at_us"),
            (r#"{"at_ms":-1,"op":"get","name":"x"}"#, "at_ms: -1"),
            (r#"{"at_ms":1,"at_us":1,"op":"get","name":"x"}"#, "at_ms and at_us"),
            (r#"{"at_us":1,"op":"fly","name":"x"}"#, "\"fly\""),
            (r#"{"at_us":1,"op":"get"}"#, "needs a name"),
            (r#"{"at_us":1,"op":"put","name":"x"}"#, "needs its bytes"),
            (r#"{"at_us":1,"op":"get","name":"x","len":5}"#, "off, len"),
            (r#"{"at_us":"#, "EOF"),
        ];
        for (json, want) in table {
            let error = read(json).unwrap_err();
            assert!(error.contains(want), "{json}: {error}");
        }
    }
}
