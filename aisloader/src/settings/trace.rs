//! The trace that is played, and its speed.

use crate::flags::{FlagError, Parsed};
use serde::Serialize;

/// A trace to play.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceFile {
    /// The file.
    pub path: String,
    /// The seconds of the trace that pass in one second.
    pub speed: f64,
}

impl TraceFile {
    /// Reads `-trace` and `-trace-speed`; `None` unless `-arrival=trace`.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn from_flags(flags: &Parsed) -> Result<Option<Self>, FlagError> {
        let refuse = |why: String| Err(FlagError(why));
        if flags.text("arrival") != "trace" {
            let stray = ["trace", "trace-speed"].into_iter().find(|name| flags.is_given(name));
            return stray.map_or(Ok(None), |name| refuse(format!("-{name} needs -arrival=trace")));
        }
        let (path, speed) = (flags.text("trace").to_owned(), flags.text("trace-speed"));
        if path.is_empty() {
            return refuse("-arrival=trace needs the file: -trace=FILE".to_owned());
        }
        match speed.parse::<f64>() {
            Ok(speed) if (1e-6..=1e6).contains(&speed) => Ok(Some(Self { path, speed })),
            _ => refuse(format!("-trace-speed: {speed:?} is not a factor such as 0.5 or 10")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_or_refused() {
        let read = |line: &str| {
            TraceFile::from_flags(&Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap())
        };
        assert_eq!(read("").unwrap(), None);
        let file = read("-arrival=trace -trace=f -trace-speed=2.5").unwrap().unwrap();
        assert_eq!((file.path.as_str(), file.speed), ("f", 2.5));
        let table = [
            ("-trace=f", "-trace needs -arrival=trace"),
            ("-arrival=trace", "-trace=FILE"),
            ("-arrival=trace -trace=f -trace-speed=0", "-trace-speed: \"0\""),
            ("-arrival=trace -trace=f -trace-speed=fast", "-trace-speed: \"fast\""),
        ];
        for (line, want) in table {
            let error = read(line).unwrap_err();
            assert!(error.0.contains(want), "{line}: {error}");
        }
    }
}
