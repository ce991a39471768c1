//! The lock: a container that is never started, whose name only one run can have, and a file in it that says who has it
//! and until when. It is as far away as the engine, so that runs of several machines are kept apart.
//!
//! Time is the engine's own: the clocks of two machines need not agree.

use std::io::Read as _;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, DownloadFromContainerOptions, RemoveContainerOptions, UploadToContainerOptions,
};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use mainstay_plan::labels;
use serde::{Deserialize, Serialize};

use super::{DockerEngine, failed, images, status_of, store};
use crate::error::{Error, Result};

/// Who has a lock, in the words of its file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// `name@machine`.
    pub(crate) who: String,
    /// The command.
    pub(crate) doing: String,
    /// What makes the process one of this machine's: another run here sees at once that it is gone.
    pub(crate) process: String,
    /// Since when, in seconds of the engine's clock.
    pub(crate) since_s: i64,
    /// When it was renewed last, in seconds of the engine's clock.
    pub(crate) renewed_s: i64,
}

/// A lock that somebody has.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// The container: what is taken away is this one and no later one of its name.
    pub(crate) id: String,
    /// Absent where it was not written yet, or cannot be read.
    pub(crate) lease: Option<Lease>,
    /// When the container was made, in seconds of the engine's clock.
    pub(crate) made_s: i64,
}

const FILE: &str = "lease.json";
const FOLDER: &str = "/store";
const MOST_BYTES: u64 = 64 << 10;

fn name(project: &str) -> String {
    format!("{project}-mainstay-lock")
}

impl DockerEngine {
    /// The engine's clock, in seconds since 1970.
    pub(crate) async fn now_s(&self) -> Result<i64> {
        let info = self.docker.info().await.map_err(failed("ask the engine for its time"))?;
        let time = info.system_time.unwrap_or_default();
        seconds(&time).ok_or_else(|| Error::new(format!("the engine's time `{time}` is not understood")))
    }

    /// Takes the lock: its container's id; none where somebody has it.
    pub(crate) async fn take_lock(&self, project: &str, lease: &Lease) -> Result<Option<String>> {
        if images::inspect(&self.docker, store::EMPTY_IMAGE).await?.is_none() {
            store::import_empty(&self.docker).await?;
        }
        let pairs = [(labels::PROJECT, project), (labels::ROLE, labels::ROLE_LOCK)];
        let body = ContainerCreateBody {
            image: Some(store::EMPTY_IMAGE.to_owned()),
            cmd: Some(vec!["never-started".to_owned()]),
            labels: Some(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            host_config: Some(HostConfig { network_mode: Some("none".to_owned()), ..Default::default() }),
            ..Default::default()
        };
        let options = CreateContainerOptions { name: Some(name(project)), ..Default::default() };
        match self.docker.create_container(Some(options), body).await {
            Ok(made) => {
                self.renew_lock(&made.id, lease).await?;
                Ok(Some(made.id))
            }
            Err(error) if status_of(&error) == Some(409) => Ok(None),
            Err(error) => Err(failed("take the lock")(error)),
        }
    }

    /// Writes the lease anew; false where the lock is another's now.
    pub(crate) async fn renew_lock(&self, id: &str, lease: &Lease) -> Result<bool> {
        let doing = "renew the lock";
        let broken = |error: std::io::Error| Error::new(format!("{doing}: {error}"));
        let content = serde_json::to_vec(lease).map_err(|error| Error::new(format!("{doing}: {error}")))?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_size(content.len() as u64);
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_data(&mut header, FILE, content.as_slice()).map_err(broken)?;
        let body = bollard::body_full(Bytes::from(archive.into_inner().map_err(broken)?));
        let options = UploadToContainerOptions { path: FOLDER.to_owned(), ..Default::default() };
        match self.docker.upload_to_container(id, Some(options), body).await {
            Ok(()) => Ok(true),
            Err(error) if status_of(&error) == Some(404) => Ok(false),
            Err(error) => Err(failed(doing)(error)),
        }
    }

    /// Who has the lock; none where nobody has.
    pub(crate) async fn held_lock(&self, project: &str) -> Result<Option<Held>> {
        let found = match self.docker.inspect_container(&name(project), None).await {
            Ok(found) => found,
            Err(error) if status_of(&error) == Some(404) => return Ok(None),
            Err(error) => return Err(failed("look at the lock")(error)),
        };
        let id = found.id.unwrap_or_default();
        let made_s = found.created.as_deref().and_then(seconds).unwrap_or(0);
        let lease = self.read_lease(&id).await;
        Ok(Some(Held { id, lease, made_s }))
    }

    async fn read_lease(&self, id: &str) -> Option<Lease> {
        let options = DownloadFromContainerOptions { path: format!("{FOLDER}/{FILE}") };
        let parts: Vec<Bytes> = self.docker.download_from_container(id, Some(options)).try_collect().await.ok()?;
        let archive = parts.concat();
        let mut archive = tar::Archive::new(archive.as_slice());
        let entry = archive.entries().ok()?.next()?.ok()?;
        serde_json::from_reader(entry.take(MOST_BYTES)).ok()
    }

    /// Gives a lock back, or takes one away from a holder that is gone. One that is gone already is no error.
    pub(crate) async fn drop_lock(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptions { v: false, force: true, link: false };
        super::unless(&[404], self.docker.remove_container(id, Some(options)).await, "give the lock back")
    }
}

/// RFC 3339 text with any fraction and offset `Z`, as the engine writes it, in seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    let (whole, rest) = text.split_at_checked(19)?;
    let offset = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let at = humantime::parse_rfc3339(&format!("{whole}Z")).ok()?;
    let at = i64::try_from(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()?;
    let (sign, offset) = match offset.split_at_checked(1)? {
        ("Z", "") => return Some(at),
        ("+", offset) => (1, offset),
        ("-", offset) => (-1, offset),
        _ => return None,
    };
    let (hours, minutes) = offset.split_once(':')?;
    Some(at - sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_s_time_is_read_with_any_offset() {
        assert_eq!(seconds("1970-01-01T00:01:00.123456789Z"), Some(60));
        assert_eq!(seconds("1970-01-01T02:01:00.5+02:00"), Some(60));
        assert_eq!(seconds("1969-12-31T23:31:00-00:30"), None, "before 1970");
        assert_eq!(seconds("1970-01-01T00:01:00-00:30"), Some(60 + 1800));
        assert_eq!(seconds("yesterday"), None);
        assert_eq!(seconds(""), None);
    }
}
