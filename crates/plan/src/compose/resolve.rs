//! From what the file says to what is asked for: profiles, references between
//! its parts, and only what is used.

use std::collections::HashMap;

use indexmap::{IndexMap, IndexSet};

use super::field::Field;
use super::files::{self, Sort};
use super::service::Read;
use super::{Input, hints, networks};
use crate::stack::{FileGrant, FileSource, Mount, Network, Service, Stack, Volume};

/// The sections of the file.
pub(super) struct Sections<'a> {
    /// The names of all services, also of those that could not be read.
    pub(super) services: Vec<&'a str>,
    pub(super) networks: IndexMap<&'a str, Field<'a>>,
    pub(super) volumes: IndexMap<&'a str, Field<'a>>,
    pub(super) secrets: IndexMap<&'a str, Field<'a>>,
    pub(super) configs: IndexMap<&'a str, Field<'a>>,
}

/// Everything at the top level, used or not: a typo is one wherever it stands.
struct Defined {
    networks: IndexMap<String, Network>,
    volumes: IndexMap<String, Volume>,
    secrets: IndexMap<String, FileSource>,
    configs: IndexMap<String, FileSource>,
}

type Services<'a> = IndexMap<&'a str, (Field<'a>, Read)>;

/// Puts the stack together.
pub(super) fn stack(project: &str, services: Services<'_>, sections: &Sections<'_>, input: &Input<'_>) -> Stack {
    let (mut on, off): (Services<'_>, Services<'_>) = services.into_iter().partition(|(_, (_, read))| read.active);
    let inactive: IndexSet<&str> = off.keys().copied().collect();
    for (field, read) in on.values() {
        if field.is_complained_enough() {
            break;
        }
        check_dependencies(field, &read.service, sections, &inactive);
        check_references(field, &read.service, sections);
        check_edge(field, &read.service, &on);
    }
    complain_about_circles(&on);
    complain_about_one_name_for_two(&on);
    name_links(&mut on);
    let all = defined(project, &on, sections, input);
    let mut stack = Stack {
        project: project.to_owned(),
        services: IndexMap::new(),
        inactive: inactive.iter().map(|name| (*name).to_owned()).collect(),
        networks: IndexMap::new(),
        volumes: IndexMap::new(),
        secrets: IndexMap::new(),
        configs: IndexMap::new(),
    };
    for (name, (field, read)) in on {
        let run = &read.service.run;
        check_addresses(&field, &read.service, &all.networks);
        take(&mut stack.networks, &all.networks, run.networks.keys());
        take(&mut stack.volumes, &all.volumes, run.mounts.iter().filter_map(named_volume));
        take(&mut stack.secrets, &all.secrets, run.secrets.iter().map(|grant| &grant.source));
        take(&mut stack.configs, &all.configs, run.configs.iter().map(|grant| &grant.source));
        stack.services.insert(name.to_owned(), read.service);
    }
    stack
}

fn take<'k, T: Clone>(
    used: &mut IndexMap<String, T>,
    all: &IndexMap<String, T>,
    keys: impl Iterator<Item = &'k String>,
) {
    for key in keys {
        if let Some(one) = all.get(key).filter(|_| !used.contains_key(key)) {
            used.insert(key.clone(), one.clone());
        }
    }
}

fn named_volume(mount: &Mount) -> Option<&String> {
    match mount {
        Mount::Volume { source, .. } => source.as_ref(),
        _ => None,
    }
}

fn defined(project: &str, on: &Services<'_>, sections: &Sections<'_>, input: &Input<'_>) -> Defined {
    let runs = || on.values().map(|(_, read)| &read.service.run);
    let secrets: IndexSet<&String> = runs().flat_map(|run| &run.secrets).map(|grant| &grant.source).collect();
    let configs: IndexSet<&String> = runs().flat_map(|run| &run.configs).map(|grant| &grant.source).collect();
    let sources = |section: &IndexMap<&str, Field<'_>>, sort, used: &IndexSet<&String>| {
        let source = |(key, field): (&&str, &Field<'_>)| {
            let key = (*key).to_owned();
            Some((key.clone(), files::source(field, sort, used.contains(&key), input)?))
        };
        section.iter().filter_map(source).collect()
    };
    let mut all = Defined {
        networks: IndexMap::new(),
        volumes: IndexMap::new(),
        secrets: sources(&sections.secrets, Sort::Secret, &secrets),
        configs: sources(&sections.configs, Sort::Config, &configs),
    };
    for (key, field) in &sections.networks {
        all.networks.insert((*key).to_owned(), networks::network(key, Some(field), project));
    }
    if !all.networks.contains_key("default") {
        all.networks.insert("default".to_owned(), networks::network("default", None, project));
    }
    for (key, field) in &sections.volumes {
        all.volumes.insert((*key).to_owned(), networks::volume(key, field, project, input));
    }
    all
}

