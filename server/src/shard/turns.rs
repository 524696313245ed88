//! Turns: so many jobs of a core work at a time, the others wait in the order of their coming.

use async_channel::{Receiver, Sender, bounded};

/// Jobs that work at a time on a core.
pub(super) const AT_ONCE_CORE: usize = 4;

/// The turns of one core.
pub(crate) struct Turns {
    give: Sender<()>,
    take: Receiver<()>,
}

/// The right to work; free again when dropped.
pub(crate) struct Turn(Sender<()>);

impl Turns {
    pub(crate) fn new(count: usize) -> Self {
        let (give, take) = bounded(count.max(1));
        for _ in 0..count.max(1) {
            // There is room for each of them.
            let _ = give.try_send(());
        }
        Self { give, take }
    }

    /// Waits for a turn.
    pub(crate) async fn take(&self) -> Turn {
        // Only fails when the channel is closed, and both its ends are here.
        let _ = self.take.recv().await;
        Turn(self.give.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn one_waits_until_another_is_done() {
        let turns = Turns::new(2);
        let first = turns.take().now_or_never().unwrap();
        let _second = turns.take().now_or_never().unwrap();
        assert!(turns.take().now_or_never().is_none());
        drop(first);
        assert!(turns.take().now_or_never().is_some());
    }
}
