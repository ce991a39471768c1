//! `healthcheck`.

use super::field::Field;
use crate::stack::Healthcheck;

pub(super) fn of_service(field: &Field<'_>) -> Healthcheck {
    field.only(&["test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"]);
    let entries = field.entries().unwrap_or_default();
    let duration = |key: &str| entries.get(key).and_then(duration_ms);
    let disabled = entries.get("disable").and_then(Field::boolean).unwrap_or(false);
    let test = entries.get("test").filter(|test| !test.is_empty()).and_then(test);
    let check = Healthcheck {
        test: if disabled { Some(vec!["NONE".to_owned()]) } else { test },
        interval_ms: duration("interval"),
        timeout_ms: duration("timeout"),
        retries: entries.get("retries").and_then(Field::number),
        start_period_ms: duration("start_period"),
        start_interval_ms: duration("start_interval"),
    };
    if let Some(interval) = entries.get("start_interval")
        && !check.is_disabled()
        && check.start_period_ms.is_none()
    {
        interval.error("`start_interval` works only within a `start_period`", "add a `start_period`, such as `30s`");
    }
    check
}

/// The engine takes 0 as nothing said, and refuses what is shorter than it can count.
fn duration_ms(field: &Field<'_>) -> Option<u64> {
    let ms = field.duration_ms()?;
    if ms == 0 && !field.scalar().is_some_and(|text| text.chars().all(|c| !('1'..='9').contains(&c))) {
        field.error("it is shorter than a millisecond, the shortest that the engine knows", "");
    }
    Some(ms)
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
