//! The word that ends a job early. Any thread may say it; the job's body looks for it between its steps and hears it while it
//! waits.

use crate::error::{Error, Kind, Result};
use async_channel::{Receiver, Sender, bounded};
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;

#[derive(Debug)]
pub(crate) struct Abort {
    why: OnceLock<String>,
    /// Closed when the word is said; nothing is ever sent.
    say: Sender<Infallible>,
    hear: Receiver<Infallible>,
}

impl Default for Abort {
    fn default() -> Self {
        let (say, hear) = bounded(1);
        Self { why: OnceLock::new(), say, hear }
    }
}

impl Abort {
    /// Ends the job; the first reason is the one that is told.
    pub(super) fn say(&self, why: &str) {
        self.why.get_or_init(|| why.to_owned());
        self.say.close();
    }

    /// # Errors
    /// `Aborted` when the word has been said.
    pub(super) fn check(&self) -> Result<()> {
        match self.why.get() {
            Some(why) => Err(Error::client(Kind::Aborted, why)),
            None => Ok(()),
        }
    }

    /// Waits for something, but no longer than until the word is said.
    ///
    /// # Errors
    /// `Aborted`.
    pub(super) async fn unless_said<T>(&self, wait: impl Future<Output = T>) -> Result<T> {
        self.check()?;
        let (wait, word) = (pin!(wait), pin!(self.hear.recv()));
        match futures_util::future::select(wait, word).await {
            futures_util::future::Either::Left((came, _)) => Ok(came),
            futures_util::future::Either::Right(_) => {
                self.check()?;
                Err(Error::internal("a job was ended without a reason"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::{pending, ready};

    #[test]
    fn it_is_heard_between_steps_and_in_a_wait() {
        let abort = Abort::default();
        assert!(abort.check().is_ok());
        assert_eq!(abort.unless_said(ready(7)).now_or_never().unwrap().unwrap(), 7);
        let mut waiting = Box::pin(abort.unless_said(pending::<()>()));
        assert!((&mut waiting).now_or_never().is_none());
        abort.say("first");
        abort.say("second");
        let heard = waiting.now_or_never().unwrap().unwrap_err();
        assert_eq!((heard.kind, heard.text.as_str()), (Kind::Aborted, "first"));
        assert_eq!(abort.check().unwrap_err().text, "first");
        assert!(abort.unless_said(ready(7)).now_or_never().unwrap().is_err());
    }
}
