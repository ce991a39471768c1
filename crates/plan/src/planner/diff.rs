//! The fields in which two specifications differ.

use serde_json::{Map, Value};

use crate::plan::Change;
use crate::redact;
use crate::spec::ContainerSpec;

/// The fields that differ, by path, without the number.
pub(super) fn fields(from: &ContainerSpec, to: &ContainerSpec) -> Vec<Change> {
    let mut changes = Vec::new();
    let as_value = |spec: &ContainerSpec| serde_json::to_value(spec).unwrap_or_default();
    compare("", &as_value(from), &as_value(to), &mut changes);
    changes.retain(|change| change.field != "number");
    changes
}

fn compare(path: &str, from: &Value, to: &Value, changes: &mut Vec<Change>) {
    match (from, to) {
        _ if from == to => {}
        (Value::Object(old), Value::Object(new)) => {
            let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
            for key in keys {
                let inner = join(path, key);
                compare(&inner, old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null), changes);
            }
        }
        // From nothing to some and back: each field by itself.
        (Value::Null, Value::Object(_)) => compare(path, &Value::Object(Map::new()), to, changes),
        (Value::Object(_), Value::Null) => compare(path, from, &Value::Object(Map::new()), changes),
        _ => changes.push(Change { field: path.to_owned(), from: shown(path, from), to: shown(path, to) }),
    }
}

/// `run.` is our own grouping, and the reader's file does not have it.
fn join(path: &str, key: &str) -> String {
    if path.is_empty() || path == "run" { key.to_owned() } else { format!("{path}.{key}") }
}

fn shown(path: &str, value: &Value) -> String {
    match (value, path.strip_prefix("environment.")) {
        (Value::Null, _) => String::new(),
        (Value::String(text), Some(name)) => redact::value(name, text),
        (Value::String(text), None) => text.clone(),
        (other, _) => other.to_string(),
    }
}
