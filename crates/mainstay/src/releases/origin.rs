//! Who makes a release, and from which commit.

use std::path::Path;
use std::process::{Command, Stdio};

/// Digits of a commit that name it.
const COMMIT_DIGITS: &str = "--short=10";

/// `name@machine`; in GitHub Actions the person who set it off.
pub(crate) fn who() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let name = ["GITHUB_ACTOR", "MAINSTAY_WHO", "SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(var);
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{}@{machine}", name.unwrap_or_else(name_of_user))
}

/// The name of the user that this process runs as; the number where the machine does not know the name.
fn name_of_user() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut named = user.filter(|fields| fields.get(2) == Some(&uid.as_str()));
    named.next().map_or_else(|| uid.clone(), |fields| fields[0].to_owned())
}

/// The commit of a folder, with `+` where something in it is in no commit; none outside of a repository.
/// A push's hook checks out without a repository, and says it by `MAINSTAY_COMMIT`.
pub(crate) fn commit(folder: &Path) -> Option<String> {
    if let Some(commit) = std::env::var("MAINSTAY_COMMIT").ok().filter(|commit| !commit.is_empty()) {
        return Some(commit);
    }
    let commit = git(folder, &["rev-parse", COMMIT_DIGITS, "HEAD"])?;
    let changes = git(folder, &["status", "--porcelain"]).unwrap_or_default();
    Some(if changes.is_empty() { commit } else { format!("{commit}+") })
}

fn git(folder: &Path, args: &[&str]) -> Option<String> {
    // Nothing of the folder is run: hooks and watchers of a stranger's repository stay off.
    let off = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(off).args(args).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
