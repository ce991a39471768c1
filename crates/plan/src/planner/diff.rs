//! The fields in which two specifications differ.

use serde_json::Value;

use crate::plan::Change;
use crate::spec::ContainerSpec;

/// Names that a value is not shown for: it may be a password that somebody put
/// into the environment.
const HIDDEN: [&str; 6] = ["password", "passwd", "secret", "token", "key", "credential"];

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
        _ => changes.push(Change { field: path.to_owned(), from: shown(path, from), to: shown(path, to) }),
    }
}

/// `run.` is our own grouping, and the reader's file does not have it.
fn join(path: &str, key: &str) -> String {
    if path.is_empty() || path == "run" { key.to_owned() } else { format!("{path}.{key}") }
}

fn shown(path: &str, value: &Value) -> String {
    let name = path.to_lowercase();
    match value {
        Value::Null => String::new(),
        _ if path.starts_with("environment.") && HIDDEN.iter().any(|word| name.contains(word)) => "(hidden)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
