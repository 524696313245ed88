//! `-loaders` and `-token-file`.

use super::secret::Token;
use super::whose::check_fleet;
use crate::flags::{FlagError, Parsed};
use serde::Serialize;
use std::collections::BTreeSet;

/// Beyond this one coordinator would be what is measured.
const AGENTS_MAX: usize = 64;

/// The agents that make the load instead of this program.
#[derive(Clone, Debug, Serialize)]
pub struct Fleet {
    /// Their addresses, `host:port`.
    pub loaders: Vec<String>,
    /// The token that they share with this program.
    #[serde(skip)]
    pub(crate) token: Token,
}

impl Fleet {
    /// Reads the flags; `None`: this program makes the load itself.
    ///
    /// # Errors
    /// When there is no token, an address is none, or another flag does not go along with agents.
    pub fn from_flags(flags: &Parsed) -> Result<Option<Self>, FlagError> {
        let text = flags.text("loaders");
        let file = flags.text("token-file");
        if text.is_empty() {
            return match file {
                "" => Ok(None),
                _ => refuse("-token-file is what agents share: it needs -loaders"),
            };
        }
        let loaders: Vec<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
        let is_address = |one: &String| {
            one.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if let Some(bad) = loaders.iter().find(|one| !is_address(one)) {
            return refuse(&format!("-loaders: {bad:?} is not host:port"));
        }
        let distinct: BTreeSet<&String> = loaders.iter().collect();
        if distinct.len() != loaders.len() {
            return refuse("-loaders: an agent does one run at a time, and one is named twice");
        }
        if loaders.len() > AGENTS_MAX {
            return refuse(&format!("-loaders: {} agents are more than {AGENTS_MAX}", loaders.len()));
        }
        if file.is_empty() {
            return refuse(
                "-loaders needs -token-file: the file with the token that the agents were started with \
                 (-tokenfile is another one, for the cluster)",
            );
        }
        check_fleet(flags, loaders.len())?;
        let token = Token::read(file).map_err(FlagError)?;
        Ok(Some(Self { loaders, token }))
    }

    /// The number of agents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.loaders.len()
    }

    /// True when there is none, which no flags ask for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.loaders.is_empty()
    }
}

fn refuse<T>(why: &str) -> Result<T, FlagError> {
    Err(FlagError(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(line: &str) -> Result<Option<Fleet>, String> {
        let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
        Fleet::from_flags(&flags).map_err(|e| e.0)
    }

    #[test]
    fn agents_are_addresses_with_a_token() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
        let token = format!("-token-file={}", file.path().display());
        let got = fleet(&format!("-loaders=a:1,[::1]:2 {token}")).unwrap().unwrap();
        assert_eq!(got.loaders, ["a:1", "[::1]:2"]);
        assert!(!serde_json::to_string(&got).unwrap().contains("0123456789"));
        assert!(fleet("").unwrap().is_none());
        let table = [
            ("-loaders=a:1", "needs -token-file"),
            ("-loaders=a:1 -token-file=/nowhere/x", "/nowhere/x"),
            ("-loaders=a -token-file=x", "\"a\" is not host:port"),
            ("-loaders=:1 -token-file=x", "\":1\" is not host:port"),
            ("-loaders=a:1, -token-file=x", "\"\" is not host:port"),
            ("-loaders=a:1,a:1 -token-file=x", "named twice"),
            ("-token-file=x", "needs -loaders"),
            ("-loaders=a:1 -token-file=x -filelist=y", "-filelist"),
        ];
        for (line, want) in table {
            let error = fleet(line).unwrap_err();
            assert!(error.contains(want), "{line}: {error}");
        }
    }
}