fn check_dependencies(field: &Field<'_>, service: &Service, sections: &Sections<'_>, inactive: &IndexSet<&str>) {
    for (name, dependency) in &service.depends_on {
        let is_known = sections.services.contains(&name.as_str());
        let is_off = inactive.contains(name.as_str());
        if is_known && !(is_off && dependency.required) || field.is_complained_enough() {
            continue;
        }
        let mentions = |key: &str, says: &dyn Fn(&str) -> bool| {
            let place = field.mention(key, &|item| item.is_named(name) || item.scalar().is_some_and(says));
            (place.path != field.path).then_some(place)
        };
        let shared = format!("service:{name}");
        let place = mentions("depends_on", &|text| text == name)
            .filter(|place| place.is_named(name) || place.scalar().is_some())
            .or_else(|| mentions("links", &|text| text.split(':').next() == Some(name)))
            .or_else(|| {
                let modes = ["network_mode", "pid", "ipc"].into_iter().filter_map(|key| field.get(key));
                modes.into_iter().find(|mode| mode.scalar() == Some(&shared))
            })
            .unwrap_or_else(|| field.clone());
        if is_off {
            place.key_error(
                format!("it depends on `{name}`, whose profile is not active"),
                "activate it with `--profile`, or say `required: false`",
            );
        } else {
            let hint = hints::one_of(name, &sections.services, "");
            place.key_error(format!("it depends on `{name}`, and there is no such service"), hint);
        }
    }
}

/// The edge has to be there, and to reach what is behind it.
fn check_edge(field: &Field<'_>, service: &Service, services: &Services<'_>) {
    let Some(edge) = &service.edge else { return };
    let place = field.get("x-mainstay").and_then(|own| own.get("edge")).unwrap_or_else(|| field.clone());
    let Some((_, found)) = services.get(edge.service.as_str()) else {
        let known: Vec<&str> = services.keys().copied().collect();
        let hint = hints::one_of(&edge.service, &known, "");
        place.error(format!("there is no active service `{}` that could be its edge", edge.service), hint);
        return;
    };
    // A holder may own the edge's network, so that the edge itself can be replaced.
    let owner = found.service.run.network_mode.as_deref().and_then(|mode| mode.strip_prefix("service:"));
    let reach = owner.and_then(|owner| services.get(owner)).map_or(found, |(_, owner)| owner);
    if found.service.edge.is_some() || edge.service == service.name {
        place.error(format!("`{}` is behind an edge itself", edge.service), "one edge stands before all services");
    } else if !service.run.networks.keys().any(|network| reach.service.run.networks.contains_key(network)) {
        place.error(
            format!("`{}` cannot reach it: they share no network", edge.service),
            "put both on one network under `networks:`",
        );
    }
}

/// Networks, volumes, secrets and configs that the file does not define.
fn check_references(field: &Field<'_>, service: &Service, sections: &Sections<'_>) {
    let run = &service.run;
    let missing = |place: Field<'_>, what: &str, name: &str, known: &IndexMap<&str, Field<'_>>, hint: &str| {
        let known: Vec<&str> = known.keys().copied().collect();
        let hint = if name.contains('/') { hint.to_owned() } else { hints::one_of(name, &known, hint) };
        place.key_error(format!("the file does not define the {what} `{name}`"), hint);
    };
    for name in run.networks.keys() {
        if name != "default" && !sections.networks.contains_key(name.as_str()) && !field.is_complained_enough() {
            let place = field.mention("networks", &|item| item.is_named(name) || item.scalar() == Some(name));
            missing(place, "network", name, &sections.networks, "add it under `networks:` at the top level");
        }
    }
    for name in run.mounts.iter().filter_map(named_volume) {
        if !sections.volumes.contains_key(name.as_str()) && !field.is_complained_enough() {
            let place = field.mention("volumes", &|item| {
                let short = item.scalar().and_then(|text| text.split(':').next()) == Some(name);
                short || item.get("source").is_some_and(|source| source.scalar() == Some(name))
            });
            let hint = "add it under `volumes:` at the top level; a folder begins with `./`";
            missing(place, "volume", name, &sections.volumes, hint);
        }
    }
    let grants = |key: &str, what: &str, grants: &[FileGrant], known: &IndexMap<&str, Field<'_>>| {
        for FileGrant { source: name, .. } in grants {
            if !known.contains_key(name.as_str()) && !field.is_complained_enough() {
                let place = field.mention(key, &|item| {
                    item.scalar() == Some(name) || item.get("source").is_some_and(|it| it.scalar() == Some(name))
                });
                missing(place, what, name, known, &format!("add it under `{key}:` at the top level"));
            }
        }
    };
    grants("secrets", "secret", &run.secrets, &sections.secrets);
    grants("configs", "config", &run.configs, &sections.configs);
}

