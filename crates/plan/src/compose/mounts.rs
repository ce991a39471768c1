//! `volumes` and `tmpfs` of a service.

use indexmap::IndexMap;

use super::Input;
use super::field::Field;
use super::paths;
use crate::stack::Mount;

const PROPAGATIONS: [&str; 6] = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/// What a service mounts; of two volumes for one path the later counts.
pub(super) fn of_service(volumes: Option<&Field<'_>>, tmpfs: Option<&Field<'_>>, input: &Input<'_>) -> Vec<Mount> {
    let mut mounts: IndexMap<String, Mount> = IndexMap::new();
    for item in volumes.and_then(Field::items).unwrap_or_default() {
        let mount = if item.is_map() { long(&item, input) } else { short(&item, input) };
        mounts.extend(mount.map(|mount| (target_of(&mount).to_owned(), mount)));
    }
    let items =
        tmpfs.map(|field| if field.is_list() { field.items().unwrap_or_default() } else { vec![field.clone()] });
    for item in items.unwrap_or_default() {
        let Some(mount) = short_tmpfs(&item) else { continue };
        if let Some(Mount::Volume { .. } | Mount::Bind { .. }) = mounts.get(target_of(&mount)) {
            item.error(
                format!("`{}` is mounted under `volumes` already", target_of(&mount)),
                "take one of the two away",
            );
        }
        mounts.insert(target_of(&mount).to_owned(), mount);
    }
    mounts.into_values().collect()
}

fn target_of(mount: &Mount) -> &str {
    match mount {
        Mount::Volume { target, .. } | Mount::Bind { target, .. } | Mount::Tmpfs { target, .. } => target,
    }
}

/// `TARGET[:OPTIONS]`.
fn short_tmpfs(field: &Field<'_>) -> Option<Mount> {
    let text = field.text()?;
    let (target, options) = text.split_once(':').unwrap_or((&text, ""));
    let target = paths::inside(field, target)?;
    Some(Mount::Tmpfs { target, size_bytes: None, mode: None, options: Some(options.to_owned()) })
}

/// What stands behind the second colon.
#[derive(Default)]
struct Options {
    read_only: bool,
    nocopy: bool,
    propagation: Option<String>,
    selinux: Option<String>,
}

/// `[SOURCE:]TARGET[:OPTIONS]`.
fn short(field: &Field<'_>, input: &Input<'_>) -> Option<Mount> {
    let text = field.text()?;
    let parts: Vec<&str> = text.split(':').collect();
    // `C:/x:/y`; with two parts it is a volume of one letter.
    let has_drive = matches!(parts[..], [drive, path, target, ..]
        if drive.len() == 1 && path.starts_with('/') && target.starts_with('/'));
    if has_drive || text.contains('\\') {
        field.error(format!("`{text}` has a Windows path"), "the engine's host is Linux; write a path of it");
        return None;
    }
    if parts.iter().any(|part| part.is_empty()) {
        field.error(format!("`{text}` has nothing on one side of a colon"), "is a variable in it not set?");
        return None;
    }
    let (source, target, written) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => {
            let hint = "write it in the long form: `{type: bind, source: ..., target: ...}`";
            field.error(format!("`{text}` has too many colons"), hint);
            return None;
        }
    };
    let target = paths::inside(field, target)?;
    let Options { read_only, nocopy, propagation, selinux } = options(field, written);
    Some(match source {
        Some(path) if path.starts_with(['.', '/', '~']) => Mount::Bind {
            source: paths::of_host(field, path, input)?,
            target,
            read_only,
            // The short form makes the folder where it is missing, as Docker always did.
            create_host_path: true,
            propagation,
            selinux,
        },
        // A volume is relabelled by the engine itself: `z` asks for nothing more.
        source => Mount::Volume { source: source.map(str::to_owned), target, read_only, nocopy },
    })
}

