//! The flags that say which name comes next, checked against each other.

use crate::flags::{FlagError, Parsed};
use crate::workload::pick::{Partition, Popularity, Sizes, Training};
use crate::workload::{Mix, OpKind};
use serde::Serialize;

const SIZE_MIN_DEFAULT: u64 = 1 << 20;
const SIZE_MAX_DEFAULT: u64 = 1 << 30;

/// The choice of names in a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Choices {
    /// Full passes over the names; 0: names are chosen by their popularity, without an end.
    pub epochs: u64,
    /// Reads of the passes that an earlier run has done.
    pub epoch_start: u64,
    /// The share of the names that this loader reads; `None`: all.
    pub partition: Option<Partition>,
    /// File of names; empty: the bucket is listed.
    pub file_list: String,
    /// The consumer of what is read; `None`: nobody.
    pub training: Option<Training>,
}

impl Choices {
    /// Reads the flags; `mix` is that of the same run.
    ///
    /// # Errors
    /// The rule that is broken, with the flags and values that break it.
    pub fn new(flags: &Parsed, mix: &Mix) -> Result<Self, FlagError> {
        let choices = Self {
            epochs: flags.uint("epochs"),
            epoch_start: flags.uint("epoch-start"),
            partition: partition(flags)?,
            file_list: flags.text("filelist").to_owned(),
            training: training(flags, mix)?,
        };
        let is_each_once = matches!(mix.popularity, Popularity::Auto | Popularity::Shuffle | Popularity::Seq);
        if choices.epochs > 0 && !is_each_once {
            return refuse(format!(
                "-epochs={} reads each name once a pass, and -dist={} does not: only shuffle and seq do",
                choices.epochs,
                flags.text("dist")
            ));
        }
        choices.check_epochs(mix)?;
        Ok(choices)
    }

    /// For people; `popularity` is that of the same run, [resolved](Popularity::resolved).
    #[must_use]
    pub fn describe(&self, popularity: Popularity) -> String {
        let mut out = match (self.epochs, popularity == Popularity::Seq) {
            (0, _) => popularity.describe(),
            (passes, true) => format!("{passes} passes in order"),
            (passes, false) => format!("{passes} passes, each in another order"),
        };
        if let Some(training) = &self.training {
            out.push_str("; ");
            out.push_str(&training.describe());
        }
        out
    }

    fn check_epochs(&self, mix: &Mix) -> Result<(), FlagError> {
        match self.epochs {
            0 if self.epoch_start > 0 => {
                refuse(format!("-epoch-start={} is a place in passes: it needs -epochs", self.epoch_start))
            }
            0 => Ok(()),
            epochs if !mix.has(OpKind::needs_name) => {
                refuse(format!("-epochs={epochs} would never end: nothing is read"))
            }
            epochs if mix.pct_delete > 0 => {
                refuse(format!("-epochs={epochs} and -pctdel={} exclude each other", mix.pct_delete))
            }
            _ => Ok(()),
        }
    }
}

/// Reads the flag that says how often names are read.
///
/// # Errors
/// The value of the flag is wrong; the error says why.
pub fn popularity(flags: &Parsed) -> Result<Popularity, FlagError> {
    Popularity::parse(flags.text("dist")).map_err(|why| FlagError(format!("-dist: {why}")))
}

/// Reads the flags that say how large objects are that are written.
///
/// # Errors
/// The rule that is broken, with the flags and values that break it; of a file, the line too.
pub fn sizes(flags: &Parsed) -> Result<Sizes, FlagError> {
    let (min, max) = (flags.size("minsize"), flags.size("maxsize"));
    let (min_bytes, max_bytes) = (min.unwrap_or(SIZE_MIN_DEFAULT), max.unwrap_or(SIZE_MAX_DEFAULT));
    let is_listed = !flags.text("sizes").is_empty();
    if min_bytes > max_bytes && (!is_listed || min.is_some() && max.is_some()) {
        return refuse(format!("-minsize ({min_bytes} bytes) is larger than -maxsize ({max_bytes} bytes)"));
    }
    if is_listed {
        return Sizes::parse(flags.text("sizes"), min, max)
            .map_err(|why| FlagError(format!("-sizes: {why}")));
    }
    Ok(Sizes::Uniform { min_bytes, max_bytes })
}

