//! `healthcheck`.

use super::field::Field;
use crate::stack::Healthcheck;

pub(super) fn of_service(field: &Field<'_>) -> Healthcheck {
    field.only(&["test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"]);
    let entries = field.entries().unwrap_or_default();
    let duration = |key: &str| entries.get(key).and_then(Field::duration_ms);
    let disabled = entries.get("disable").and_then(Field::boolean).unwrap_or(false);
    let test = if disabled { Some(vec!["NONE".to_owned()]) } else { entries.get("test").and_then(test) };
    let check = Healthcheck {
        test,
        interval_ms: duration("interval"),
        timeout_ms: duration("timeout"),
        retries: entries.get("retries").and_then(Field::number),
        start_period_ms: duration("start_period"),
        start_interval_ms: duration("start_interval"),
    };
    if check.start_interval_ms.is_some() && check.start_period_ms.is_none() {
        field.error("`start_interval` works only within a `start_period`", "add a `start_period`, such as `30s`");
    }
    check
}

/// A string is a shell's line; a list begins with how it is run.
fn test(field: &Field<'_>) -> Option<Vec<String>> {
    if !field.is_list() {
        return Some(vec!["CMD-SHELL".to_owned(), field.text()?]);
    }
    let words = field.texts();
    match words.first().map(String::as_str) {
        Some("CMD" | "CMD-SHELL") if words.len() > 1 => Some(words),
        Some("NONE") => Some(words),
        _ => {
            field.error("a test begins with `CMD`, `CMD-SHELL` or `NONE`", "such as `[CMD, pg_isready]`");
            None
        }
    }
}
