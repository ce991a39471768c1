//! What is made on this machine for the engine: build contexts, static
//! binaries, the base image. The engine itself is not touched here.

pub(crate) mod base;
pub(crate) mod cargo;
mod files;

use std::io::Write as _;
use std::path::Path;

use bytes::Bytes;
use mainstay_plan::spec::hex;
use mainstay_plan::stack::Build;
use sha2::{Digest, Sha256};

use crate::engine::Progress;
use crate::error::{Error, Result};

/// A context is held in memory while it is sent; a larger one is a mistake in
/// nearly every case (a database or `node_modules` beside the Dockerfile).
const LARGEST_CONTEXT_BYTES: u64 = 512 << 20;

/// Raised when the same files would make another image.
const RECIPE_VERSION: &str = "mainstay-image-1";

/// SHA-256 of everything that an image is made from.
///
/// # Errors
///
/// The context or the Dockerfile cannot be read.
pub(crate) fn digest(build: &Build) -> Result<String> {
    let mut hash = Sha256::new();
    let mut field = |name: &str, value: &[u8]| {
        // Lengths keep two fields from running into each other.
        hash.update(format!("{name} {} ", value.len()));
        hash.update(value);
    };
    field("recipe", RECIPE_VERSION.as_bytes());
    field("dockerfile", build.dockerfile.as_bytes());
    field("target", build.target.as_deref().unwrap_or_default().as_bytes());
    for (key, value) in &build.args {
        field(key, value.as_deref().unwrap_or_default().as_bytes());
    }
    for (key, value) in &build.labels {
        field(key, value.as_bytes());
    }
    for file in files::of_context(build)? {
        field(&file.name, format!("{:o}", file.mode).as_bytes());
        field("content", &Sha256::digest(file.read()?));
    }
    if let Some(package) = &build.cargo {
        field("cargo", cargo::source_digest(Path::new(&build.context), package)?.as_bytes());
    }
    Ok(hex(&hash.finalize()))
}

/// The build context as a tar; the binary of `x-mainstay: cargo` is in it.
///
/// # Errors
///
/// A file cannot be read, the context is too large, or cargo fails.
pub(crate) async fn context(build: &Build, progress: Progress<'_>) -> Result<Bytes> {
    let binary = match &build.cargo {
        Some(package) => Some(cargo::build(Path::new(&build.context), package, progress).await?),
        None => None,
    };
    let mut archive = tar::Builder::new(Vec::new());
    let broken = |error: std::io::Error| Error::new(format!("pack `{}`: {error}", build.context));
    let mut size = 0;
    for file in files::of_context(build)? {
        size += file.size;
        if size > LARGEST_CONTEXT_BYTES {
            return Err(Error::new(format!(
                "build context `{}` is larger than {} MiB",
                build.context,
                LARGEST_CONTEXT_BYTES >> 20
            ))
            .hint("name what the build does not need in a `.dockerignore`"));
        }
        file.append_to(&mut archive)?;
    }
    if let Some(path) = binary {
        let name = path.file_name().unwrap_or_default();
        let mut file = std::fs::File::open(&path).map_err(broken)?;
        let mut header = files::header(file.metadata().map_err(broken)?.len(), 0o755);
        archive.append_data(&mut header, name, &mut file).map_err(broken)?;
    }
    let mut bytes = archive.into_inner().map_err(broken)?;
    bytes.flush().map_err(broken)?;
    Ok(Bytes::from(bytes))
}

/// The images that the `FROM` lines of a build's Dockerfile name.
///
/// # Errors
///
/// The Dockerfile cannot be read.
pub(crate) fn bases(build: &Build) -> Result<Vec<String>> {
    let path = Path::new(&build.context).join(&build.dockerfile);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Error::new(format!("read `{}`: {error}", path.display()))
            .hint("`build.dockerfile` is relative to `build.context`")
    })?;
    Ok(mainstay_plan::dockerfile::bases(&text, &build.args))
}