fn options(field: &Field<'_>, text: &str) -> Options {
    let mut options = Options::default();
    for option in text.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => options.read_only = true,
            // Those of Docker Desktop mean nothing on Linux.
            "rw" | "cached" | "delegated" | "consistent" => {}
            "nocopy" => options.nocopy = true,
            "z" | "Z" => options.selinux = Some(option.to_owned()),
            _ if PROPAGATIONS.contains(&option) => options.propagation = Some(option.to_owned()),
            _ => field.error(
                format!("the option `{option}` is not known"),
                "`ro`, `rw`, `nocopy`, `z`, `Z` and propagations are",
            ),
        }
    }
    options
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Volume,
    Bind,
    Tmpfs,
}

const TYPES: [(&str, Type); 3] = [("volume", Type::Volume), ("bind", Type::Bind), ("tmpfs", Type::Tmpfs)];

fn long(field: &Field<'_>, input: &Input<'_>) -> Option<Mount> {
    field.only(&["type", "source", "target", "read_only", "bind", "volume", "tmpfs", "consistency"]);
    field.passed_over(&["consistency"], "it is Docker Desktop's own");
    for (key, missing) in [("type", "`volume`, `bind` or `tmpfs`"), ("target", "the path inside the container")] {
        if field.get(key).is_none() {
            field.error(format!("`{key}` is missing: {missing}"), "");
            return None;
        }
    }
    let kind = field.get("type")?.choice("type of mount", &TYPES)?;
    for (key, of) in TYPES {
        if let Some(options) = field.get(key).filter(|_| of != kind) {
            options.key_error(format!("`{key}` has options for another type of mount"), "");
        }
    }
    let target_field = field.get("target")?;
    let target = paths::inside(&target_field, &target_field.text()?)?;
    let read_only = field.get("read_only").and_then(|value| value.boolean()).unwrap_or(false);
    match kind {
        Type::Volume => {
            let volume = field.get("volume");
            let nocopy = volume.as_ref().and_then(|volume| {
                volume.only(&["nocopy"]);
                volume.get("nocopy")?.boolean()
            });
            let source = field.get("source").and_then(|source| source.text()).filter(|source| !source.is_empty());
            Some(Mount::Volume { source, target, read_only, nocopy: nocopy.unwrap_or(false) })
        }
        Type::Bind => bind(field, target, read_only, input),
        Type::Tmpfs => Some(tmpfs(field, target)),
    }
}

fn bind(field: &Field<'_>, target: String, read_only: bool, input: &Input<'_>) -> Option<Mount> {
    let Some(source) = field.get("source") else {
        field.error("`source` is missing: the path of the host", "");
        return None;
    };
    let options = field.get("bind");
    if let Some(options) = &options {
        options.only(&["create_host_path", "propagation", "selinux"]);
    }
    let option = |key: &str| options.as_ref().and_then(|options| options.get(key));
    let propagations = PROPAGATIONS.map(|name| (name, name));
    let propagation = option("propagation").and_then(|name| name.choice("propagation", &propagations));
    let selinux = option("selinux").and_then(|label| label.choice("label of SELinux", &[("z", "z"), ("Z", "Z")]));
    let create_host_path = option("create_host_path").and_then(|create| create.boolean()).unwrap_or(true);
    let path = paths::of_host(&source, &source.text()?, input)?;
    // The engine takes these two only in the short form, where a colon divides.
    if (create_host_path || selinux.is_some()) && path.contains(':') {
        source.error(format!("`{path}` has a colon"), "say `bind: {create_host_path: false}`, and make it yourself");
    }
    Some(Mount::Bind {
        source: path,
        target,
        read_only,
        create_host_path,
        propagation: propagation.map(str::to_owned),
        selinux: selinux.map(str::to_owned),
    })
}

fn tmpfs(field: &Field<'_>, target: String) -> Mount {
    let options = field.get("tmpfs");
    if let Some(options) = &options {
        options.only(&["size", "mode"]);
    }
    let option = |key: &str| options.as_ref().and_then(|options| options.get(key));
    Mount::Tmpfs {
        target,
        size_bytes: option("size").and_then(|size| size.bytes()),
        mode: option("mode").and_then(|mode| mode.octal()),
        options: None,
    }
}
