//! Partial updates of typed settings: a tree of changes laid over the full tree.
//!
//! AIStore has a second struct with pointers for every section; here the full settings are written to JSON,
//! the change is merged in, and the result is read back, so that one definition gives the names, the types
//! and the defaults. A name that the full tree does not have is refused, by name.

use serde_json::{Map, Value};

use super::num::parse_bool;

/// Lays `change` over `base`. Nulls are skipped, names match without case if not exactly, and a leaf takes
/// the kind of the value it replaces (text such as `"true"` or `"5"` is converted).
///
/// Below the dotted names in `open` anything goes. Errors name the setting. `base` is left in an
/// unspecified state by an error.
pub(crate) fn merge(
    base: &mut Map<String, Value>,
    change: &Map<String, Value>,
    open: &[&str],
) -> Result<(), String> {
    merge_at("", base, change, open)
}

fn merge_at(
    path: &str,
    base: &mut Map<String, Value>,
    change: &Map<String, Value>,
    open: &[&str],
) -> Result<(), String> {
    for (key, new) in change {
        if new.is_null() {
            continue;
        }
        let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if open.contains(&path) {
            base.insert(key.clone(), new.clone());
            continue;
        }
        let known = match base.contains_key(key) {
            true => Some(key.clone()),
            false => base.keys().find(|k| k.eq_ignore_ascii_case(key)).cloned(),
        };
        let old = known.and_then(|k| base.get_mut(&k)).ok_or_else(|| format!("unknown setting {here:?}"))?;
        replace(&here, old, new, open)?;
    }
    Ok(())
}

fn replace(path: &str, old: &mut Value, new: &Value, open: &[&str]) -> Result<(), String> {
    let wrong = |kind: &str| Err(format!("{path}: expected {kind}, got {new}"));
    *old = match (&mut *old, new) {
        (Value::Object(base), Value::Object(change)) => return merge_at(path, base, change, open),
        (Value::Object(_), _) => return wrong("a section"),
        (_, Value::Object(_)) => return wrong("a value"),
        (Value::Bool(_), Value::Bool(_)) | (Value::String(_), Value::String(_)) => new.clone(),
        (Value::Bool(_), Value::String(text)) => match parse_bool(text) {
            Some(yes) if !text.is_empty() => Value::Bool(yes),
            _ => return wrong("a boolean"),
        },
        (Value::Number(_), Value::Number(_)) => new.clone(),
        (Value::Number(_), Value::String(text)) => match serde_json::from_str(text.trim()) {
            Ok(Value::Number(number)) => Value::Number(number),
            _ => return wrong("a number"),
        },
        (Value::String(_), Value::Number(number)) => Value::String(number.to_string()),
        (Value::String(_), Value::Bool(yes)) => Value::String(yes.to_string()),
        (Value::Array(_), Value::Array(_)) => new.clone(),
        (Value::Array(_), Value::String(text)) => text.split(',').filter(|s| !s.is_empty()).collect(),
        (Value::Bool(_), _) => return wrong("a boolean"),
        (Value::Number(_), _) => return wrong("a number"),
        (Value::String(_), _) => return wrong("a text"),
        (Value::Array(_), _) => return wrong("a list"),
        (Value::Null, _) => new.clone(),
    };
    Ok(())
}

/// Turns `a.b.c` and a value into the tree `{"a":{"b":{"c":value}}}`; `None` when a part is empty.
pub(crate) fn tree_of(dotted: &str, value: &str) -> Option<Map<String, Value>> {
    let mut value = Value::String(value.to_owned());
    let mut tree = Map::new();
    for (depth, part) in dotted.rsplit('.').enumerate() {
        if part.is_empty() {
            return None;
        }
        if depth > 0 {
            value = Value::Object(std::mem::take(&mut tree));
        }
        tree.insert(part.to_owned(), std::mem::take(&mut value));
    }
    Some(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(change: Value) -> Result<Value, String> {
        let mut base = json!({"a": {"b": 1, "on": false, "d": "10s", "list": ["x"]}, "open": {}, "n": null});
        merge(base.as_object_mut().unwrap(), change.as_object().unwrap(), &["open"])?;
        Ok(base)
    }

    #[test]
    fn leaves_keep_their_kind() {
        let got =
            merged(json!({"A": {"b": "7", "ON": "true", "d": 5, "list": "p,q"}, "open": {"z": {"y": 1}}}));
        let want = json!({"a": {"b": 7, "on": true, "d": "5", "list": ["p", "q"]}, "open": {"z": {"y": 1}}, "n": null});
        assert_eq!(got.unwrap(), want);
    }

    #[test]
    fn errors_name_the_setting() {
        for (change, want) in [
            (json!({"a": {"x": 1}}), "unknown setting \"a.x\""),
            (json!({"q": 1}), "unknown setting \"q\""),
            (json!({"a": 1}), "a: expected a section, got 1"),
            (json!({"a": {"b": "x"}}), "a.b: expected a number, got \"x\""),
            (json!({"a": {"on": "maybe"}}), "a.on: expected a boolean, got \"maybe\""),
            (json!({"a": {"b": {"c": 1}}}), "a.b: expected a value, got {\"c\":1}"),
        ] {
            assert_eq!(merged(change), Err(want.to_owned()));
        }
    }

    #[test]
    fn nulls_change_nothing() {
        assert_eq!(merged(json!({"a": null, "zzz": null})), merged(json!({})));
    }

    #[test]
    fn dotted_names() {
        assert_eq!(Value::Object(tree_of("a.b.c", "5").unwrap()), json!({"a": {"b": {"c": "5"}}}));
        assert_eq!(Value::Object(tree_of("a", "5").unwrap()), json!({"a": "5"}));
        assert_eq!(tree_of("a..c", "5"), None);
    }
}
