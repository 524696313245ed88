//! Reading a trace: NDJSON, or CSV with a line of column names. One line at a time, whatever the file's length.

use super::row::{Row, TraceOp};
use csv::StringRecord;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

/// A longer line is no line of a trace.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// The operations of a file, in the order of their times; the last item may be an error, which names file and line.
pub struct TraceReader {
    path: String,
    lines: Lines,
    last_at: Duration,
    is_over: bool,
}

enum Lines {
    Json { from: BufReader<File>, number: u64, line: String },
    Csv { from: Box<csv::Reader<BufReader<File>>>, names: StringRecord, record: StringRecord },
}

impl TraceReader {
    /// Opens a file; `{` at its begin means NDJSON.
    ///
    /// # Errors
    /// When it cannot be opened; the text names it.
    pub fn open(path: &str) -> Result<Self, String> {
        let named = |e: std::io::Error| format!("-trace: {path:?}: {e}");
        let mut from = BufReader::new(File::open(path).map_err(named)?);
        let is_json = from.fill_buf().map_err(named)?.first() == Some(&b'{');
        let lines = if is_json {
            Lines::Json { from, number: 0, line: String::new() }
        } else {
            let mut from = Box::new(csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(from));
            let names = from.headers().map_err(|e| format!("-trace: {path:?}: {e}"))?.clone();
            Lines::Csv { from, names, record: StringRecord::new() }
        };
        Ok(Self { path: path.to_owned(), lines, last_at: Duration::ZERO, is_over: false })
    }

    fn take(&mut self, row: Result<Row, String>, line: u64) -> Result<TraceOp, String> {
        let op = row.and_then(Row::read).and_then(|op| {
            if op.at < self.last_at {
                let back = self.last_at.saturating_sub(op.at);
                return Err(format!("begins {back:?} before the line above it: sort the trace by time"));
            }
            Ok(op)
        });
        let op = op.map_err(|why| format!("-trace: {:?}, line {line}: {why}", self.path));
        match &op {
            Ok(op) => self.last_at = op.at,
            Err(_) => self.is_over = true,
        }
        op
    }
}

impl Iterator for TraceReader {
    type Item = Result<TraceOp, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let (row, number) = match &mut self.lines {
            Lines::Json { from, number, line } => (next_json(from, number, line)?, *number),
            Lines::Csv { from, names, record } => next_csv(from, names, record)?,
        };
        Some(self.take(row, number))
    }
}

/// The next record, and the line that it begins at.
fn next_csv(
    from: &mut csv::Reader<BufReader<File>>,
    names: &StringRecord,
    record: &mut StringRecord,
) -> Option<(Result<Row, String>, u64)> {
    match from.read_record(record) {
        Ok(false) => None,
        Ok(true) => {
            let row = record.deserialize::<Row>(Some(names)).map_err(|e| e.to_string());
            Some((row, record.position().map_or(0, csv::Position::line)))
        }
        Err(e) => Some((Err(e.to_string()), e.position().map_or(0, csv::Position::line))),
    }
}

/// The next line that is not empty.
fn next_json(from: &mut BufReader<File>, number: &mut u64, line: &mut String) -> Option<Result<Row, String>> {
    loop {
        line.clear();
        *number = number.saturating_add(1);
        match from.by_ref().take(LINE_BYTES_MAX).read_line(line) {
            Ok(0) => return None,
            Ok(_) if line.len() as u64 >= LINE_BYTES_MAX => {
                return Some(Err(format!("is longer than {LINE_BYTES_MAX} bytes")));
            }
            Ok(_) if line.trim().is_empty() => {}
            Ok(_) => return Some(serde_json::from_str(line).map_err(|e| e.to_string())),
            Err(e) => return Some(Err(e.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::kinds::OpKind;

    fn read(tag: &str, text: &str) -> Vec<Result<TraceOp, String>> {
        let path = std::env::temp_dir().join(format!("aisloader-trace-{tag}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let all = TraceReader::open(path.to_str().unwrap()).unwrap().collect();
        std::fs::remove_file(&path).unwrap();
        all
    }

    #[test]
    fn both_forms_mean_the_same() {
        let json = "{\"at_ms\":1,\"op\":\"get\",\"name\":\"a,b\"}\n\n{\"at_us\":2500,\"op\":\"PUT\",\"name\":\"c\",\"bytes\":7}";
        let csv = "at_us, op, name, bytes, off, len\n1000,get,\"a,b\",,,\n2500,put,c,7,,\n";
        let (json, csv) = (read("json", json), read("csv", csv));
        assert_eq!(json, csv);
        let ops: Vec<TraceOp> = json.into_iter().map(Result::unwrap).collect();
        assert_eq!((ops[0].name.as_str(), ops[0].kind), ("a,b", OpKind::Get));
        assert_eq!((ops[1].at, ops[1].bytes), (Duration::from_micros(2500), 7));
        assert!(read("empty", "").is_empty());
    }

    #[test]
    fn errors_name_the_line_and_end_the_trace() {
        let table = [
            (
                "{\"at_ms\":5,\"op\":\"list\"}\n{\"at_ms\":4,\"op\":\"list\"}\n{\"at_ms\":9,\"op\":\"list\"}",
                1,
                "line 2: begins 1ms",
            ),
            ("{\"at_ms\":5,\"op\":\"list\"}\n\nnonsense", 1, "line 3: "),
            ("at_ms,op,name\n1,list,\n2,fly,x\n", 1, "line 3: op: \"fly\""),
            ("at_ms,op,name\n1,list,\n2,get\n", 1, "line 3: "),
            ("what,is,this\n1,2,3\n", 0, "line 2: "),
        ];
        for (text, good, want) in table {
            let all = read("bad", text);
            assert_eq!(all.len(), good + 1, "{text}: {all:?}");
            let error = all.last().unwrap().as_ref().unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
        let long = format!("{{\"at_ms\":1,\"op\":\"get\",\"name\":\"{}\"}}", "x".repeat(100_000));
        assert!(read("long", &long)[0].as_ref().unwrap_err().contains("longer than"));
    }
}
