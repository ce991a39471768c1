//! Secrets and configs: where they come from, and how a service is given them.

use indexmap::IndexMap;

use super::Input;
use super::field::Field;
use super::paths;
use crate::stack::{FileGrant, FileOrigin, FileSource};

/// The owner of a file that a service is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
    known: bool,
}

impl Owner {
    /// The numbers of `user: "999:999"`; a name is only known inside the image.
    /// Root is not known either: it often becomes another user before it reads.
    pub(super) fn of(user: Option<&str>) -> Self {
        let user = user.unwrap_or_default();
        let (uid, gid) = user.split_once(':').unwrap_or((user, user));
        match (uid.parse(), gid.parse()) {
            (Ok(uid), Ok(gid)) => Self { uid, gid, known: uid != 0 },
            (Ok(uid), Err(_)) => Self { uid, gid: 0, known: uid != 0 },
            _ => Self::default(),
        }
    }
}

/// Which of the two is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Secret,
    Config,
}

/// A service's `secrets` or `configs`; of two for one path the later counts.
pub(super) fn grants(field: &Field<'_>, sort: Sort, owner: Owner) -> Vec<FileGrant> {
    let mut grants: IndexMap<String, FileGrant> = IndexMap::new();
    for item in field.items().unwrap_or_default() {
        grants.extend(grant(&item, sort, owner).map(|grant| (grant.target.clone(), grant)));
    }
    grants.into_values().collect()
}

fn grant(field: &Field<'_>, sort: Sort, owner: Owner) -> Option<FileGrant> {
    // Nobody but the owner reads a secret; where the owner is only a name in
    // the image, everybody in the container must be able to.
    let mode = if sort == Sort::Secret && owner.known { 0o400 } else { 0o444 };
    if !field.is_map() {
        let source = field.text()?;
        let target = target_of(field, sort, &source)?;
        return Some(FileGrant { source, target, uid: owner.uid, gid: owner.gid, mode });
    }
    field.only(&["source", "target", "uid", "gid", "mode"]);
    let Some(source) = field.get("source").and_then(|source| source.word()) else {
        field.error("`source` is missing: the name of the secret or config", "");
        return None;
    };
    let target = field.get("target").and_then(|target| target.word()).unwrap_or_else(|| source.clone());
    Some(FileGrant {
        target: target_of(field, sort, &target)?,
        uid: field.get("uid").and_then(|uid| uid.number()).unwrap_or(owner.uid),
        gid: field.get("gid").and_then(|gid| gid.number()).unwrap_or(owner.gid),
        mode: field.get("mode").and_then(|mode| mode.octal()).unwrap_or(mode),
        source,
    })
}

/// A relative target begins in `/run/secrets`, and a config's in `/`.
fn target_of(field: &Field<'_>, sort: Sort, target: &str) -> Option<String> {
    let folder = if sort == Sort::Secret { "/run/secrets" } else { "/" };
    let path = paths::resolve(target, folder);
    if target.is_empty() || target.ends_with('/') || path == "/" {
        field.error(format!("`{target}` is no path of a file"), "");
        return None;
    }
    Some(path)
}

/// A top-level secret or config. One that no service uses may be external.
pub(super) fn source(field: &Field<'_>, sort: Sort, is_used: bool, input: &Input<'_>) -> Option<FileSource> {
    let origins: &[&str] = match sort {
        Sort::Secret => &["file", "environment"],
        Sort::Config => &["file", "environment", "content"],
    };
    let own: &[&str] = if sort == Sort::Secret { &["x-mainstay"] } else { &[] };
    field.only(&[origins, own, &["external", "name"]].concat());
    field.passed_over(&["name"], "the engine has no place for it outside a Swarm");
    let entries = field.entries()?;
    let external = entries.get("external");
    if external.is_some_and(|external| external.is_map() || external.boolean().unwrap_or(false)) {
        if is_used {
            field.key_error("`external` secrets and configs exist only in a Swarm", way_out(sort));
        }
        return None;
    }
    let given: Vec<&str> = origins.iter().copied().filter(|origin| entries.contains_key(origin)).collect();
    if given.len() > 1 {
        let message = format!("`{}` exclude each other", given.join("` and `"));
        field.key_error(message, "take all but one away");
        return None;
    }
    let word = |key: &str| entries.get(key).and_then(Field::word);
    let origin = match (entries.get("x-mainstay"), given.first().copied()) {
        (Some(ours), _) => generated(ours)?,
        (None, Some("file")) => FileOrigin::File(paths::of_host(&entries["file"], &word("file")?, input)?),
        (None, Some("environment")) => FileOrigin::Environment(word("environment")?),
        (None, Some("content")) => FileOrigin::Content(entries["content"].text()?),
        _ => {
            field.key_error("it does not say where its content comes from", way_out(sort));
            return None;
        }
    };
    Some(FileSource { origin, digest: String::new() })
}

fn way_out(sort: Sort) -> &'static str {
    match sort {
        Sort::Secret => "name a `file`, or let one be generated with `x-mainstay: {generate: 32}`",
        Sort::Config => "name a `file`, or write the text under `content`",
    }
}

fn generated(field: &Field<'_>) -> Option<FileOrigin> {
    /// 128 bits withstand every search; beyond 1 KiB nothing is won.
    const BYTES: std::ops::RangeInclusive<u32> = 16..=1024;
    field.only(&["generate"]);
    let Some(generate) = field.get("generate") else {
        field.error("`generate` is missing: how many random bytes", "such as `x-mainstay: {generate: 32}`");
        return None;
    };
    let bytes: u32 = generate.number()?;
    if !BYTES.contains(&bytes) {
        generate.error(
            format!("`generate` takes a number of bytes from {} to {}", BYTES.start(), BYTES.end()),
            "such as `generate: 32`",
        );
        return None;
    }
    Some(FileOrigin::Generated { bytes })
}

#[cfg(test)]
mod tests {
    use super::Owner;

    #[test]
    fn only_numbers_are_known_outside_the_image() {
        let owner = |user| Owner::of(Some(user));
        assert_eq!(owner("999:998"), Owner { uid: 999, gid: 998, known: true });
        assert_eq!(owner("999"), Owner { uid: 999, gid: 999, known: true });
        assert_eq!(owner("999:staff"), Owner { uid: 999, gid: 0, known: true });
        for unknown in ["app", "", "0", "0:0", "root"] {
            assert_eq!(owner(unknown), Owner::default(), "{unknown}");
        }
    }
}
