//! What the edge was told, kept over its own end: written whole beside the old one and then put in its place, so that
//! there is a whole one at every moment.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::balance::{Health, Member, Phase, Service, Services, Target};

/// The form of the file. One of another form is not guessed at.
const VERSION: u32 = 1;

/// Where the state is kept.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    writing: Mutex<()>,
}

/// A journal that cannot be read.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("it is not a journal: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of a later version of the edge.
    #[error("it has version {0}, and this edge reads version {VERSION}")]
    Version(u32),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    services: BTreeMap<String, Kept>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    shares: BTreeMap<String, u32>,
    held: bool,
    // Came later: a file without it is read, and one that does not need it is read by an older edge.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    maintenance: bool,
    targets: Vec<KeptTarget>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptTarget {
    name: String,
    port: u16,
    release: String,
}

impl Journal {
    /// A journal at this path. Its folder is there.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, writing: Mutex::new(()) }
    }

    /// Keeps the services. What drains is not kept: it does not come back.
    ///
    /// # Errors
    ///
    /// It cannot be written; the old one is there still.
    pub fn keep(&self, services: &Services) -> io::Result<()> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_vec_pretty(&document(services))?;
        let beside = self.beside("new");
        let mut file = File::create(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        match fs::hard_link(&self.path, self.beside("last")) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(self.beside("last"))?;
                fs::hard_link(&self.path, self.beside("last"))?;
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(beside, &self.path)?;
        // The folder's own entry has to last as well.
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// What was kept last, with what was wrong on the way to it. Where the newest cannot be read, the one before it
    /// counts; the unreadable one is put aside.
    #[must_use]
    pub fn recall(&self) -> (Services, Vec<String>) {
        let mut wrong = Vec::new();
        for path in [self.path.clone(), self.beside("last")] {
            match read(&path) {
                Ok(services) => return (services, wrong),
                Err(Unreadable::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let aside = path.with_added_extension("unreadable");
                    let moved =
                        fs::rename(&path, &aside).map_or(String::new(), |()| format!("; kept as {}", aside.display()));
                    wrong.push(format!("cannot read the journal {}: {error}{moved}", path.display()));
                }
            }
        }
        (Services::new(), wrong)
    }

    fn beside(&self, extension: &str) -> PathBuf {
        self.path.with_added_extension(extension)
    }
}

fn read(path: &Path) -> Result<Services, Unreadable> {
    let document: Document = serde_json::from_slice(&fs::read(path)?)?;
    if document.version != VERSION {
        return Err(Unreadable::Version(document.version));
    }
    Ok(document.services.into_iter().map(|(name, kept)| (name, kept.into())).collect())
}

fn document(services: &Services) -> Document {
    let services = services.iter().map(|(name, service)| (name.clone(), service.into())).collect();
    Document { version: VERSION, services }
}

impl From<&Service> for Kept {
    fn from(service: &Service) -> Self {
        let stays = service.members.iter().filter(|member| member.health.phase() != Phase::Draining);
        let kept = |target: &Target| KeptTarget {
            name: target.name.clone(),
            port: target.port,
            release: target.release.clone(),
        };
        let targets = stays.map(|member| kept(&member.target)).collect();
        // A trial does not outlast the edge: nobody would end it.
        let shares = service.before_trial.as_ref().unwrap_or(&service.shares).clone();
        let (held, maintenance) = (service.held, service.maintenance);
        Self { shares, held, maintenance, targets }
    }
}

impl From<Kept> for Service {
    /// The targets are asked anew how they are.
    fn from(kept: Kept) -> Self {
        let member = |target: KeptTarget| Member {
            target: Target::new(&target.name, target.port, &target.release),
            health: Health::adding(),
        };
        Self {
            members: kept.targets.into_iter().map(member).collect(),
            shares: kept.shares,
            before_trial: None,
            held: kept.held,
            maintenance: kept.maintenance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::{Balancer, Change, Hysteresis};

    /// A folder of its own, taken away at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("edge-journal-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn services(releases: &[&str]) -> Services {
        let balancer = Balancer::new(Services::new(), Hysteresis { rise: 1, fall: 1 });
        for release in releases {
            let service = "app".to_owned();
            let shares = [((*release).to_owned(), 1)].into();
            let name = format!("app-{release}");
            let add = Change::Add { service: service.clone(), name, port: 80, release: (*release).to_owned() };
            let _ = balancer.apply(&[add, Change::Route { service, shares, force: true }]).expect("it is added");
        }
        balancer.services()
    }

    fn text(services: &Services) -> String {
        serde_json::to_string(&document(services)).expect("JSON")
    }

    #[test]
    fn what_was_kept_comes_back_and_what_drains_does_not() {
        let folder = Folder::new("kept");
        let journal = Journal::new(folder.0.join("edge.json"));
        assert!(journal.recall().0.is_empty());
        let mut all = services(&["1", "2"]);
        journal.keep(&all).expect("it is kept");
        let (back, wrong) = journal.recall();
        assert_eq!((text(&back), wrong), (text(&all), vec![]));
        all.get_mut("app").expect("the service").members[0].health.drain();
        journal.keep(&all).expect("it is kept");
        assert_eq!(journal.recall().0["app"].members.len(), 1);
    }

    #[test]
    fn a_journal_of_before_maintenance_is_read_and_one_without_it_is_as_before() {
        let folder = Folder::new("before");
        let journal = Journal::new(folder.0.join("edge.json"));
        let old = r#"{"version": 1, "services": {"app": {"shares": {"1": 1}, "held": true, "targets": []}}}"#;
        fs::write(folder.0.join("edge.json"), old).expect("it is written");
        let (mut all, wrong) = journal.recall();
        assert!(wrong.is_empty() && all["app"].held && !all["app"].maintenance, "{wrong:?}");
        assert!(!text(&all).contains("maintenance"));
        all.get_mut("app").expect("the service").maintenance = true;
        journal.keep(&all).expect("it is kept");
        assert!(journal.recall().0["app"].maintenance);
    }

    #[test]
    fn of_an_unreadable_one_the_one_before_counts() {
        let folder = Folder::new("unreadable");
        let journal = Journal::new(folder.0.join("edge.json"));
        journal.keep(&services(&["1"])).expect("it is kept");
        journal.keep(&services(&["1", "2"])).expect("it is kept");
        for broken in ["", "{", "{\"version\": 2, \"services\": {}}"] {
            fs::write(folder.0.join("edge.json"), broken).expect("it is written");
            let (back, wrong) = journal.recall();
            assert_eq!(text(&back), text(&services(&["1"])), "{broken}");
            assert_eq!(wrong.len(), 1, "{wrong:?}");
            assert_eq!(fs::read_to_string(folder.0.join("edge.json.unreadable")).ok().as_deref(), Some(broken));
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_in_the_file_makes_it_fail(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            let folder = Folder::new("any");
            fs::write(folder.0.join("edge.json"), &bytes).expect("it is written");
            let (services, wrong) = Journal::new(folder.0.join("edge.json")).recall();
            proptest::prop_assert!(services.is_empty() && wrong.len() == 1);
        }
    }
}
