//! Networks and volumes: a service's, and the top level's.

use indexmap::IndexMap;

use super::environment;
use super::field::Field;
use crate::stack::{Attachment, Network, Subnet, Volume};

/// The networks of a service; `default` where it says nothing.
pub(super) fn of_service(networks: Option<&Field<'_>>, mode: Option<&Field<'_>>) -> IndexMap<String, Attachment> {
    match (networks, mode) {
        (Some(networks), Some(mode)) => {
            mode.key_error("`network_mode` and `networks` exclude each other", "take one of the two away");
            attachments(networks)
        }
        (None, Some(_)) => IndexMap::new(),
        (Some(networks), None) => attachments(networks),
        (None, None) => IndexMap::from([("default".to_owned(), Attachment::default())]),
    }
}

fn attachments(field: &Field<'_>) -> IndexMap<String, Attachment> {
    if field.is_list() {
        return field.texts().into_iter().map(|name| (name, Attachment::default())).collect();
    }
    let entries = field.entries().unwrap_or_default();
    entries.into_iter().map(|(name, value)| (name.to_owned(), attachment(&value))).collect()
}

fn attachment(field: &Field<'_>) -> Attachment {
    field.only(&["aliases", "ipv4_address", "priority"]);
    field.passed_over(&["priority"], "networks are joined in the order of the file");
    let entries = field.entries().unwrap_or_default();
    let address = entries.get("ipv4_address");
    if let Some(field) = address
        && field.scalar().is_none_or(|text| text.parse::<std::net::Ipv4Addr>().is_err())
    {
        field.error("it is no IPv4 address", "such as `10.1.0.5`");
    }
    Attachment {
        aliases: entries.get("aliases").map(Field::texts).unwrap_or_default(),
        ipv4_address: address.and_then(Field::text),
    }
}

/// The name in the engine, and whether it is somebody else's. What is external
/// has the name that it has.
fn name_and_owner(key: &str, entries: &IndexMap<&str, Field<'_>>, project: &str) -> (String, bool) {
    let external = entries.get("external");
    // `external: {name: x}` is the oldest spelling.
    let nested = external.filter(|field| field.is_map()).and_then(Field::entries);
    let nested = nested.and_then(|map| map.get("name").and_then(Field::text));
    let is_external =
        nested.is_some() || external.is_some_and(|field| !field.is_map() && field.boolean().unwrap_or(false));
    let default = if is_external { key.to_owned() } else { format!("{project}_{key}") };
    (entries.get("name").and_then(Field::text).or(nested).unwrap_or(default), is_external)
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
        driver: entries.get("driver").and_then(Field::text).unwrap_or_else(|| "bridge".to_owned()),
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
    field.passed_over(&["driver"], "addresses are given by the engine's own driver");
    let entries = field.entries().unwrap_or_default();
    let configs = entries.get("config").and_then(Field::items).unwrap_or_default();
    let subnet = |field: &Field<'_>| {
        field.only(&["subnet", "ip_range", "gateway"]);
        let entries = field.entries().unwrap_or_default();
        let text = |key: &str| entries.get(key).and_then(Field::text);
        Subnet { subnet: text("subnet"), ip_range: text("ip_range"), gateway: text("gateway") }
    };
    configs.iter().map(subnet).collect()
}

pub(super) fn volume(key: &str, field: &Field<'_>, project: &str) -> Volume {
    field.only(&["name", "external", "driver", "driver_opts", "labels"]);
    let entries = field.entries().unwrap_or_default();
    let (name, external) = name_and_owner(key, &entries, project);
    Volume {
        name,
        external,
        driver: entries.get("driver").and_then(Field::text).unwrap_or_else(|| "local".to_owned()),
        driver_opts: entries.get("driver_opts").map(environment::texts).unwrap_or_default(),
        labels: entries.get("labels").map(environment::texts).unwrap_or_default(),
    }
}
