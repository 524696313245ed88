//! The switch for tracing operations: `-trace-http` sets it at the start, and SIGHUP turns it on and off.

use signal_hook::SigId;
use signal_hook::consts::SIGHUP;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The switch of a run.
pub(crate) struct Tracing {
    is_on: AtomicBool,
    /// Set by the signal.
    is_turned: Arc<AtomicBool>,
    signal: SigId,
}

impl Tracing {
    /// From now on, and until this is dropped, SIGHUP turns the switch.
    pub(crate) fn new(is_on: bool) -> io::Result<Self> {
        let is_turned = Arc::new(AtomicBool::new(false));
        let signal = signal_hook::flag::register(SIGHUP, Arc::clone(&is_turned))?;
        Ok(Self { is_on: AtomicBool::new(is_on), is_turned, signal })
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Looks whether the signal has come.
    pub(crate) fn look(&self) {
        if self.is_turned.swap(false, Ordering::Relaxed) {
            let was_on = self.is_on.fetch_xor(true, Ordering::Relaxed);
            eprintln!("aisloader: tracing is {}", if was_on { "off" } else { "on" });
        }
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        // After this, SIGHUP is without effect; what it did before the program began is not restored.
        signal_hook::low_level::unregister(self.signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_turns_the_switch() {
        let tracing = Tracing::new(true).unwrap();
        tracing.look();
        assert!(tracing.is_on());
        signal_hook::low_level::raise(SIGHUP).unwrap();
        tracing.look();
        assert!(!tracing.is_on());
    }
}
