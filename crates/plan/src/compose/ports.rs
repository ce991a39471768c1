//! `ports` and `expose`.

use indexmap::IndexSet;

use super::field::Field;
use crate::stack::Port;

/// A range as long as this is a mistake, and so are as many ports.
const MOST_PORTS: usize = 1000;

const EXAMPLES: &str = "such as `8080:80`, `127.0.0.1:5432:5432` or `53:53/udp`";

/// The ports on the host; the same one is counted once.
pub(super) fn published(field: &Field<'_>) -> Vec<Port> {
    let mut ports: IndexSet<Parts> = IndexSet::new();
    for item in items(field) {
        let found = if item.is_map() { long(&item) } else { short(&item) };
        ports.extend(found.unwrap_or_default());
        if ports.len() > MOST_PORTS {
            item.error(format!("the service has more than {MOST_PORTS} ports"), "`network_mode: host` has them all");
            return Vec::new();
        }
    }
    let port = |(host_ip, published, target, protocol)| Port { host_ip, published, target, protocol };
    ports.into_iter().map(port).collect()
}

fn items<'a>(field: &Field<'a>) -> Vec<Field<'a>> {
    let items = field.items().unwrap_or_default();
    if items.len() <= MOST_PORTS {
        return items;
    }
    field.error(format!("{} ports are more than {MOST_PORTS}", items.len()), "");
    Vec::new()
}

/// A port before it is one: host's address and port, container's port, protocol.
type Parts = (Option<String>, Option<u16>, u16, String);

/// `[[HOST_IP:]PUBLISHED:]TARGET[/PROTOCOL]`, with ranges.
fn short(field: &Field<'_>) -> Option<Vec<Parts>> {
    let text = field.text()?;
    let (text, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let (rest, target) = text.rsplit_once(':').unwrap_or(("", text));
    if is_address(rest) && (rest.starts_with('[') || !rest.contains(':')) {
        let hint = format!("write `{rest}:8080:{target}`, or `{rest}::{target}` to let the engine choose");
        field.error(format!("`{text}` has an address, and no port on it"), hint);
        return None;
    }
    let (host_ip, published) = rest.rsplit_once(':').unwrap_or(("", rest));
    spread(field, host_ip, published, target, protocol)
}

fn long(field: &Field<'_>) -> Option<Vec<Parts>> {
    field.only(&["target", "published", "host_ip", "protocol", "mode", "name", "app_protocol"]);
    field.passed_over(&["name", "app_protocol"], "the engine has no place for it");
    let text = |key: &str| field.get(key).and_then(|value| value.text());
    if let Some(mode) = field.get("mode") {
        // Both are the same where there is no Swarm.
        mode.choice("mode of a port", &[("host", ()), ("ingress", ())])?;
    }
    if field.get("target").is_none() {
        field.error("`target` is missing: the port of the container", EXAMPLES);
        return None;
    }
    let protocol = text("protocol").unwrap_or_else(|| "tcp".to_owned());
    let host_ip = text("host_ip").unwrap_or_default();
    spread(field, &host_ip, &text("published").unwrap_or_default(), &text("target")?, &protocol)
}

fn spread(field: &Field<'_>, ip: &str, published: &str, target: &str, protocol: &str) -> Option<Vec<Parts>> {
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp"].contains(&protocol.as_str()) {
        field.error(format!("the protocol `{protocol}` is neither `tcp` nor `udp`"), EXAMPLES);
        return None;
    }
    if !ip.is_empty() && !is_address(ip) {
        field.error(format!("`{ip}` is no address"), "names are not looked up; write the address, such as `127.0.0.1`");
        return None;
    }
    let ip = ip.trim_start_matches('[').trim_end_matches(']').to_owned();
    let ip = Some(ip).filter(|ip| !ip.is_empty());
    let targets = checked_range(field, target)?;
    // 0 lets the engine choose.
    if matches!(published, "" | "0") {
        return Some(targets.into_iter().map(|target| (ip.clone(), None, target, protocol.clone())).collect());
    }
    let hosts = checked_range(field, published)?;
    if hosts.len() != targets.len() {
        field.error(
            format!("`{published}` and `{target}` are not of one length"),
            "each port of the container takes one of the host; without one of the host, the engine chooses",
        );
        return None;
    }
    let both = hosts.into_iter().zip(targets);
    Some(both.map(|(host, target)| (ip.clone(), Some(host), target, protocol.clone())).collect())
}

fn is_address(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
        None => text.parse::<std::net::IpAddr>().is_ok(),
    }
}

fn checked_range(field: &Field<'_>, text: &str) -> Option<Vec<u16>> {
    let ports = range(text);
    if ports.is_none() {
        let message = format!("`{text}` is no port from 1 to 65535, and no range of at most {MOST_PORTS}");
        field.error(message, if text.is_empty() { "is a variable in it not set?" } else { EXAMPLES });
    }
    ports
}

fn range(text: &str) -> Option<Vec<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let (first, last) = (number(first)?, number(last)?);
    let length = usize::from(last.checked_sub(first)?) + 1;
    (first > 0 && length <= MOST_PORTS).then(|| (first..=last).collect())
}

/// `expose`: ports that are documented, each with its protocol.
pub(super) fn exposed(field: &Field<'_>) -> Vec<String> {
    let mut all: IndexSet<String> = IndexSet::new();
    for item in items(field) {
        let Some(text) = item.text() else { continue };
        let (ports, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
        if let Some(ports) = spread(&item, "", "", ports, protocol) {
            all.extend(ports.into_iter().map(|(_, _, port, protocol)| format!("{port}/{protocol}")));
        }
        if all.len() > MOST_PORTS {
            item.error(format!("the service exposes more than {MOST_PORTS} ports"), "");
            break;
        }
    }
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::range;

    proptest! {
        #[test]
        fn ranges_are_as_long_as_they_say(first in 1_u16..60_000, more in 0_u16..999) {
            let ports = range(&format!("{first}-{}", first + more)).unwrap();
            prop_assert_eq!(ports.len(), usize::from(more) + 1);
        }
    }

    #[test]
    fn no_ranges() {
        for text in ["0", "70000", "5-4", "", "1-2000", "a", "1-", "+1", "-1", "1-2-3"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
