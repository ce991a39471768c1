//! A container's specification: what one replica is made from, and its hash.
//!
//! The stack speaks in the file's keys (`data`, `db_password`); a specification
//! speaks in the engine's names (`shop_data`, a path in the store), so that
//! executing it decides nothing.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::redact;
use crate::stack::{FileGrant, FileOrigin, FileSource, Mount, RunConfig, Service, Stack};

/// What one container is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Its service.
    pub service: String,
    /// Its number among the replicas, from 1.
    pub number: u32,
    /// The image's reference; for a built image with the tag that its content gives.
    pub image: String,
    /// The platform asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Everything else, with the engine's names for networks and volumes.
    pub run: RunConfig,
    /// Secrets and configs: files of the store, mounted read-only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<StoreMount>,
}

/// A file of the store, mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreMount {
    /// The file in the store.
    pub file: StoreFile,
    /// The absolute path inside.
    pub target: String,
}

/// A copy of a secret or config in the store: one for each content, owner and mode.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StoreFile {
    /// Its name in the store's root.
    pub name: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its mode.
    pub mode: u32,
}

/// The same for networks and volumes, where a difference would take everything on them down.
const DEFINITION_VERSION: u32 = 1;

/// Raised when the same stack would hash to something else: the number is part
/// of the hash, and a container with another version is compared field by field
/// instead, so that an upgrade of mainstay recreates nothing by itself.
const HASH_VERSION: u32 = 1;

impl ContainerSpec {
    /// The specification of replica `number` of a service.
    #[must_use]
    pub fn of(stack: &Stack, service: &Service, number: u32) -> Self {
        let mut run = service.run.clone();
        run.networks = run
            .networks
            .into_iter()
            .map(|(key, attachment)| (engine_name(stack.networks.get(&key).map(|n| &n.name), key), attachment))
            .collect();
        for mount in &mut run.mounts {
            if let Mount::Volume { source: Some(key), .. } = mount {
                *key = engine_name(stack.volumes.get(key).map(|v| &v.name), key.clone());
            }
        }
        for mode in [&mut run.network_mode, &mut run.security.pid, &mut run.security.ipc].into_iter().flatten() {
            if let Some(other) = mode.strip_prefix("service:").and_then(|name| stack.services.get(name)) {
                *mode = format!("container:{}", other.container_name(&stack.project, 1));
            }
        }
        // Grants are replaced by `files`, which carry the content's digest as well.
        let secrets = std::mem::take(&mut run.secrets);
        let configs = std::mem::take(&mut run.configs);
        let mut files: Vec<StoreMount> =
            secrets.iter().filter_map(|grant| store_mount("secret", &stack.secrets, grant)).collect();
        files.extend(configs.iter().filter_map(|grant| store_mount("config", &stack.configs, grant)));
        Self {
            service: service.name.clone(),
            number,
            image: service.image_reference(),
            platform: service.platform.clone(),
            run,
            files,
        }
    }

    /// The same without values of the environment that may be secret: labels are
    /// shown in more places than environments are.
    #[must_use]
    pub fn without_hidden_values(&self) -> Self {
        let mut shown = self.clone();
        for (name, value) in &mut shown.run.environment {
            if let Some(value) = value {
                *value = redact::value(name, value);
            }
        }
        shown
    }

    /// Its name as a target, by which its edge finds it on their network: no two containers that run side by side
    /// share it.
    #[must_use]
    pub fn target_name(&self, release: u32) -> String {
        target_name(&self.service, self.number, release)
    }

    /// The version and SHA-256 of what makes two containers differ; not the
    /// number, so that replicas of one service share it.
    #[must_use]
    pub fn config_hash(&self) -> String {
        let mut same = self.clone();
        same.number = 0;
        // By way of a value, whose keys are sorted: the order of an environment
        // means nothing, and must not make another container.
        let json = serde_json::to_value(&same).unwrap_or_default().to_string();
        format!("v{HASH_VERSION}:{}", hex(&Sha256::digest(json)))
    }
}

/// The name of a replica as a target; see [`ContainerSpec::target_name`].
#[must_use]
pub fn target_name(service: &str, number: u32, release: u32) -> String {
    format!("{service}-{number}-r{release}")
}

fn engine_name(known: Option<&String>, key: String) -> String {
    known.cloned().unwrap_or(key)
}

fn store_mount(kind: &str, sources: &indexmap::IndexMap<String, FileSource>, grant: &FileGrant) -> Option<StoreMount> {
    let source = sources.get(&grant.source)?;
    Some(StoreMount { file: source.store_file(kind, grant), target: grant.target.clone() })
}

impl FileSource {
    /// The copy in the store that a grant mounts. Its name holds the content's
    /// digest, so that a changed secret is another file and an old container
    /// keeps the one that it was started with.
    #[must_use]
    pub fn store_file(&self, kind: &str, grant: &FileGrant) -> StoreFile {
        let content = match self.origin {
            FileOrigin::Generated { .. } => "generated",
            _ => self.digest.get(..16).unwrap_or(&self.digest),
        };
        let FileGrant { source, uid, gid, mode, .. } = grant;
        StoreFile {
            name: format!("{kind}-{source}-{content}-{uid}-{gid}-{mode:04o}"),
            uid: *uid,
            gid: *gid,
            mode: *mode,
        }
    }
}

impl Service {
    /// The reference that its containers are made from. A built image carries
    /// the digest of what it was made from as its tag.
    #[must_use]
    pub fn image_reference(&self) -> String {
        match &self.build {
            Some(build) if !build.digest.is_empty() => {
                let name = without_tag(&self.image);
                format!("{name}:{}", build.digest.get(..12).unwrap_or(&build.digest))
            }
            _ => with_tag(&self.image),
        }
    }
}

/// `image` without its tag; a port in the registry's name is no tag.
#[must_use]
pub fn without_tag(image: &str) -> &str {
    match image.rfind(':') {
        Some(colon) if !image[colon..].contains('/') => &image[..colon],
        _ => image,
    }
}

/// `image` with `:latest` where it has neither tag nor digest.
#[must_use]
pub fn with_tag(image: &str) -> String {
    if image.contains('@') || without_tag(image) != image { image.to_owned() } else { format!("{image}:latest") }
}

/// Bytes as lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of a definition's JSON, in hex, for the label that tells a changed network or volume.
#[must_use]
pub fn definition_hash<T: Serialize>(definition: &T) -> String {
    // Sorted, as with a container: the order of labels means nothing.
    let json = serde_json::to_value(definition).unwrap_or_default().to_string();
    format!("v{DEFINITION_VERSION}:{}", hex(&Sha256::digest(json)))
}

/// Whether a network or volume was made from another definition. A hash of
/// another version says nothing, and a label that is missing neither.
#[must_use]
pub fn is_redefined<T: Serialize>(old: Option<&String>, definition: &T) -> bool {
    let now = definition_hash(definition);
    old.is_some_and(|old| *old != now && old.split(':').next() == now.split(':').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(without_tag("box:5000/app"), "box:5000/app");
        assert_eq!(without_tag("box:5000/app:2"), "box:5000/app");
        assert_eq!(with_tag("box:5000/app"), "box:5000/app:latest");
        assert_eq!(with_tag("app@sha256:00"), "app@sha256:00");
    }
}
