//! `ports` and `expose`.

use super::field::Field;
use crate::stack::Port;

/// A range as long as this is a mistake.
const LONGEST_RANGE: u32 = 1000;

/// The ports on the host; the same one is counted once.
pub(super) fn published(field: &Field<'_>) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    for item in field.items().unwrap_or_default() {
        let found = if item.is_map() { long(&item) } else { short(&item) };
        for port in found {
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
    }
    ports
}

fn refuse(field: &Field<'_>, why: &str) -> Vec<Port> {
    field.error(why, "such as `8080:80`, `127.0.0.1:5432:5432` or `53:53/udp`");
    Vec::new()
}

/// `[[HOST_IP:]PUBLISHED:]TARGET[/PROTOCOL]`, with ranges.
fn short(field: &Field<'_>) -> Vec<Port> {
    let Some(text) = field.text() else { return Vec::new() };
    let (text, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    if !["tcp", "udp"].contains(&protocol) {
        return refuse(field, &format!("the protocol `{protocol}` is neither `tcp` nor `udp`"));
    }
    let (rest, target) = text.rsplit_once(':').unwrap_or(("", text));
    let (host_ip, published) = match rest.rsplit_once(':') {
        Some((ip, published)) => (Some(ip.trim_start_matches('[').trim_end_matches(']').to_owned()), published),
        // `127.0.0.1::80` has an address and no port.
        None if rest.parse::<std::net::IpAddr>().is_ok() => (Some(rest.to_owned()), ""),
        None => (None, rest),
    };
    if let Some(ip) = host_ip.as_ref().filter(|ip| ip.parse::<std::net::IpAddr>().is_err()) {
        return refuse(field, &format!("`{ip}` is no address"));
    }
    spread(field, host_ip.as_deref(), published, target, protocol)
}

fn spread(field: &Field<'_>, host_ip: Option<&str>, published: &str, target: &str, protocol: &str) -> Vec<Port> {
    let Some(targets) = range(target) else {
        return refuse(
            field,
            &format!("`{target}` is no port from 1 to 65535, and no range of at most {LONGEST_RANGE}"),
        );
    };
    let hosts = if published.is_empty() { None } else { range(published) };
    if !published.is_empty() && hosts.is_none() {
        return refuse(
            field,
            &format!("`{published}` is no port from 1 to 65535, and no range of at most {LONGEST_RANGE}"),
        );
    }
    if hosts.as_ref().is_some_and(|hosts| hosts.len() != targets.len()) {
        return refuse(field, "both ranges must be of one length");
    }
    let of = |(index, target): (usize, &u16)| Port {
        host_ip: host_ip.map(str::to_owned),
        published: hosts.as_ref().map(|hosts| hosts[index]),
        target: *target,
        protocol: protocol.to_owned(),
    };
    targets.iter().enumerate().map(of).collect()
}

fn range(text: &str) -> Option<Vec<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    let length = u32::from(last).checked_sub(u32::from(first))? + 1;
    (first > 0 && length <= LONGEST_RANGE).then(|| (first..=last).collect())
}

fn long(field: &Field<'_>) -> Vec<Port> {
    field.only(&["target", "published", "host_ip", "protocol", "mode", "name", "app_protocol"]);
    field.passed_over(&["mode", "name", "app_protocol"], "it means something only in a Swarm");
    let entries = field.entries().unwrap_or_default();
    let text = |key: &str| entries.get(key).and_then(Field::text);
    let Some(target) = text("target") else {
        return refuse(field, "`target` is missing: the port of the container");
    };
    let protocol = text("protocol").unwrap_or_else(|| "tcp".to_owned());
    spread(field, text("host_ip").as_deref(), &text("published").unwrap_or_default(), &target, &protocol)
}

/// `expose`: ports that are documented, each with its protocol.
pub(super) fn exposed(field: &Field<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for item in field.items().unwrap_or_default() {
        let Some(text) = item.text() else { continue };
        let (ports, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
        match range(ports) {
            Some(ports) => all.extend(ports.iter().map(|port| format!("{port}/{protocol}"))),
            None => drop(refuse(&item, &format!("`{text}` is no port"))),
        }
    }
    all
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
        for text in ["0", "70000", "5-4", "", "1-2000", "a", "1-"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
