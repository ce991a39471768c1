//! Static release binaries by cargo, for images that hold nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use mainstay_plan::spec::hex;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::engine::Progress;
use crate::error::{Error, Result};

const NO_CARGO: &str =
    "Rust's cargo is needed to build it: see https://rustup.rs, or your distribution's `rustup` package";

/// What `cargo metadata` tells, as far as we ask.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Dependency {
    path: Option<PathBuf>,
    kind: Option<String>,
}

/// The workspace that a folder is in.
fn metadata(folder: &Path) -> Result<Metadata> {
    let output = std::process::Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::new(format!("run cargo: {error}")).hint(NO_CARGO))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::new(format!("`cargo metadata` failed in `{}`: {text}", folder.display())));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::new(format!("read what `cargo metadata` says: {error}")))
}

/// SHA-256 of what a package's binary is made from: its own sources, those of
/// the workspace's packages that it depends on, and the lock file. Nothing is
/// compiled for it, so that a plan costs no build.
pub(super) fn source_digest(folder: &Path, package: &str) -> Result<String> {
    let metadata = metadata(folder)?;
    let by_dir: BTreeMap<&Path, &Package> =
        metadata.packages.iter().filter_map(|p| Some((p.manifest_path.parent()?, p))).collect();
    let wanted = find(&metadata, package)?;
    let mut folders: BTreeSet<&Path> = BTreeSet::new();
    let mut queue: Vec<&Path> = wanted.manifest_path.parent().into_iter().collect();
    while let Some(dir) = queue.pop() {
        if folders.insert(dir)
            && let Some(package) = by_dir.get(dir)
        {
            let built = package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
            queue.extend(built.filter_map(|dependency| dependency.path.as_deref()));
        }
    }
    let mut hash = Sha256::new();
    for name in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"] {
        hash_file(&mut hash, &metadata.workspace_root, &metadata.workspace_root.join(name))?;
    }
    for dir in folders {
        hash_folder(&mut hash, &metadata.workspace_root, dir)?;
    }
    Ok(hex(&hash.finalize()))
}

fn find<'a>(metadata: &'a Metadata, package: &str) -> Result<&'a Package> {
    metadata.packages.iter().find(|p| p.name == package).ok_or_else(|| {
        let names: Vec<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
        Error::new(format!("the workspace has no package `{package}`"))
            .hint(format!("`x-mainstay: cargo:` takes one of `{}`", names.join("`, `")))
    })
}

/// The name of a package's binary: the package's own, else that of the only one it has.
fn binary(package: &Package) -> Result<&str> {
    let mut binaries = package.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "bin"));
    let name = &package.name;
    match (binaries.clone().find(|target| target.name == *name), binaries.next(), binaries.next()) {
        (Some(own), ..) => Ok(&own.name),
        (None, Some(only), None) => Ok(&only.name),
        (None, None, _) => Err(Error::new(format!("package `{name}` has no binary"))),
        (None, Some(_), Some(_)) => Err(Error::new(format!("package `{name}` has several binaries"))
            .hint("name the one that is meant as the package is named")),
    }
}

/// Tests are no part of the binary; a change there makes no new release.
fn hash_folder(hash: &mut Sha256, root: &Path, folder: &Path) -> Result<()> {
    let unreadable = |error: std::io::Error| Error::new(format!("read `{}`: {error}", folder.display()));
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).map_err(unreadable)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort_unstable();
    for path in entries {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && !["tests", "benches", "fuzz", "target"].contains(&name.as_str()) {
            hash_folder(hash, root, &path)?;
        } else if path.is_file() {
            hash_file(hash, root, &path)?;
        }
    }
    Ok(())
}

fn hash_file(hash: &mut Sha256, root: &Path, path: &Path) -> Result<()> {
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::new(format!("read `{}`: {error}", path.display()))),
    };
    let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
    hash.update(format!("{name} {} ", content.len()));
    hash.update(content);
    Ok(())
}

/// Builds the package's binary, static and without debugging symbols, and says where it is.
pub(super) async fn build(folder: &Path, package: &str, progress: Progress<'_>) -> Result<PathBuf> {
    let metadata = metadata(folder)?;
    let name = binary(find(&metadata, package)?)?.to_owned();
    let triple = host_triple()?;
    // glibc's names are resolved inside libc since 2.34, so that DNS works from
    // a static binary on `scratch` as well. `--target` keeps proc-macros dynamic.
    let flags_name = format!("CARGO_TARGET_{}_RUSTFLAGS", triple.to_uppercase().replace('-', "_"));
    let mut child = Command::new("cargo")
        .args(["build", "--release", "--locked", "--target", &triple, "--package", package, "--bin", &name])
        .env(flags_name, "-C target-feature=+crt-static")
        .current_dir(&metadata.workspace_root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Error::new(format!("run cargo: {error}")).hint(NO_CARGO))?;
    let mut output = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            progress(line.trim());
            output.push(line);
        }
    }
    let status = child.wait().await.map_err(|error| Error::new(format!("run cargo: {error}")))?;
    if !status.success() {
        let tail = output.iter().rev().take(30).rev().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n");
        return Err(Error::new(format!("`cargo build --package {package}` failed\n{tail}")));
    }
    Ok(metadata.target_directory.join(triple).join("release").join(name))
}

fn host_triple() -> Result<String> {
    let output = std::process::Command::new("rustc")
        .arg("-vV")
        .output()
        .map_err(|error| Error::new(format!("run rustc: {error}")).hint(NO_CARGO))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::new("rustc does not say for which machine it builds").hint(NO_CARGO))
}