/// The engine gives a fixed address only on a network whose range is known.
fn check_addresses(field: &Field<'_>, service: &Service, networks: &IndexMap<String, Network>) {
    for (name, attachment) in &service.run.networks {
        let Some(address) = &attachment.ipv4_address else { continue };
        let Some(network) = networks.get(name).filter(|network| !network.external) else { continue };
        if network.ipam.iter().all(|subnet| subnet.subnet.is_none()) {
            field.mention("networks", &|item| item.is_named(name)).error(
                format!("`{address}` needs a network with a range of its own"),
                format!("add `ipam: {{config: [{{subnet: ...}}]}}` to the network `{name}`"),
            );
        }
    }
}

/// Names the circle: who depends on whom.
fn complain_about_circles(services: &Services<'_>) {
    let mut done: IndexSet<&str> = IndexSet::new();
    for name in services.keys() {
        let mut path: IndexSet<&str> = IndexSet::new();
        if let Some(circle) = find_circle(name, services, &mut path, &mut done) {
            services[*name].0.key_error(
                format!("services depend on each other in a circle: `{}`", circle.join("` -> `")),
                "take one of their `depends_on` away",
            );
            return;
        }
    }
}

fn find_circle<'a>(
    name: &'a str,
    services: &'a Services<'_>,
    path: &mut IndexSet<&'a str>,
    done: &mut IndexSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(start) = path.get_index_of(name) {
        return Some(path.iter().skip(start).copied().chain([name]).collect());
    }
    let (_, read) = services.get(name).filter(|_| !done.contains(name))?;
    path.insert(name);
    let circle = read.service.depends_on.keys().find_map(|next| find_circle(next, services, path, done));
    path.shift_remove(name);
    done.insert(name);
    circle
}

fn complain_about_one_name_for_two(services: &Services<'_>) {
    let mut owners: HashMap<&str, &str> = HashMap::new();
    for (name, (field, read)) in services {
        let Some(container) = &read.service.container_name else { continue };
        if let Some(other) = owners.insert(container, name) {
            let place = field.get("container_name").unwrap_or_else(|| field.clone());
            place.error(
                format!("the container of `{other}` has the name `{container}` already"),
                "take one of the two away",
            );
        }
    }
}

/// A link under another name is an alias on every network that both are on.
fn name_links(services: &mut Services<'_>) {
    /// More names for one service are a mistake.
    const MOST_NAMES: usize = 1000;
    let mut names: HashMap<(String, String), IndexSet<String>> = HashMap::new();
    for (field, read) in services.values() {
        for (service, alias) in read.links.iter().filter(|(service, alias)| service != alias) {
            let Some((_, other)) = services.get(service.as_str()) else { continue };
            let both = read.service.run.networks.keys().filter(|key| other.service.run.networks.contains_key(*key));
            for network in both {
                let names = names.entry((service.clone(), network.clone())).or_default();
                names.insert(alias.clone());
                if names.len() > MOST_NAMES {
                    field.error(format!("links give `{service}` more than {MOST_NAMES} names"), "");
                    return;
                }
            }
        }
    }
    for ((service, network), names) in names {
        let attachment =
            services.get_mut(service.as_str()).and_then(|(_, read)| read.service.run.networks.get_mut(&network));
        if let Some(attachment) = attachment {
            let there = std::mem::take(&mut attachment.aliases);
            attachment.aliases = there.into_iter().chain(names).collect::<IndexSet<String>>().into_iter().collect();
        }
    }
}
