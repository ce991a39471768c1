//! The store: a volume that keeps the files which services are given (secrets
//! and configs), and a container that is never started, through which the
//! engine's archive calls reach it. It works over a remote engine as well,
//! and no process ever sees more than the one file that it is given.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, DownloadFromContainerOptions, UploadToContainerOptions,
};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use mainstay_plan::labels;
use mainstay_plan::spec::StoreFile;

use super::{containers, failed, images, resources, status_of, unless};
use crate::error::{Error, Result};

/// An image with nothing in it: the container needs one, and it never starts.
pub(super) const EMPTY_IMAGE: &str = "mainstay/empty:1";
const MOUNT_POINT: &str = "/store";

/// A secret or config is a small file; an archive beyond this is refused.
const LARGEST_FILE_BYTES: u64 = 1 << 20;

fn volume_name(project: &str) -> String {
    mainstay_plan::planner::store_volume(project)
}

fn container_name(project: &str) -> String {
    format!("{project}-mainstay-store")
}

fn store_labels(project: &str) -> HashMap<String, String> {
    let pairs = [(labels::PROJECT, project), (labels::ROLE, labels::ROLE_STORE)];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

pub(super) async fn exists(docker: &Docker, project: &str) -> Result<bool> {
    Ok(containers::inspect(docker, &container_name(project)).await?.is_some())
}

pub(super) async fn create(docker: &Docker, project: &str) -> Result<()> {
    if images::inspect(docker, EMPTY_IMAGE).await?.is_none() {
        import_empty(docker).await?;
    }
    let volume = VolumeCreateRequest {
        name: Some(volume_name(project)),
        labels: Some(store_labels(project)),
        ..Default::default()
    };
    docker.create_volume(volume).await.map_err(failed("create the store's volume"))?;
    let body = ContainerCreateBody {
        image: Some(EMPTY_IMAGE.to_owned()),
        cmd: Some(vec!["never-started".to_owned()]),
        labels: Some(store_labels(project)),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(vec![Mount {
                typ: Some(MountType::VOLUME),
                source: Some(volume_name(project)),
                target: Some(MOUNT_POINT.to_owned()),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let options = CreateContainerOptions { name: Some(container_name(project)), ..Default::default() };
    // 409: another run made it in the meantime.
    unless(&[409], docker.create_container(Some(options), body).await.map(drop), "create the store's container")
}

pub(super) async fn import_empty(docker: &Docker) -> Result<()> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    header.set_size(0);
    let doing = "make an empty image";
    let write = |error: std::io::Error| Error::new(format!("{doing}: {error}"));
    archive.append_data(&mut header, "store", std::io::empty()).map_err(write)?;
    let bytes = archive.into_inner().map_err(write)?;
    let (repo, tag) = EMPTY_IMAGE.split_once(':').unwrap_or((EMPTY_IMAGE, "latest"));
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(repo.to_owned()),
        tag: Some(tag.to_owned()),
        ..Default::default()
    };
    let body = bollard::body_full(Bytes::from(bytes));
    docker.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await.map(drop).map_err(failed(doing))
}

pub(super) async fn remove(docker: &Docker, project: &str) -> Result<()> {
    containers::remove(docker, &container_name(project)).await?;
    resources::remove_volume(docker, &volume_name(project)).await
}

/// Where the store's volume is on the engine's machine.
pub(super) async fn path(docker: &Docker, project: &str) -> Result<String> {
    let name = volume_name(project);
    let volume = docker.inspect_volume(&name).await.map_err(failed(&format!("inspect volume `{name}`")))?;
    Ok(volume.mountpoint)
}

pub(super) async fn read(docker: &Docker, project: &str, name: &str) -> Result<Option<Vec<u8>>> {
    let options = DownloadFromContainerOptions { path: format!("{MOUNT_POINT}/{name}") };
    let stream = docker.download_from_container(&container_name(project), Some(options));
    let doing = format!("read `{name}` from the store");
    let archive: Vec<Bytes> = match stream.try_collect().await {
        Ok(parts) => parts,
        Err(error) if status_of(&error) == Some(404) => return Ok(None),
        Err(error) => return Err(failed(&doing)(error)),
    };
    let archive = archive.concat();
    let broken = |error: std::io::Error| Error::new(format!("{doing}: {error}"));
    let mut archive = tar::Archive::new(archive.as_slice());
    let Some(entry) = archive.entries().map_err(broken)?.next() else { return Ok(None) };
    let mut content = Vec::new();
    entry.map_err(broken)?.take(LARGEST_FILE_BYTES).read_to_end(&mut content).map_err(broken)?;
    Ok(Some(content))
}

/// Bounds what a folder of receipts may take: some hundred of them.
const LARGEST_FOLDER_BYTES: usize = 32 << 20;

pub(super) async fn read_folder(docker: &Docker, project: &str, folder: &str) -> Result<BTreeMap<String, Vec<u8>>> {
    let options = DownloadFromContainerOptions { path: format!("{MOUNT_POINT}/{folder}") };
    let mut stream = docker.download_from_container(&container_name(project), Some(options));
    let doing = format!("read `{folder}` from the store");
    let mut archive = Vec::new();
    loop {
        match stream.try_next().await {
            Ok(Some(part)) if archive.len() + part.len() <= LARGEST_FOLDER_BYTES => archive.extend_from_slice(&part),
            Ok(Some(_)) => {
                return Err(Error::new(format!("{doing}: it is larger than {} MiB", LARGEST_FOLDER_BYTES >> 20)));
            }
            Ok(None) => break,
            // Neither the folder nor the store need be there.
            Err(error) if status_of(&error) == Some(404) => return Ok(BTreeMap::new()),
            Err(error) => return Err(failed(&doing)(error)),
        }
    }
    let broken = |error: std::io::Error| Error::new(format!("{doing}: {error}"));
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive.as_slice()).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.file_name().map(|name| name.to_string_lossy().into_owned());
        if let Some(name) = name.filter(|_| entry.header().entry_type().is_file()) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(broken)?;
            let _ = files.insert(name, content);
        }
    }
    Ok(files)
}

pub(super) async fn write(docker: &Docker, project: &str, file: &StoreFile, content: &[u8]) -> Result<()> {
    let doing = format!("write `{}` to the store", file.name);
    let mut header = tar::Header::new_gnu();
    header.set_mode(file.mode);
    header.set_uid(u64::from(file.uid));
    header.set_gid(u64::from(file.gid));
    header.set_size(content.len() as u64);
    let mut archive = tar::Builder::new(Vec::new());
    let broken = |error: std::io::Error| Error::new(format!("{doing}: {error}"));
    archive.append_data(&mut header, &file.name, content).map_err(broken)?;
    let body = bollard::body_full(Bytes::from(archive.into_inner().map_err(broken)?));
    let options = UploadToContainerOptions { path: MOUNT_POINT.to_owned(), ..Default::default() };
    docker.upload_to_container(&container_name(project), Some(options), body).await.map_err(failed(&doing))
}
