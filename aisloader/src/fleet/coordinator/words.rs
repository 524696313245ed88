//! The command line of each agent: what says how much is divided among them.

use crate::flags::Parsed;
use crate::settings::Config;
use crate::settings::whose::sent;
use crate::workload::open_loop::Rate;

/// The words for the agent with this number, of so many; `config` is that of the whole run, its rate in operations.
pub(super) fn words_of(flags: &Parsed, config: &Config, id: u64, agents: u64) -> Vec<String> {
    let mut words = sent(flags);
    let part = |whole: u64| whole.checked_div(agents).unwrap_or(0) + u64::from(id < whole % agents.max(1));
    words.extend([
        format!("-bucket={}", config.bucket.uri()),
        "-cleanup=false".to_owned(),
        format!("-seed={}", config.mix.seed.cast_signed()),
        format!("-loaderid={id}"),
        format!("-loadernum={agents}"),
        format!("-numworkers={}", part(config.workers as u64).max(1)),
    ]);
    let bounds = [
        ("maxputs", config.bounds.puts_max),
        ("maxops", config.bounds.ops_max),
        ("totalputsize", config.bounds.put_bytes_max),
    ];
    let bounds = bounds.into_iter().filter(|(_, most)| *most > 0);
    words.extend(bounds.map(|(name, most)| format!("-{name}={}", part(most))));
    if let Some(open) = &config.open {
        words.push(format!("-max-inflight={}", part(open.inflight_max as u64)));
        if let Rate::OpsPerS(rate) = open.rate {
            words.push(format!("-rate={}", rate / agents.max(1) as f64));
        }
    }
    // Every name once a pass, and not once for each agent.
    if config.choices.epochs > 0 || flags.boolean("read-partition") {
        words.push("-read-partition=true".to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::whose::{check_fleet, check_words};

    fn parse(line: &str) -> Parsed {
        Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap()
    }

    fn words(line: &str, agents: u64) -> Vec<Parsed> {
        let flags = parse(line);
        check_fleet(&flags, agents as usize).unwrap();
        let config = Config::new(&flags, Some("h:1"), 77).unwrap();
        (0..agents).map(|id| Parsed::parse(&words_of(&flags, &config, id, agents)).unwrap()).collect()
    }

    #[test]
    fn agents_together_do_what_the_line_says() {
        let all = words(
            "-bucket=b -cleanup=true -pctput=50 -minsize=4K -maxsize=4K -numworkers=7 -maxops=11 -json",
            3,
        );
        let sum = |name: &str| all.iter().map(|flags| flags.uint(name)).sum::<u64>();
        assert_eq!((sum("numworkers"), sum("maxops"), sum("pctput")), (7, 11, 150));
        for (id, flags) in all.iter().enumerate() {
            check_words(flags).unwrap();
            assert_eq!((flags.uint("loaderid"), flags.uint("loadernum")), (id as u64, 3));
            assert!(
                flags.text("bucket") == "ais://b" && flags.int("seed") == 77 && !flags.boolean("cleanup")
            );
            let config = Config::new(flags, Some("h:1"), 5).unwrap();
            assert_eq!((config.bounds.duration, config.bucket.is_ais()), (None, true));
        }
        let open = words("-bucket=b -cleanup=false -arrival=poisson -rate=1000 -max-inflight=9", 4);
        assert!(open.iter().all(|flags| flags.text("rate") == "250" && flags.text("arrival") == "poisson"));
        assert_eq!(open.iter().map(|flags| flags.uint("max-inflight")).sum::<u64>(), 9);
    }

    #[test]
    fn passes_are_shared() {
        assert!(
            words("-bucket=b -cleanup=false -epochs=2", 2)
                .iter()
                .all(|flags| flags.boolean("read-partition"))
        );
        assert!(!words("-bucket=b -cleanup=false", 2).iter().any(|flags| flags.boolean("read-partition")));
    }
}
