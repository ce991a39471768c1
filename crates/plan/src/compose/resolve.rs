//! From what the file says to what is asked for: profiles, references between
//! its parts, and only what is used.

use indexmap::{IndexMap, IndexSet};

use super::field::Field;
use super::files::{self, Sort};
use super::service::Read;
use super::{Input, hints, networks};
use crate::stack::{FileGrant, FileSource, Mount, Network, Service, Stack, Volume};

/// The sections of the file beside `services`.
pub(super) struct Sections<'a> {
    pub(super) networks: IndexMap<&'a str, Field<'a>>,
    pub(super) volumes: IndexMap<&'a str, Field<'a>>,
    pub(super) secrets: IndexMap<&'a str, Field<'a>>,
    pub(super) configs: IndexMap<&'a str, Field<'a>>,
}

/// Puts the stack together.
pub(super) fn stack(
    project: String,
    services: IndexMap<&str, (Field<'_>, Read)>,
    sections: &Sections<'_>,
    input: &Input<'_>,
) -> Stack {
    let active = |read: &Read| {
        read.profiles.is_empty()
            || read.profiles.iter().any(|p| p == "*" || input.profiles.contains(p))
            || input.profiles.iter().any(|p| p == "*")
    };
    let (on, off): (IndexMap<_, _>, IndexMap<_, _>) = services.into_iter().partition(|(_, (_, read))| active(read));
    let inactive: IndexSet<&str> = off.keys().copied().collect();
    for (field, read) in on.values() {
        check_dependencies(field, &read.service, &on, &inactive);
    }
    complain_about_circles(&on);
    let mut stack = Stack {
        services: IndexMap::new(),
        inactive: inactive.iter().map(|name| (*name).to_owned()).collect(),
        networks: IndexMap::new(),
        volumes: IndexMap::new(),
        secrets: IndexMap::new(),
        configs: IndexMap::new(),
        project,
    };
    for (name, (field, read)) in on {
        use_networks(&mut stack.networks, &field, &read.service, sections, &stack.project);
        use_volumes(&mut stack.volumes, &field, &read.service, sections, &stack.project);
        let run = &read.service.run;
        use_files(&mut stack.secrets, &field, &run.secrets, Sort::Secret, &sections.secrets, input);
        use_files(&mut stack.configs, &field, &run.configs, Sort::Config, &sections.configs, input);
        stack.services.insert(name.to_owned(), read.service);
    }
    stack
}

fn check_dependencies(
    field: &Field<'_>,
    service: &Service,
    on: &IndexMap<&str, (Field<'_>, Read)>,
    inactive: &IndexSet<&str>,
) {
    for (name, dependency) in &service.depends_on {
        if on.contains_key(name.as_str()) || (!dependency.required && inactive.contains(name.as_str())) {
            continue;
        }
        if inactive.contains(name.as_str()) {
            field.key_error(
                format!("it depends on `{name}`, whose profile is not active"),
                "activate it with `--profile`, or say `required: false`",
            );
        } else {
            let known: Vec<&str> = on.keys().copied().collect();
            field.key_error(
                format!("it depends on `{name}`, and there is no such service"),
                hints::one_of(name, &known, ""),
            );
        }
    }
}

/// Names the circle: who depends on whom.
fn complain_about_circles(services: &IndexMap<&str, (Field<'_>, Read)>) {
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
    services: &'a IndexMap<&str, (Field<'_>, Read)>,
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

fn use_networks(
    used: &mut IndexMap<String, Network>,
    field: &Field<'_>,
    service: &Service,
    sections: &Sections<'_>,
    project: &str,
) {
    for key in service.run.networks.keys() {
        let section = sections.networks.get(key.as_str());
        if section.is_none() && key != "default" {
            let known: Vec<&str> = sections.networks.keys().copied().collect();
            let hint = hints::one_of(key, &known, "add it under `networks:` at the top level");
            field.key_error(format!("it is on network `{key}`, which the file does not define"), hint);
            continue;
        }
        if !used.contains_key(key) {
            used.insert(key.clone(), networks::network(key, section, project));
        }
    }
}

fn use_volumes(
    used: &mut IndexMap<String, Volume>,
    field: &Field<'_>,
    service: &Service,
    sections: &Sections<'_>,
    project: &str,
) {
    for mount in &service.run.mounts {
        let Mount::Volume { source: Some(key), .. } = mount else { continue };
        match sections.volumes.get(key.as_str()) {
            Some(_) if used.contains_key(key) => {}
            Some(section) => drop(used.insert(key.clone(), networks::volume(key, section, project))),
            None => {
                let known: Vec<&str> = sections.volumes.keys().copied().collect();
                let hint =
                    hints::one_of(key, &known, "add it under `volumes:` at the top level; a folder begins with `./`");
                field.key_error(format!("it mounts volume `{key}`, which the file does not define"), hint);
            }
        }
    }
}

fn use_files(
    used: &mut IndexMap<String, FileSource>,
    field: &Field<'_>,
    grants: &[FileGrant],
    sort: Sort,
    sections: &IndexMap<&str, Field<'_>>,
    input: &Input<'_>,
) {
    let (word, section_name) = if sort == Sort::Secret { ("secret", "secrets") } else { ("config", "configs") };
    for grant in grants {
        let key = &grant.source;
        match sections.get(key.as_str()) {
            Some(_) if used.contains_key(key) => {}
            Some(section) => {
                if let Some(source) = files::source(section, sort, input) {
                    used.insert(key.clone(), source);
                }
            }
            None => {
                let known: Vec<&str> = sections.keys().copied().collect();
                let hint = hints::one_of(key, &known, &format!("add it under `{section_name}:` at the top level"));
                field.key_error(format!("it is given {word} `{key}`, which the file does not define"), hint);
            }
        }
    }
}
