//! Differences between the configurations of runs, as far as they matter for comparing them.

use super::log::RunLog;
use serde_json::Value;
use std::collections::BTreeMap;

/// Settings that may differ without making two runs incomparable: where the work goes, when it stops, what becomes of
/// the results. A prefix of the setting's path.
const HARMLESS: [&str; 9] = [
    "output",
    "gateway",
    "bucket",
    "is_bucket_random",
    "is_cleaned_up",
    "mix.seed",
    "bounds",
    "timeout",
    "subdir",
];

/// One setting that is not the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its path, such as `mix.size_max_bytes`.
    pub name: String,
    /// The value in each run, in their order; `-` where it is not set.
    pub values: Vec<String>,
}

impl Difference {
    /// True when the runs did the same work all the same.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        HARMLESS.iter().any(|prefix| {
            self.name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// Settings (and what is known of host and data) that differ, in alphabetical order.
#[must_use]
pub fn differences(logs: &[&RunLog]) -> Vec<Difference> {
    let all: Vec<BTreeMap<String, String>> = logs.iter().map(|log| settings(log)).collect();
    let mut names: Vec<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    names.sort_unstable();
    names.dedup();
    let value = |run: &BTreeMap<String, String>, name: &String| {
        run.get(name).map_or_else(|| "-".to_owned(), String::clone)
    };
    let difference = |name: &String| Difference {
        name: name.clone(),
        values: all.iter().map(|run| value(run, name)).collect(),
    };
    let differs = |found: &Difference| found.values.iter().any(|value| Some(value) != found.values.first());
    names.into_iter().map(difference).filter(differs).collect()
}

/// The configuration flattened to `path.of.setting -> value`, with the host and the data.
#[must_use]
pub fn settings(log: &RunLog) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    flatten("", &log.run.config, &mut found);
    let host = &log.run.host;
    let more = [
        ("host.cpu", host.cpu.clone()),
        ("host.cores", host.cores.to_string()),
        ("host.kernel", host.kernel.clone()),
        ("host.memory_bytes", host.memory_bytes.to_string()),
        ("objects_known", log.run.objects_known.to_string()),
    ];
    found.extend(more.map(|(name, value)| (name.to_owned(), value)));
    found
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let under = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| flatten(&under(key), value, into)),
        Value::Null if path.is_empty() => {}
        Value::String(text) => drop(into.insert(path.to_owned(), text.clone())),
        other => drop(into.insert(path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn log(config: Value) -> RunLog {
        let mut log = RunLog::default();
        log.run.config = config;
        log
    }

    #[test]
    fn what_differs_is_named_with_its_values() {
        let a = log(json!({"workers": 16, "mix": {"seed": 1, "sizes": [1, 2]}, "output": {"file": "a"}}));
        let b = log(
            json!({"workers": 32, "mix": {"seed": 2, "sizes": [1, 2], "x": null}, "output": {"file": "b"}}),
        );
        let found = differences(&[&a, &b]);
        let told: Vec<_> =
            found.iter().map(|d| (d.name.as_str(), d.values.join(" "), d.is_harmless())).collect();
        let want = [
            ("mix.seed", "1 2".to_owned(), true),
            ("mix.x", "- null".to_owned(), false),
            ("output.file", "a b".to_owned(), true),
            ("workers", "16 32".to_owned(), false),
        ];
        assert_eq!(told, want);
        assert!(differences(&[&a, &a]).is_empty());
        assert!(differences(&[&log(Value::Null)]).is_empty());
    }
}
