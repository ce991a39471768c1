//! The labels that tie what the engine has to the stack that asked for it.
//!
//! State lives in the engine: a second machine with the same file and the same
//! engine reads the same labels. Docker Compose's own stand beside ours, so that
//! its commands see our containers too.

use std::collections::BTreeMap;

use crate::spec::ContainerSpec;

/// The project that a container, network or volume belongs to.
pub const PROJECT: &str = "mainstay.project";
/// The service of a container.
pub const SERVICE: &str = "mainstay.service";
/// The replica's number, from 1.
pub const REPLICA: &str = "mainstay.replica";
/// The number of the release that a container was made in.
pub const RELEASE: &str = "mainstay.release";
/// The version and hash of the configuration that a container was made from.
pub const CONFIG: &str = "mainstay.config";
/// That configuration itself, as JSON, so that a later plan can name the fields that differ.
pub const SPEC: &str = "mainstay.spec";
/// The hash of a network's or volume's definition.
pub const DEFINITION: &str = "mainstay.definition";
/// What a thing is for, where it is not a service's: `store` or `lock`.
pub const ROLE: &str = "mainstay.role";
/// The role of the volume and the container that keep secrets and configs.
pub const ROLE_STORE: &str = "store";

/// The role of the container whose name is the lock.
pub const ROLE_LOCK: &str = "lock";

/// Docker Compose's label for the project.
pub const COMPOSE_PROJECT: &str = "com.docker.compose.project";
/// Docker Compose's label for the service.
pub const COMPOSE_SERVICE: &str = "com.docker.compose.service";
/// Docker Compose's label for the replica's number.
pub const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";

/// The labels of a container: the user's own, ours, and Docker Compose's.
#[must_use]
pub fn of_container(project: &str, spec: &ContainerSpec, release: u32) -> BTreeMap<String, String> {
    let hash = spec.config_hash();
    let number = spec.number.to_string();
    let release = release.to_string();
    let json = serde_json::to_string(&spec.without_hidden_values()).unwrap_or_default();
    let mut labels: BTreeMap<String, String> =
        spec.run.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let ours = [
        (PROJECT, project),
        (SERVICE, &spec.service),
        (REPLICA, &number),
        (RELEASE, &release),
        (CONFIG, &hash),
        (SPEC, &json),
        (COMPOSE_PROJECT, project),
        (COMPOSE_SERVICE, &spec.service),
        (COMPOSE_NUMBER, &number),
        ("com.docker.compose.oneoff", "False"),
        ("com.docker.compose.config-hash", &hash),
    ];
    labels.extend(ours.map(|(key, value)| (key.to_owned(), value.to_owned())));
    labels
}

/// The labels of a network or volume: the user's own, ours, and Docker Compose's.
#[must_use]
pub fn of_resource(
    project: &str,
    compose_kind: &str,
    key: &str,
    definition: &str,
    own: &indexmap::IndexMap<String, String>,
) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = own.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    labels.insert(PROJECT.to_owned(), project.to_owned());
    labels.insert(DEFINITION.to_owned(), definition.to_owned());
    labels.insert(COMPOSE_PROJECT.to_owned(), project.to_owned());
    labels.insert(format!("com.docker.compose.{compose_kind}"), key.to_owned());
    labels
}
