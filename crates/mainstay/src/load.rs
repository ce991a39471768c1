//! Reads the files: compose files, `.env`, secrets and configs, and what images
//! are made from. The engine is not asked here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use mainstay_plan::compose::{self, Diagnostic, Input, SourceFile};
use mainstay_plan::plan::FileKind;
use mainstay_plan::spec::hex;
use mainstay_plan::stack::{FileOrigin, FileSource, Stack};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::workshop;

/// The names that are looked for, in this order, as Docker Compose does.
const FILE_NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// What is laid over the first file where nobody names files, as Docker Compose does.
const OVERRIDE_NAMES: [&str; 4] =
    ["compose.override.yaml", "compose.override.yml", "docker-compose.override.yaml", "docker-compose.override.yml"];

/// A secret or config is a small file.
const LARGEST_FILE_BYTES: u64 = 1 << 20;

/// Which files, and how they are to be read; as given on the command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// `-f`, in order.
    pub(crate) files: Vec<PathBuf>,
    /// `-p`.
    pub(crate) project_name: Option<String>,
    /// `--project-directory`.
    pub(crate) project_dir: Option<PathBuf>,
    /// `--env-file`.
    pub(crate) env_file: Option<PathBuf>,
    /// `--profile`.
    pub(crate) profiles: Vec<String>,
}

/// Variables by name.
pub(crate) type Environment = BTreeMap<String, String>;

/// A stack, and what a person should know about the file that it came from.
pub(crate) struct Loaded {
    pub(crate) stack: Stack,
    /// The person's environment over `.env`.
    pub(crate) environment: Environment,
    /// The folder that the file's paths start from.
    pub(crate) folder: PathBuf,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Reads everything that the stack is made of.
///
/// # Errors
///
/// A file is missing, cannot be read, or asks for what there is not.
pub(crate) fn stack(sources: &Sources) -> Result<Loaded> {
    let mut loaded = model(sources)?;
    for service in loaded.stack.services.values_mut() {
        if let Some(build) = &mut service.build {
            let doing = format!("service `{}`", service.name);
            build.bases = workshop::bases(build).map_err(|error| error.during(&doing))?;
            build.digest = workshop::digest(build).map_err(|error| error.during(&doing))?;
        }
    }
    fill_digests(FileKind::Secret, &mut loaded.stack.secrets, &loaded.environment)?;
    fill_digests(FileKind::Config, &mut loaded.stack.configs, &loaded.environment)?;
    Ok(loaded)
}

/// The stack as the compose files alone give it; nothing is hashed.
///
/// # Errors
///
/// As [`stack`].
pub(crate) fn model(sources: &Sources) -> Result<Loaded> {
    let found = find_files(sources)?;
    let first = found.first().and_then(|path| path.parent()).unwrap_or(Path::new("."));
    let dir = absolute(sources.project_dir.as_deref().unwrap_or(first))?;
    let environment = environment(sources, &dir)?;
    let setting = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    // What the command line and the environment leave open, `.env` may say.
    let files = match setting("COMPOSE_FILE") {
        Some(names) if sources.files.is_empty() => names.split(':').map(|name| dir.join(name)).collect(),
        _ => found,
    };
    let profiles = match setting("COMPOSE_PROFILES") {
        Some(names) if sources.profiles.is_empty() => names.split(',').map(str::to_owned).collect(),
        _ => sources.profiles.clone(),
    };
    let texts = files.iter().map(|path| Ok(SourceFile { path: shown(path), text: read_text(path)? }));
    let input = Input {
        files: texts.collect::<Result<_>>()?,
        project_dir: dir.display().to_string(),
        project_name: sources.project_name.clone().or_else(|| setting("COMPOSE_PROJECT_NAME").cloned()),
        profiles,
        environment: environment.clone(),
        read: &|path| match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        },
    };
    match compose::load(&input) {
        Ok(loaded) => Ok(Loaded { stack: loaded.stack, environment, folder: dir, warnings: loaded.warnings }),
        Err(diagnostics) => Err(Error::new(diagnostics.to_string().trim_end().to_owned())),
    }
}

