//! The files of a build context, in a stable order, without what `.dockerignore` names.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mainstay_plan::dockerfile::Ignore;
use mainstay_plan::stack::Build;

use crate::error::{Error, Result};

/// More files than this are a mistake (a whole home directory, say).
const MOST_FILES: usize = 100_000;

/// One file, link or folder of a context.
pub(super) struct ContextFile {
    /// Its path in the context, with `/`.
    pub(super) name: String,
    path: PathBuf,
    /// Its permission bits: 0755 or 0644, so that a umask changes no image.
    pub(super) mode: u32,
    /// Its size in bytes.
    pub(super) size: u64,
    link: Option<PathBuf>,
}

impl ContextFile {
    /// What tells its content apart: the bytes, or where a link points.
    pub(super) fn read(&self) -> Result<Vec<u8>> {
        if let Some(target) = &self.link {
            return Ok(target.display().to_string().into_bytes());
        }
        let mut content = Vec::new();
        let file = std::fs::File::open(&self.path);
        file.and_then(|mut file| file.read_to_end(&mut content)).map_err(|e| unreadable(&self.path, &e))?;
        Ok(content)
    }

    pub(super) fn append_to(&self, archive: &mut tar::Builder<Vec<u8>>) -> Result<()> {
        let written = match &self.link {
            Some(target) => {
                let mut header = header(0, 0o777);
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, &self.name, target)
            }
            None => {
                let content = self.read()?;
                archive.append_data(&mut header(content.len() as u64, self.mode), &self.name, content.as_slice())
            }
        };
        written.map_err(|error| unreadable(&self.path, &error))
    }
}

/// Owner and time are left out: they are this machine's, and no part of the image.
pub(super) fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("read `{}`: {error}", path.display()))
}

/// Every file of a build's context, sorted by name.
pub(super) fn of_context(build: &Build) -> Result<Vec<ContextFile>> {
    let root = Path::new(&build.context);
    let ignore = std::fs::read_to_string(root.join(".dockerignore")).unwrap_or_default();
    // The engine needs the Dockerfile whatever the file says.
    let ignore = Ignore::parse(&ignore).keeping(&build.dockerfile);
    let mut files = Vec::new();
    let mut folders = vec![(root.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| {
            unreadable(&folder, &error).hint("`build.context` is relative to the folder of the compose file")
        })?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let meta = entry.path().symlink_metadata().map_err(|error| unreadable(&entry.path(), &error))?;
            if meta.is_dir() {
                if ignore.may_hold_kept(&name) {
                    folders.push((entry.path(), format!("{name}/")));
                }
            } else if !ignore.matches(&name) && (meta.is_file() || meta.is_symlink()) {
                files.push(context_file(entry.path(), name, &meta)?);
            }
            if files.len() > MOST_FILES {
                return Err(Error::new(format!(
                    "build context `{}` holds more than {MOST_FILES} files",
                    build.context
                ))
                .hint("name what the build does not need in a `.dockerignore`"));
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn context_file(path: PathBuf, name: String, meta: &std::fs::Metadata) -> Result<ContextFile> {
    let link = meta.is_symlink().then(|| std::fs::read_link(&path)).transpose().map_err(|e| unreadable(&path, &e))?;
    let executable = meta.permissions().mode() & 0o111 != 0;
    Ok(ContextFile { name, path, mode: if executable { 0o755 } else { 0o644 }, size: meta.len(), link })
}
