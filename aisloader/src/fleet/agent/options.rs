//! The flags of `aisloader agent`.

use crate::flags::{Flag, Kind, Parsed, flag, flag_lines};
use crate::settings::{self, Token};
use std::time::Duration;

const FLAGS: &[Flag] = &[
    flag(
        "host",
        Kind::Text,
        "127.0.0.1",
        "address to listen on; another one is open to whoever can reach it",
    ),
    flag("port", Kind::Uint, "51090", "port to listen on; 0: any, which is printed"),
    flag(
        "token-file",
        Kind::Text,
        "",
        "file with the token that coordinators must have too, 16 printable characters or more; must be given",
    ),
    flag(
        "tokenfile",
        Kind::Text,
        "",
        "file with the token that requests to the cluster carry, as of -tokenfile of a run; coordinators do not send it",
    ),
    flag("runs-max", Kind::Uint, "0", "end after so many runs; 0: no limit"),
    flag("idle-timeout", Kind::Duration, "0s", "end when there was no run for so long; 0: wait for ever"),
    flag("usage", Kind::Bool, "false", "print this text and end"),
    flag("help", Kind::Bool, "false", "print this text and end"),
    flag("h", Kind::Bool, "false", "print this text and end"),
];

/// The options of an agent.
pub(super) struct Options {
    /// `host:port`.
    pub(super) listen: (String, u16),
    /// The token that coordinators must have.
    pub(super) token: Token,
    /// The token of requests to the cluster.
    pub(super) cluster_token: Option<String>,
    /// Runs after which it ends; 0: no limit.
    pub(super) runs_max: u64,
    /// Time without a run after which it ends.
    pub(super) idle_max: Option<Duration>,
}

/// The text of `aisloader agent -usage`.
pub(super) fn usage() -> String {
    format!(
        "Usage: aisloader agent -token-file=FILE [-name=value ...]\n\n\
         Makes load for a coordinator, `aisloader -loaders=host:port,... -token-file=FILE ...`: one run at a time, until it\n\
         is over, the coordinator stops it, or the coordinator is not heard any more. Nothing is encrypted.\n\n{}",
        flag_lines(FLAGS)
    )
}

impl Options {
    /// Reads the words after `agent`; `None` when only the usage is wanted.
    ///
    /// # Errors
    /// The flag and value that cannot be.
    pub(super) fn parse(words: &[String]) -> Result<Option<Self>, String> {
        let flags = Parsed::parse_table(FLAGS, words).map_err(|e| e.to_string())?;
        if flags.wants_usage() {
            return Ok(None);
        }
        let port = flags.uint("port");
        let port = u16::try_from(port).map_err(|_| format!("-port: {port} is not a port"))?;
        let file = flags.text("token-file");
        if file.is_empty() {
            return Err(
                "-token-file must be given: without a token, anybody could make load from here".to_owned()
            );
        }
        Ok(Some(Self {
            listen: (flags.text("host").to_owned(), port),
            token: Token::read(file)?,
            cluster_token: settings::token(&flags).map_err(|e| e.to_string())?,
            runs_max: flags.uint("runs-max"),
            idle_max: Some(flags.duration("idle-timeout")).filter(|time| !time.is_zero()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read_or_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789abcdef").unwrap();
        let line = format!("-token-file={} -port=7 -runs-max=2 -idle-timeout=5m", file.path().display());
        let options = parse(&line).unwrap().unwrap();
        assert_eq!(options.listen, ("127.0.0.1".to_owned(), 7));
        assert_eq!((options.runs_max, options.idle_max), (2, Some(Duration::from_secs(300))));
        assert!(parse("-usage").unwrap().is_none() && usage().contains("-token-file"));
        for (line, want) in [
            ("", "-token-file must be given"),
            ("-token-file=/nowhere/x", "/nowhere/x"),
            ("-token-file=x -port=70000", "-port: 70000"),
            ("-token-file=x -ndjson=y", "no such flag"),
        ] {
            let error = parse(line).map(|_| ()).unwrap_err();
            assert!(error.contains(want), "{line}: {error}");
        }
    }
}
