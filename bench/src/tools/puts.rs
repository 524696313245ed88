//! Traces of PUTs for aisloader: which names are written when.

use crate::error::Result;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The names that are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Names<'a> {
    /// These, one pass after another, each in a random order of its own.
    Passes(&'a [String]),
    /// Numbers of 16 hexadecimal digits, one after another.
    New,
}

/// xorshift64*: the same trace in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Microseconds to the next arrival of a Poisson process.
    fn gap_us(&mut self, rate: f64) -> f64 {
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - share).ln() * 1e6 / rate
    }

    /// Fisher and Yates.
    fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            let other = usize::try_from(self.next() % (last as u64 + 1)).unwrap_or(0);
            all.swap(last, other);
        }
    }
}

/// Writes a trace of so many PUTs at `rate` a second.
pub(crate) fn write_trace(path: &Path, names: Names<'_>, puts: u64, rate: u64, bytes: usize) -> Result<()> {
    let say = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = BufWriter::new(File::create(path).map_err(say)?);
    write_rows(&mut file, names, puts, rate as f64, bytes).map_err(say)?;
    file.flush().map_err(say)
}

fn write_rows(
    to: &mut impl Write,
    names: Names<'_>,
    puts: u64,
    rate: f64,
    bytes: usize,
) -> std::io::Result<()> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut at_us, mut order) = (0.0, Vec::new());
    writeln!(to, "at_us,op,name,bytes")?;
    for number in 0..puts {
        at_us += random.gap_us(rate);
        write!(to, "{at_us:.0},put,")?;
        match names {
            Names::New => write!(to, "{number:016x}")?,
            Names::Passes(names) => {
                if order.is_empty() {
                    order.extend(names);
                    random.shuffle(&mut order);
                }
                let name = order.pop().ok_or(std::io::ErrorKind::InvalidInput)?;
                write!(to, "{name}")?;
            }
        }
        writeln!(to, ",{bytes}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn rows(names: Names<'_>, puts: u64) -> Vec<(u64, String)> {
        let mut text = Vec::new();
        write_rows(&mut text, names, puts, 1000.0, 7).unwrap();
        let text = String::from_utf8(text).unwrap();
        let row = |line: &str| {
            let [at, op, name, bytes] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
            assert_eq!((op, bytes), ("put", "7"));
            (at.parse().unwrap(), name.to_owned())
        };
        text.lines().skip(1).map(row).collect()
    }

    #[test]
    fn every_pass_writes_every_name_once() {
        let names: Vec<String> = (0..100).map(|number| format!("object {number}")).collect();
        let rows = rows(Names::Passes(&names), 300);
        let passes: Vec<Vec<&String>> =
            rows.chunks(100).map(|pass| pass.iter().map(|(_, name)| name).collect()).collect();
        let mut count: HashMap<(usize, &String), u32> = HashMap::new();
        for (at, pass) in passes.iter().enumerate() {
            pass.iter().for_each(|name| *count.entry((at, *name)).or_default() += 1);
        }
        assert!(count.len() == 300 && count.values().all(|times| *times == 1));
        assert_ne!(passes[0], passes[1]);
        assert!(count.contains_key(&(0, &"object 99".to_owned())));
    }

    #[test]
    fn no_names_no_trace() {
        assert!(write_rows(&mut Vec::new(), Names::Passes(&[]), 1, 1.0, 7).is_err());
    }

    #[test]
    fn arrivals_have_the_rate_and_an_order() {
        let rows = rows(Names::New, 20_000);
        assert!(rows.is_sorted_by_key(|(at, _)| *at));
        let seconds = rows.last().unwrap().0 as f64 / 1e6;
        assert!((19.0..21.0).contains(&seconds), "{seconds}");
        let gaps = rows.windows(2).map(|pair| pair[1].0 - pair[0].0);
        // 1 - 1/e of exponential gaps are below the mean.
        let short = gaps.filter(|gap| *gap < 1000).count() as f64 / 20_000.0;
        assert!((0.61..0.65).contains(&short), "{short}");
    }
}
