//! One run at a time for each project: a lock that lives in the engine, names who has it, is renewed while they are at
//! work, and expires when they are gone.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::engine::docker::{DockerEngine, Held, Lease};
use crate::error::{Error, Result};
use crate::releases::origin;
use crate::report;

/// A first run builds images, and takes minutes for it.
const LONGEST_WAIT: Duration = Duration::from_secs(1800);

/// What is not renewed for so long is nobody's any more: the time that a machine may lose its connection for.
const LASTS_S: i64 = 60;

/// Between two renewals: three may fail before it expires.
const RENEWAL: Duration = Duration::from_secs(15);

/// Between two looks at a lock that another has.
const LOOK: Duration = Duration::from_millis(500);

/// Held while a run changes things. To be given back by [`Turn::end`]; a run that cannot do that any more leaves it to
/// expire.
pub(super) struct Turn {
    engine: DockerEngine,
    id: String,
    lost: watch::Receiver<bool>,
    renewing: tokio::task::JoinHandle<()>,
}

/// Waits until no other run of this project is at work.
///
/// # Errors
///
/// The other run does not end, or the engine does not answer.
pub(super) async fn take(engine: &DockerEngine, project: &str, doing: &str) -> Result<Turn> {
    let begun = Instant::now();
    let mut told = None;
    loop {
        let now_s = engine.now_s().await?;
        let lease =
            Lease { who: origin::who(), doing: doing.to_owned(), process: process(), since_s: now_s, renewed_s: now_s };
        if let Some(id) = engine.take_lock(project, &lease).await? {
            let (sender, lost) = watch::channel(false);
            let renewing = tokio::spawn(renew(engine.clone(), id.clone(), lease, sender));
            return Ok(Turn { engine: engine.clone(), id, lost, renewing });
        }
        let Some(held) = engine.held_lock(project).await? else { continue };
        if let Some(why) = expired(&held, now_s, is_gone) {
            report::talk(&format!("{project}: the lock of {} is taken over: {why}", holder(&held)));
            engine.drop_lock(&held.id).await?;
            continue;
        }
        if told.as_ref() != Some(&held.id) {
            report::talk(&format!("{project}: {} is at work; waiting for its end", holder(&held)));
            told = Some(held.id.clone());
        }
        if begun.elapsed() > LONGEST_WAIT {
            let minutes = LONGEST_WAIT.as_secs() / 60;
            return Err(Error::new(format!("{} has not ended within {minutes} min", holder(&held)))
                .hint(format!("if it hangs, `docker rm {project}-mainstay-lock` takes the lock away from it")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Turn {
    /// Gives the lock back.
    pub(super) async fn end(self) {
        self.renewing.abort();
        if let Err(error) = self.engine.drop_lock(&self.id).await {
            report::warning(&format!("{error}; it expires by itself within {LASTS_S} s"));
        }
    }

    /// Becomes true when another run has taken the lock over: nothing more may be changed then.
    pub(super) fn lost(&self) -> watch::Receiver<bool> {
        self.lost.clone()
    }
}

async fn renew(engine: DockerEngine, id: String, mut lease: Lease, lost: watch::Sender<bool>) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        // A renewal that fails is made up for by the next; one that is too late finds another's lock.
        let Ok(now_s) = engine.now_s().await else { continue };
        lease.renewed_s = now_s;
        if let Ok(false) = engine.renew_lock(&id, &lease).await {
            report::warning("the lock was taken over by another run: stopping");
            lost.send_replace(true);
            return;
        }
    }
}

/// Why a lock is nobody's any more; none where it is somebody's.
fn expired(held: &Held, now_s: i64, is_gone: impl Fn(&str) -> bool) -> Option<String> {
    let renewed_s = held.lease.as_ref().map_or(held.made_s, |lease| lease.renewed_s.max(held.made_s));
    match &held.lease {
        Some(lease) if is_gone(&lease.process) => Some("its process is gone".to_owned()),
        _ if now_s - renewed_s > LASTS_S => Some(format!("it was not renewed for {} s", now_s - renewed_s)),
        _ => None,
    }
}

fn holder(held: &Held) -> String {
    match &held.lease {
        Some(lease) => format!("`mainstay {}` of {}", lease.doing, lease.who),
        None => "another run".to_owned(),
    }
}

/// What names this process among all of all machines: the start of the machine, the space that its number is of, the
/// number, and when it began.
fn process() -> String {
    let pid = std::process::id();
    format!("{} {pid} {}", space(), began(pid).unwrap_or_default())
}

/// Whether a process is known to be gone. Of another machine's nothing is known.
fn is_gone(process: &str) -> bool {
    let Some(rest) = process.strip_prefix(&space()).filter(|_| !space().is_empty()) else { return false };
    let mut words = rest.split_whitespace();
    let (Some(pid), Some(start)) = (words.next().and_then(|word| word.parse().ok()), words.next()) else {
        return false;
    };
    began(pid).as_deref() != Some(start)
}

fn space() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let pids = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if boot.is_empty() { String::new() } else { format!("{} {}", boot.trim(), pids.display()) }
}

/// When a process began, in ticks since the start of the machine (proc_pid_stat(5), field 22).
fn began(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(renewed_s: i64, made_s: i64) -> Held {
        let lease = Lease { process: "p".into(), renewed_s, ..Lease::default() };
        Held { id: "1".into(), lease: Some(lease), made_s }
    }

    #[test]
    fn a_lock_expires_when_it_is_not_renewed() {
        assert_eq!(expired(&held(100, 0), 100 + LASTS_S, |_| false), None);
        let why = expired(&held(100, 0), 101 + LASTS_S, |_| false);
        assert_eq!(why.as_deref(), Some("it was not renewed for 61 s"));
    }

    #[test]
    fn one_that_was_just_made_is_nobody_s_only_after_its_time() {
        let unwritten = Held { id: "1".into(), lease: None, made_s: 100 };
        assert_eq!(expired(&unwritten, 110, |_| true), None);
        assert!(expired(&unwritten, 200, |_| false).is_some());
    }

    #[test]
    fn a_process_of_this_machine_that_is_gone_is_seen_at_once() {
        assert_eq!(expired(&held(100, 0), 100, |_| true).as_deref(), Some("its process is gone"));
        assert!(!is_gone(&process()), "this one is here");
        assert!(!is_gone("another machine 1 2"), "of another machine nothing is known");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let of_child = format!("{} {} {}", space(), child.id(), began(child.id()).unwrap_or_default());
        child.wait().unwrap();
        assert!(is_gone(&of_child));
    }
}