fn refuse<T>(why: String) -> Result<T, FlagError> {
    Err(FlagError(why))
}

fn partition(flags: &Parsed) -> Result<Option<Partition>, FlagError> {
    if !flags.boolean("read-partition") {
        return Ok(None);
    }
    let (loader, loaders) = (flags.text("loaderid"), flags.uint("loadernum"));
    let partition = loader.parse().ok().and_then(|loader| Partition::new(loader, loaders));
    match partition {
        Some(partition) => Ok(Some(partition)),
        None => refuse(format!(
            "-read-partition needs -loadernum, and a -loaderid below it: {loader:?} of {loaders} is no share"
        )),
    }
}

fn training(flags: &Parsed, mix: &Mix) -> Result<Option<Training>, FlagError> {
    let text = flags.text("training");
    if text.is_empty() {
        return Ok(None);
    }
    if mix.has(|kind| kind != OpKind::Get) {
        return refuse(format!("-training={text} reads only: all other operations must have 0 percent"));
    }
    Training::parse(text).map(Some).map_err(|why| FlagError(format!("-training: {why}")))
}

#[cfg(test)]
mod tests {
    use crate::flags::Parsed;
    use crate::settings::Config;
    use crate::workload::pick::Popularity;
    use std::time::Duration;

    fn config(line: &str) -> Result<Config, String> {
        let line = format!("-bucket=ais://b -cleanup=false {line}");
        let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).map_err(|e| e.0)?;
        Config::new(&flags, None, 1).map_err(|e| e.0)
    }

    #[test]
    fn defaults_read_in_passes_and_write_uniformly() {
        assert_eq!(config("").unwrap().mix.popularity(), Popularity::Shuffle);
        assert_eq!(config("-pctput=10").unwrap().mix.popularity(), Popularity::Uniform);
        let zipf = config("-pctput=10 -dist=zipf:0.99").unwrap();
        assert_eq!(zipf.mix.popularity(), Popularity::Zipf { theta: 0.99 });
        assert_eq!(zipf.mix.sizes.describe(), "1.00MiB to 1.00GiB");
    }

    #[test]
    fn epochs_have_no_limit_of_time_unless_it_is_given() {
        assert_eq!(config("-epochs=2 -perm-shuffle-max=5").unwrap().bounds.duration, None);
        let both = config("-epochs=2 -duration=5s -dist=seq").unwrap();
        assert_eq!(both.bounds.duration, Some(Duration::from_secs(5)));
        assert!(config("-epochs=2 -pctput=10").is_ok());
    }

    #[test]
    fn broken_rules_are_named() {
        let table = [
            ("-dist=normal", "-dist: \"normal\""),
            ("-epochs=2 -dist=zipf:1", "-dist=zipf:1"),
            ("-epochs=2 -dist=uniform", "-dist=uniform"),
            ("-epochs=2 -pctput=100", "-epochs=2 would never end"),
            ("-epochs=2 -pctdel=10", "-pctdel=10"),
            ("-epoch-start=5", "-epoch-start=5"),
            ("-read-partition", "-read-partition needs -loadernum"),
            ("-training=batch=4", "-training: \"batch=4\""),
            ("-training=batch=4,compute=1ms -pctput=5", "reads only"),
            ("-sizes=4K:x", "-sizes: \"4K:x\""),
            ("-sizes=4K:1 -minsize=1K", "-sizes: minsize"),
        ];
        for (line, want) in table {
            let error = config(line).map(|_| ()).unwrap_err();
            assert!(error.contains(want), "{line}: {error}");
        }
        assert!(config("-read-partition -loaderid=1 -loadernum=2").unwrap().choices.partition.is_some());
        assert!(config("-training=batch=4,compute=1ms -epochs=1").unwrap().choices.training.is_some());
    }
}
