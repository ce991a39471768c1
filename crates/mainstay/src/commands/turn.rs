//! One run at a time for each project, among the runs of this machine. It ends
//! with the process, however that ends. (Runs of other machines are kept apart
//! once releases bring a lock that lives in the engine.)

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};
use crate::report;

/// A first run builds images, and takes minutes for it.
const LONGEST_WAIT: Duration = Duration::from_secs(1800);

/// Held while a run changes things.
pub(super) struct Turn {
    _file: File,
}

/// Waits until no other run of this project is at work.
///
/// # Errors
///
/// The other run does not end, or the file that tells of it cannot be made.
pub(super) async fn take(project: &str) -> Result<Turn> {
    let path = std::env::temp_dir().join(format!("mainstay-{project}.lock"));
    let file = open(&path).map_err(|error| Error::new(format!("open `{}`: {error}", path.display())))?;
    let begun = std::time::Instant::now();
    let mut told = false;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if !told {
            report::talk(&format!("{project}: another run is at work; waiting for its end"));
            told = true;
        }
        if begun.elapsed() > LONGEST_WAIT {
            return Err(Error::new(format!(
                "another run of project `{project}` has not ended within {} min",
                LONGEST_WAIT.as_secs() / 60
            ))
            .hint(format!("`fuser {}` shows which process it is", path.display())));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(Turn { _file: file })
}

/// Other people's runs open it, too; a link there is somebody's trap.
fn open(path: &PathBuf) -> std::io::Result<File> {
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let existing = OpenOptions::new().read(true).custom_flags(nofollow).open(path);
    match existing {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(nofollow)
            .open(path),
        other => other,
    }
}
