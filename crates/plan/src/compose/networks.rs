//! Networks and volumes: a service's, and the top level's.

use std::net::{IpAddr, Ipv4Addr};

use indexmap::IndexMap;

use super::Input;
use super::environment;
use super::field::Field;
use super::paths;
use crate::stack::{Attachment, Network, Subnet, Volume};

/// The networks of a service; `default` where it names none. With a
/// `network_mode` it has none of its own.
pub(super) fn of_service(networks: Option<&Field<'_>>, mode: Option<&Field<'_>>) -> IndexMap<String, Attachment> {
    let attached = networks.map(attachments).unwrap_or_default();
    if attached.is_empty() && mode.and_then(Field::scalar).is_none_or(str::is_empty) {
        return IndexMap::from([("default".to_owned(), Attachment::default())]);
    }
    attached
}

/// Those with a higher `priority` come first, else they keep the order of the file.
fn attachments(field: &Field<'_>) -> IndexMap<String, Attachment> {
    if field.is_list() {
        return field.texts().into_iter().map(|name| (name, Attachment::default())).collect();
    }
    let entries = field.entries().unwrap_or_default();
    let priority = |value: &Field<'_>| value.get("priority").and_then(|priority| priority.number::<i64>()).unwrap_or(0);
    let mut all: Vec<(i64, String, Attachment)> =
        entries.into_iter().map(|(name, value)| (priority(&value), name.to_owned(), attachment(&value))).collect();
    all.sort_by_key(|(priority, ..)| std::cmp::Reverse(*priority));
    all.into_iter().map(|(_, name, attachment)| (name, attachment)).collect()
}

fn attachment(field: &Field<'_>) -> Attachment {
    field.only(&["aliases", "ipv4_address", "priority"]);
    let entries = field.entries().unwrap_or_default();
    let address = entries.get("ipv4_address").and_then(|field| {
        let address = field.word()?;
        if address.parse::<Ipv4Addr>().is_err() {
            field.error(format!("`{address}` is no IPv4 address"), "such as `10.1.0.5`");
        }
        Some(address)
    });
    Attachment { aliases: entries.get("aliases").map(Field::texts).unwrap_or_default(), ipv4_address: address }
}

/// The name in the engine, and whether it is somebody else's. What is external
/// has the name that it has, and nothing else of it is asked for.
fn name_and_owner(key: &str, entries: &IndexMap<&str, Field<'_>>, project: &str) -> (String, bool) {
    let external = entries.get("external");
    // `external: {name: x}` is the oldest spelling.
    let nested = external.filter(|field| field.is_map());
    let nested_name = nested.and_then(|field| {
        field.only(&["name"]);
        field.get("name")?.word()
    });
    let is_external =
        nested.is_some() || external.is_some_and(|field| !field.is_map() && field.boolean().unwrap_or(false));
    let others =
        entries.iter().filter(|(other, _)| !matches!(**other, "name" | "external") && !other.starts_with("x-"));
    for (other, field) in others.filter(|_| is_external) {
        field.key_error(format!("`{other}` does not go with `external`: it is made elsewhere"), "take it away");
    }
    let default = if is_external { key.to_owned() } else { format!("{project}_{key}") };
    (entries.get("name").and_then(Field::word).or(nested_name).unwrap_or(default), is_external)
}

pub(super) fn network(key: &str, field: Option<&Field<'_>>, project: &str) -> Network {
    let entries = field.and_then(Field::entries).unwrap_or_default();
    if let Some(field) = field {
        field.only(&[
            "name",
            "external",
            "driver",
            "driver_opts",
            "internal",
            "attachable",
            "enable_ipv6",
            "labels",
            "ipam",
        ]);
    }
    let (name, external) = name_and_owner(key, &entries, project);
    let flag = |key: &str| entries.get(key).and_then(Field::boolean).unwrap_or(false);
    Network {
        name,
        external,
        driver: entries.get("driver").and_then(Field::word).unwrap_or_else(|| "bridge".to_owned()),
        driver_opts: entries.get("driver_opts").map(environment::texts).unwrap_or_default(),
        internal: flag("internal"),
        attachable: flag("attachable"),
        enable_ipv6: flag("enable_ipv6"),
        labels: entries.get("labels").map(environment::texts).unwrap_or_default(),
        ipam: entries.get("ipam").map(ipam).unwrap_or_default(),
    }
}

fn ipam(field: &Field<'_>) -> Vec<Subnet> {
    field.only(&["driver", "config"]);
    if let Some(driver) = field.get("driver") {
        driver.choice("driver of addresses that is supported", &[("default", ())]);
    }
    let configs = field.get("config").and_then(|config| config.items()).unwrap_or_default();
    configs.iter().map(subnet).collect()
}

fn subnet(field: &Field<'_>) -> Subnet {
    field.only(&["subnet", "ip_range", "gateway"]);
    let word = |key: &str| {
        let value = field.get(key)?;
        let text = value.word()?;
        let (address, length) = text.split_once('/').unwrap_or((&text, ""));
        let is_range = key != "gateway";
        let fits = length.parse::<u8>().is_ok() == is_range && address.parse::<IpAddr>().is_ok();
        if !fits {
            let example = if is_range { "such as `10.1.0.0/24`" } else { "such as `10.1.0.1`" };
            value.error(format!("`{text}` is no {}", if is_range { "range of addresses" } else { "address" }), example);
        }
        Some(text)
    };
    Subnet { subnet: word("subnet"), ip_range: word("ip_range"), gateway: word("gateway") }
}

pub(super) fn volume(key: &str, field: &Field<'_>, project: &str, input: &Input<'_>) -> Volume {
    field.only(&["name", "external", "driver", "driver_opts", "labels"]);
    let entries = field.entries().unwrap_or_default();
    let (name, external) = name_and_owner(key, &entries, project);
    let driver = entries.get("driver").and_then(Field::word).unwrap_or_else(|| "local".to_owned());
    let mut driver_opts = entries.get("driver_opts").map(environment::texts).unwrap_or_default();
    let is_bind = driver_opts.get("o").is_some_and(|o| o.split(',').any(|option| option == "bind"));
    // A bind under another name: its path is relative to the project, as others are.
    if let (true, true, Some(device)) = (driver == "local", is_bind, driver_opts.get_mut("device")) {
        *device = paths::of_host(field, device, input).unwrap_or_default();
    }
    Volume {
        name,
        external,
        driver,
        driver_opts,
        labels: entries.get("labels").map(environment::texts).unwrap_or_default(),
    }
}
