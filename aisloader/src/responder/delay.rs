//! The time that an answer takes, as a rule that a test can compute with.

use crate::flags::units::parse_duration;
use crate::workload::random::scale;
use placement::mix;
use std::time::Duration;

/// A distribution of service times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Delay {
    /// At once.
    #[default]
    None,
    /// Always the same.
    Fixed(Duration),
    /// Anything between the two.
    Uniform(Duration, Duration),
    /// Exponential with this mean.
    Exponential(Duration),
}

impl Delay {
    /// Reads `2ms`, `uniform:1ms:3ms` or `exp:2ms`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(':');
        let first = words.next()?;
        let mut times = words.map(parse_duration);
        let delay = match first {
            "uniform" => Self::Uniform(times.next()??, times.next()??),
            "exp" => Self::Exponential(times.next()??),
            fixed => Self::Fixed(parse_duration(fixed)?),
        };
        times.next().is_none().then_some(delay)
    }

    /// The delay of the request with this number.
    #[must_use]
    pub fn draw(&self, number: u64) -> Duration {
        let random = mix(number ^ 0x7e57);
        match *self {
            Self::None => Duration::ZERO,
            Self::Fixed(delay) => delay,
            Self::Uniform(least, most) => {
                let span_ns = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX);
                least.saturating_add(Duration::from_nanos(scale(random, span_ns)))
            }
            Self::Exponential(mean) => {
                let share = ((random >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
                Duration::from_secs_f64(mean.as_secs_f64() * -share.ln())
            }
        }
    }
}

/// Nothing is answered in the last part of every period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// The time in which nothing is answered.
    pub length: Duration,
    /// The time from one such stall to the next.
    pub period: Duration,
}

impl Stall {
    /// Reads `1s/10s`: one second of every ten.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (length, period) = text.split_once('/')?;
        let (length, period) = (parse_duration(length)?, parse_duration(period)?);
        (length < period).then_some(Self { length, period })
    }

    /// The wait of a request that comes so long after the start.
    #[must_use]
    pub fn wait(&self, since_start: Duration) -> Duration {
        let phase_ns = since_start.as_nanos().checked_rem(self.period.as_nanos()).unwrap_or(0);
        let phase = Duration::from_nanos(u64::try_from(phase_ns).unwrap_or(u64::MAX));
        let begin = self.period.saturating_sub(self.length);
        if phase < begin { Duration::ZERO } else { self.period.saturating_sub(phase) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn delays_have_the_distribution_that_they_say() {
        let mean_ms = |text: &str| {
            let delay = Delay::parse(text).unwrap();
            (0..20_000).map(|n| delay.draw(n).as_secs_f64() * 1e3).sum::<f64>() / 20_000.0
        };
        assert_eq!(mean_ms("2ms"), 2.0);
        assert!((mean_ms("uniform:1ms:3ms") - 2.0).abs() < 0.02);
        assert!((mean_ms("exp:2ms") - 2.0).abs() < 0.05);
        for text in ["", "2", "uniform:1ms", "exp", "exp:1ms:2ms", "normal:1ms"] {
            assert_eq!(Delay::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_stall_ends_with_its_period() {
        let stall = Stall::parse("200ms/2s").unwrap();
        let table = [(0, 0), (1799, 0), (1800, 200), (1999, 1), (2000, 0), (3900, 100)];
        for (at_ms, wait_ms) in table {
            assert_eq!(stall.wait(at_ms * MS), wait_ms * MS, "{at_ms}");
        }
        assert_eq!(Stall::parse("2s/1s"), None);
    }
}
