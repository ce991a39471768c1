//! The files: each with a key in it, so readable by nobody else, and written whole beside the old one before it takes
//! its place.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A certificate and its chain take some kilobytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// A folder that only we may look into.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

/// Which one of the files that had a name this is: no two are alike, since each is a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Print(u64, u64, i64, i64);

impl Folder {
    /// The folder, made where it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        // It may have been there before, as a volume's root is.
        if fs::metadata(path)?.mode() & 0o077 != 0 {
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
        }
        Ok(Self(path.to_owned()))
    }

    /// A folder in it.
    pub(crate) fn within(&self, name: &str) -> io::Result<Self> {
        Self::open(&self.0.join(name))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What the file has; nothing where there is none.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(LONGEST_FILE).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Writes the file whole, or leaves the old one. One writer at a time: see the locks.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = self.path(&format!("{name}.new"));
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(beside, self.path(name))?;
        // The folder's own entry has to last as well.
        File::open(&self.0)?.sync_all()
    }

    pub(crate) fn remove(&self, name: &str) {
        // It may be gone already.
        let _ = fs::remove_file(self.path(name));
    }

    /// Takes away all files in it.
    pub(crate) fn clear(&self) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        for entry in entries.flatten() {
            // What is gone already is gone.
            let _ = fs::remove_file(entry.path());
        }
    }

    /// Takes an unreadable file out of the way; says what was wrong, and where it is now.
    pub(crate) fn put_aside(&self, name: &str, wrong: &dyn std::fmt::Display) -> String {
        let (path, aside) = (self.path(name), self.path(&format!("{name}.unreadable")));
        let moved = fs::rename(&path, &aside).map_or(String::new(), |()| format!("; kept as {}", aside.display()));
        format!("cannot use {}: {wrong}{moved}", path.display())
    }

    /// Which file has this name now.
    pub(crate) fn print(&self, name: &str) -> Option<Print> {
        let found = fs::metadata(self.path(name)).ok()?;
        Some(Print(found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    }

    /// The lock of this name, waited for: for what takes a moment. Given back when dropped, or when the process ends.
    pub(crate) fn lock(&self, name: &str) -> io::Result<File> {
        let file = self.lock_file(name)?;
        file.lock()?;
        Ok(file)
    }

    /// The lock of this name, where nobody has it.
    pub(crate) fn try_lock(&self, name: &str) -> io::Result<Option<File>> {
        let file = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.path(name))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder of its own, taken away at the end.
    #[derive(Debug)]
    pub(crate) struct Scratch(pub(crate) PathBuf);

    impl Scratch {
        pub(crate) fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("edge-tls-{name}-{}", std::process::id())))
        }

        pub(crate) fn open(&self) -> Folder {
            Folder::open(&self.0).expect("a folder")
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").mode() & 0o777
    }

    #[test]
    fn nobody_else_looks_in() {
        let scratch = Scratch::new("modes");
        fs::create_dir_all(&scratch.0).expect("a folder");
        fs::set_permissions(&scratch.0, Permissions::from_mode(0o755)).expect("a mode");
        let folder = scratch.open();
        folder.write("a", b"secret").expect("it is written");
        folder.write("a", b"other").expect("it is written again");
        assert_eq!((mode(&scratch.0), mode(&folder.path("a"))), (0o700, 0o600));
        assert_eq!(folder.read("a").expect("it is read").as_deref(), Some(&b"other"[..]));
    }

    #[test]
    fn a_new_file_is_seen_to_be_one() {
        let scratch = Scratch::new("prints");
        let folder = scratch.open();
        assert_eq!(folder.print("a"), None);
        folder.write("a", b"1").expect("it is written");
        let first = folder.print("a");
        folder.write("a", b"2").expect("it is written");
        assert!(first.is_some() && folder.print("a") != first);
    }

    #[test]
    fn a_lock_has_one_holder() {
        let scratch = Scratch::new("locks");
        let folder = scratch.open();
        let held = folder.try_lock("lock").expect("a lock").expect("it is free");
        assert!(folder.try_lock("lock").expect("a lock").is_none());
        drop(held);
        assert!(folder.try_lock("lock").expect("a lock").is_some());
    }
}
