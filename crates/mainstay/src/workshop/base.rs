//! Debian's slim image, made from Debian's signed packages where no registry answers.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::engine::Progress;
use crate::error::{Error, Result};

/// The recipe is part of the binary, so that it works outside our checkout too.
const RECIPE: &str = include_str!("../../../../images/base/make");

/// The suite of `debian:SUITE-slim`; `None` for every other image.
pub(crate) fn debian_suite(image: &str) -> Option<&str> {
    let suite = image.strip_prefix("debian:")?.strip_suffix("-slim")?;
    (!suite.is_empty() && suite.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(suite)
}

/// A recipe that runs: its output is the file system as a tar.
pub(crate) struct Maker {
    child: Child,
    talk: JoinHandle<Vec<String>>,
}

impl Maker {
    pub(crate) fn start(suite: &str) -> Result<Self> {
        let failed = |error: std::io::Error| Error::new(format!("make the base image: {error}"));
        let mut child = Command::new("sh")
            .args(["-s", "--", suite])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let talk = tokio::spawn(async move {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(RECIPE.as_bytes()).await;
            }
            let mut said = Vec::new();
            if let Some(stderr) = stderr {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    said.push(line);
                }
            }
            said
        });
        Ok(Self { child, talk })
    }

    pub(crate) fn take_output(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().ok_or_else(|| Error::new("make the base image: its output was taken already"))
    }

    pub(crate) async fn finish(mut self, progress: Progress<'_>) -> Result<()> {
        let status = self.child.wait().await.map_err(|error| Error::new(format!("make the base image: {error}")))?;
        let said = self.talk.await.unwrap_or_default();
        if status.success() {
            progress("made from Debian's packages");
            return Ok(());
        }
        let tail: Vec<String> = said.iter().rev().take(10).rev().map(|line| format!("    {line}")).collect();
        Err(Error::new(format!("make the base image: it ended with {status}\n{}", tail.join("\n")))
            .hint("its last lines stand above"))
    }
}

#[cfg(test)]
mod tests {
    use super::debian_suite;

    #[test]
    fn only_debian_slim_can_be_made() {
        assert_eq!(debian_suite("debian:trixie-slim"), Some("trixie"));
        assert_eq!(debian_suite("debian:trixie"), None);
        assert_eq!(debian_suite("nginx:trixie-slim"), None);
        assert_eq!(debian_suite("debian:; rm -rf-slim"), None);
    }
}