fn find_files(sources: &Sources) -> Result<Vec<PathBuf>> {
    if !sources.files.is_empty() {
        return Ok(sources.files.clone());
    }
    let here = std::env::current_dir().map_err(|error| Error::new(format!("find the current folder: {error}")))?;
    let found =
        here.ancestors().find_map(|folder| FILE_NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file()));
    // A path below the current folder is shown as a person would type it.
    let short = |path: PathBuf| path.strip_prefix(&here).map(Path::to_path_buf).unwrap_or(path);
    let found = found.map(|path| {
        let over = path
            .parent()
            .and_then(|folder| OVERRIDE_NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file()));
        [Some(path), over].into_iter().flatten().map(short).collect()
    });
    found.ok_or_else(|| {
        Error::new(format!("no `{}` in this folder or above it", FILE_NAMES[0]))
            .hint("name the file with `-f FILE`, or go to the folder that has it")
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    path.canonicalize().map_err(|error| Error::new(format!("find the folder `{}`: {error}", path.display())))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| Error::new(format!("read `{}`: {error}", path.display())))?;
    String::from_utf8(bytes).map_err(|_| Error::new(format!("`{}` is not UTF-8 text", path.display())))
}

/// The person's environment over `.env`.
fn environment(sources: &Sources, dir: &Path) -> Result<Environment> {
    let own: Environment = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let path = sources.env_file.clone().unwrap_or_else(|| dir.join(".env"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && sources.env_file.is_none() => return Ok(own),
        Err(error) => return Err(Error::new(format!("read `{}`: {error}", path.display()))),
    };
    let parsed = compose::dotenv::parse(&text, &|name| own.get(name).cloned());
    let from_file = parsed.map_err(|error| Error::new(format!("`{}`: {error}", path.display())))?;
    let mut all: Environment = from_file.into_iter().collect();
    all.extend(own);
    Ok(all)
}

fn fill_digests(kind: FileKind, sources: &mut IndexMap<String, FileSource>, environment: &Environment) -> Result<()> {
    for (key, source) in sources {
        if !matches!(source.origin, FileOrigin::Generated { .. }) {
            source.digest = hex(&Sha256::digest(file_content(kind, key, &source.origin, environment)?));
        }
    }
    Ok(())
}

/// The content of a secret or config that a person gave.
///
/// # Errors
///
/// It is not there, cannot be read, or is no small file.
pub(crate) fn file_content(
    kind: FileKind,
    key: &str,
    origin: &FileOrigin,
    environment: &Environment,
) -> Result<Vec<u8>> {
    let what = format!("{} `{key}`", kind.word());
    match origin {
        FileOrigin::Content(text) => Ok(text.clone().into_bytes()),
        FileOrigin::Environment(name) => {
            environment.get(name).map(|value| value.clone().into_bytes()).ok_or_else(|| {
                Error::new(format!("{what}: the variable `{name}` is not set"))
                    .hint(format!("set `{name}` in `.env` or in the environment"))
            })
        }
        FileOrigin::File(path) => {
            let meta = std::fs::metadata(path).map_err(|error| {
                Error::new(format!("{what}: read `{path}`: {error}"))
                    .hint("make the file (mode 0600), or let one be generated with `x-mainstay: {generate: 32}`")
            })?;
            if !meta.is_file() || meta.len() > LARGEST_FILE_BYTES {
                return Err(Error::new(format!(
                    "{what}: `{path}` is not a file of at most {} MiB",
                    LARGEST_FILE_BYTES >> 20
                )));
            }
            std::fs::read(path).map_err(|error| Error::new(format!("{what}: read `{path}`: {error}")))
        }
        FileOrigin::Generated { .. } => Err(Error::new(format!("{what} is generated, and has no content of its own"))),
    }
}
