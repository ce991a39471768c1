//! `network_mode`, `pid` and `ipc`: what a service shares instead of having its own.

use indexmap::IndexMap;

use super::field::Field;

/// `network_mode`: `none`, `host`, `bridge` (the engine's own network) or
/// `service:NAME`; checks what it excludes.
pub(super) fn network_mode(entries: &IndexMap<&str, Field<'_>>) -> Option<String> {
    let field = entries.get("network_mode")?;
    let mode = field.word()?;
    if !["none", "host", "bridge"].contains(&mode.as_str()) && !mode.starts_with("service:") {
        let hint = match mode.strip_prefix("container:") {
            Some(_) => "name the service: `service:NAME`",
            None => "`none`, `host`, `bridge` and `service:NAME` are; a network goes under `networks`",
        };
        field.error(format!("`{mode}` is no mode"), hint);
        return None;
    }
    if entries.contains_key("networks") {
        field.key_error("`network_mode` and `networks` exclude each other", "take one of the two away");
    }
    let excluded: &[&str] = match mode.as_str() {
        "none" => &["ports"],
        "host" | "bridge" => &[],
        // All of these are the other container's.
        _ => &["ports", "expose", "hostname", "dns", "extra_hosts"],
    };
    for key in excluded {
        if let Some(other) = entries.get(key).filter(|other| !other.is_empty()) {
            other.key_error(format!("`{key}` does not go with `network_mode: {mode}`"), "take one of the two away");
        }
    }
    if let Some(ports) = entries.get("ports").filter(|ports| mode == "host" && !ports.is_empty()) {
        ports.warning("the ports of a service on the host's network are open anyway", "take `ports` away");
    }
    Some(mode)
}

/// `pid` or `ipc`.
pub(super) fn shared(field: &Field<'_>, words: &[&str]) -> Option<String> {
    let mode = if field.is_null() { return None } else { field.word()? };
    if words.contains(&mode.as_str()) || mode.starts_with("service:") {
        return Some(mode);
    }
    field.error(format!("`{mode}` is no mode"), format!("`{}` and `service:NAME` are", words.join("`, `")));
    None
}
