//! Secrets and configs: where they come from, and how a service is given them.

use super::Input;
use super::field::Field;
use super::paths;
use crate::stack::{FileGrant, FileOrigin, FileSource};

/// The owner of a file that a service is given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
    known: bool,
}

impl Owner {
    /// The numbers of `user: "999:999"`; a name is only known inside the image.
    pub(super) fn of(user: Option<&str>) -> Self {
        let Some(user) = user else { return Self::default() };
        let (uid, gid) = user.split_once(':').unwrap_or((user, user));
        match (uid.parse(), gid.parse()) {
            (Ok(uid), Ok(gid)) => Self { uid, gid, known: true },
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
    let mut grants: Vec<FileGrant> = Vec::new();
    for item in field.items().unwrap_or_default() {
        let Some(grant) = grant(&item, sort, owner) else { continue };
        grants.retain(|other| other.target != grant.target);
        grants.push(grant);
    }
    grants
}

fn grant(field: &Field<'_>, sort: Sort, owner: Owner) -> Option<FileGrant> {
    // Nobody but the owner reads a secret; where the owner is only a name in
    // the image, everybody in the container must be able to.
    let mode = if sort == Sort::Secret && owner.known { 0o400 } else { 0o444 };
    if !field.is_map() {
        let source = field.text()?;
        let target = target_of(sort, &source, None);
        return Some(FileGrant { source, target, uid: owner.uid, gid: owner.gid, mode });
    }
    field.only(&["source", "target", "uid", "gid", "mode"]);
    let entries = field.entries()?;
    let Some(source) = entries.get("source").and_then(Field::text) else {
        field.error("`source` is missing: the name of the secret or config", "");
        return None;
    };
    let target = entries.get("target").and_then(Field::text);
    Some(FileGrant {
        target: target_of(sort, &source, target.as_deref()),
        uid: entries.get("uid").and_then(Field::number).unwrap_or(owner.uid),
        gid: entries.get("gid").and_then(Field::number).unwrap_or(owner.gid),
        mode: entries.get("mode").and_then(octal).unwrap_or(mode),
        source,
    })
}

fn target_of(sort: Sort, source: &str, target: Option<&str>) -> String {
    let default_folder = if sort == Sort::Secret { "/run/secrets" } else { "" };
    match target {
        Some(target) if target.starts_with('/') => target.to_owned(),
        target => format!("{default_folder}/{}", target.unwrap_or(source)),
    }
}

/// `0440`, `0o440` and `"0440"`: always octal, as everybody means it.
fn octal(field: &Field<'_>) -> Option<u32> {
    let text = field.text()?;
    let mode = u32::from_str_radix(text.trim_start_matches("0o"), 8).ok().filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        field.error(format!("`{text}` is no mode"), "such as `0440`");
    }
    mode
}

/// A top-level secret or config.
pub(super) fn source(field: &Field<'_>, sort: Sort, input: &Input<'_>) -> Option<FileSource> {
    let known: &[&str] = match sort {
        Sort::Secret => &["file", "environment", "external", "name", "x-mainstay"],
        Sort::Config => &["file", "environment", "content", "external", "name"],
    };
    field.only(known);
    field.passed_over(&["name"], "it means something only in a Swarm");
    let entries = field.entries()?;
    if entries.get("external").and_then(Field::boolean).unwrap_or(false) {
        field.key_error(
            "`external` secrets and configs exist only in a Swarm",
            "name a `file`, or let a secret be generated with `x-mainstay: {generate: 32}`",
        );
        return None;
    }
    let text = |key: &str| entries.get(key).and_then(Field::text);
    if let Some(ours) = entries.get("x-mainstay") {
        return Some(FileSource { origin: generated(ours)?, digest: String::new() });
    }
    let origin = text("file")
        .map(|path| FileOrigin::File(paths::resolve(&path, &input.project_dir)))
        .or_else(|| text("environment").map(FileOrigin::Environment))
        .or_else(|| text("content").map(FileOrigin::Content));
    if origin.is_none() {
        field.key_error("it says not where its content comes from", format!("one of `{}`", known.join("`, `")));
    }
    Some(FileSource { origin: origin?, digest: String::new() })
}

fn generated(field: &Field<'_>) -> Option<FileOrigin> {
    /// 128 bits withstand every search; beyond 1 KiB nothing is won.
    const BYTES: std::ops::RangeInclusive<u32> = 16..=1024;
    field.only(&["generate"]);
    let entries = field.entries()?;
    let Some(generate) = entries.get("generate") else {
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
