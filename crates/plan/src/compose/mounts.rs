//! `volumes` and `tmpfs` of a service.

use super::Input;
use super::field::Field;
use super::paths;
use crate::stack::Mount;

/// What a service mounts; of two for one path the later counts.
pub(super) fn of_service(volumes: Option<&Field<'_>>, tmpfs: Option<&Field<'_>>, input: &Input<'_>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for item in volumes.and_then(Field::items).unwrap_or_default() {
        let mount = if item.is_map() { long(&item, input) } else { short(&item, input) };
        mounts.extend(mount);
    }
    for text in tmpfs.map(Field::texts).unwrap_or_default() {
        let (target, options) = text.split_once(':').map_or((text.as_str(), None), |(path, rest)| (path, Some(rest)));
        mounts.push(Mount::Tmpfs {
            target: target.to_owned(),
            size_bytes: None,
            mode: None,
            options: Some(options.unwrap_or_default().to_owned()),
        });
    }
    let mut last: Vec<Mount> = Vec::new();
    for mount in mounts {
        last.retain(|other| target_of(other) != target_of(&mount));
        last.push(mount);
    }
    last
}

fn target_of(mount: &Mount) -> &str {
    match mount {
        Mount::Volume { target, .. } | Mount::Bind { target, .. } | Mount::Tmpfs { target, .. } => target,
    }
}

fn absolute(field: &Field<'_>, target: &str) -> Option<()> {
    if target.starts_with('/') {
        return Some(());
    }
    field.error(format!("the path inside the container, `{target}`, is not absolute"), "such as `data:/var/lib/data`");
    None
}

/// `[SOURCE:]TARGET[:OPTIONS]`.
fn short(field: &Field<'_>, input: &Input<'_>) -> Option<Mount> {
    let text = field.text()?;
    if text.contains('\\') {
        field.error(format!("`{text}` has a Windows path"), "the engine's host is Linux; write a path of it");
        return None;
    }
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => {
            field.error(
                format!("`{text}` has too many colons"),
                "write it in the long form: `{type: bind, source: …, target: …}`",
            );
            return None;
        }
    };
    absolute(field, target)?;
    let mut read_only = false;
    let (mut nocopy, mut propagation, mut selinux) = (false, None, None);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" | "cached" | "delegated" | "consistent" => {}
            "nocopy" => nocopy = true,
            "z" | "Z" => selinux = Some(option.to_owned()),
            "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" => propagation = Some(option.to_owned()),
            _ => {
                field.error(
                    format!("the option `{option}` is not known"),
                    "`ro`, `rw`, `nocopy`, `z`, `Z` and propagations are",
                );
            }
        }
    }
    let target = target.to_owned();
    Some(match source {
        Some(path) if is_path(path) => Mount::Bind {
            source: host_path(field, path, input)?,
            target,
            read_only,
            // The short form makes the folder where it is missing, as Docker always did.
            create_host_path: true,
            propagation,
            selinux,
        },
        source => Mount::Volume { source: source.map(str::to_owned), target, read_only, nocopy },
    })
}

fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~']) || source.contains('\\')
}

fn host_path(field: &Field<'_>, path: &str, input: &Input<'_>) -> Option<String> {
    if path.contains('\\') {
        field.error(format!("`{path}` is a Windows path"), "the engine's host is Linux; write a path of it");
        return None;
    }
    if let Some(rest) = path.strip_prefix('~') {
        let home = input.environment.get("HOME").map_or("/root", String::as_str);
        return Some(paths::resolve(rest.trim_start_matches('/'), home));
    }
    Some(paths::resolve(path, &input.project_dir))
}

fn long(field: &Field<'_>, input: &Input<'_>) -> Option<Mount> {
    field.only(&["type", "source", "target", "read_only", "bind", "volume", "tmpfs", "consistency"]);
    field.passed_over(&["consistency"], "it means something only on Docker Desktop");
    let entries = field.entries()?;
    let groups: [(&str, &[&str]); 3] = [
        ("bind", &["create_host_path", "propagation", "selinux"]),
        ("volume", &["nocopy", "subpath"]),
        ("tmpfs", &["size", "mode"]),
    ];
    for (group, known) in groups {
        if let Some(options) = entries.get(group) {
            options.only(known);
        }
    }
    let text = |key: &str| entries.get(key).and_then(Field::text);
    let option =
        |group: &str, key: &str| entries.get(group).and_then(Field::entries).and_then(|map| map.get(key).cloned());
    let read_only = entries.get("read_only").and_then(Field::boolean).unwrap_or(false);
    let Some(target) = text("target") else {
        field.error("`target` is missing: the path inside the container", "");
        return None;
    };
    absolute(field, &target)?;
    match text("type").as_deref() {
        Some("volume") | None => {
            let nocopy = option("volume", "nocopy").and_then(|nocopy| nocopy.boolean()).unwrap_or(false);
            if let Some(subpath) = option("volume", "subpath") {
                subpath.key_error("`subpath` needs an engine of version 26 or later", "mount the whole volume");
            }
            Some(Mount::Volume { source: text("source"), target, read_only, nocopy })
        }
        Some("bind") => {
            let source = text("source").or_else(|| {
                field.error("`source` is missing: the path of the host", "");
                None
            })?;
            Some(Mount::Bind {
                source: host_path(field, &source, input)?,
                target,
                read_only,
                create_host_path: option("bind", "create_host_path")
                    .and_then(|create| create.boolean())
                    .unwrap_or(true),
                propagation: option("bind", "propagation").and_then(|name| name.text()),
                selinux: option("bind", "selinux").and_then(|label| label.text()),
            })
        }
        Some("tmpfs") => Some(Mount::Tmpfs {
            target,
            size_bytes: option("tmpfs", "size").and_then(|size| size.bytes()),
            mode: option("tmpfs", "mode")
                .and_then(|mode| mode.text())
                .and_then(|text| u32::from_str_radix(&text, 8).ok()),
            options: None,
        }),
        Some(other) => {
            field.error(format!("the mount type `{other}` is not supported"), "`volume`, `bind` and `tmpfs` are");
            None
        }
    }
}
