//! An engine without containers, for tests. It keeps its promises as the real
//! one does (a name is taken once, a running container cannot be removed, a
//! network in use stays), and fails at the call that it is told to.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use mainstay_plan::labels;
use mainstay_plan::observed::{
    Health, Limits, ObservedContainer, ObservedImage, ObservedNetwork, ObservedVolume, Routed, RoutedTarget, State,
};
use mainstay_plan::spec::{ContainerSpec, StoreFile};
use mainstay_plan::stack::{Build, Network, Restart, Volume};

use super::{EdgeAsk, EdgeReply, Engine, EngineInfo, Inspected, Probe, ProbeResult, Progress};
use crate::error::{Error, Result};

/// The state of the engine, and what it is to do wrong.
#[derive(Default)]
pub(crate) struct MemoryEngine {
    pub(crate) containers: RefCell<BTreeMap<String, MemoryContainer>>,
    pub(crate) networks: RefCell<BTreeMap<String, ObservedNetwork>>,
    pub(crate) volumes: RefCell<BTreeMap<String, ObservedVolume>>,
    pub(crate) images: RefCell<BTreeMap<String, ObservedImage>>,
    pub(crate) store: RefCell<Option<BTreeMap<String, Vec<u8>>>>,
    /// Services whose containers end at once with exit code 0.
    pub(crate) one_shots: RefCell<BTreeSet<String>>,
    /// Images whose containers never pass a probe.
    pub(crate) sick_images: RefCell<BTreeSet<String>>,
    /// What the edge was told; one edge for all containers that are asked.
    pub(crate) routed: RefCell<BTreeMap<String, Routed>>,
    /// Releases that do worse when they are tried.
    pub(crate) bad_releases: RefCell<BTreeSet<String>>,
    /// The change that fails, counted from 0.
    pub(crate) fails_at: Cell<Option<usize>>,
    /// The change from which on all fail.
    lost_at: Cell<Option<usize>>,
    changes: Cell<usize>,
    /// What was changed, in order.
    pub(crate) journal: RefCell<Vec<String>>,
}

#[derive(Debug, Clone)]
pub(crate) struct MemoryContainer {
    pub(crate) spec: ContainerSpec,
    pub(crate) state: State,
    pub(crate) release: u32,
    image_id: String,
}

impl MemoryEngine {
    /// Counts a change, and fails where it is told to.
    fn change(&self, what: String) -> Result<()> {
        let index = self.changes.replace(self.changes.get() + 1);
        if self.fails_at.get() == Some(index) || self.lost_at.get().is_some_and(|at| index >= at) {
            return Err(Error::new(format!("{what}: the engine was told to fail")));
        }
        self.journal.borrow_mut().push(what);
        Ok(())
    }

    /// From now on the change after so many others fails.
    pub(crate) fn fail_after(&self, changes: usize) {
        self.fails_at.set(Some(self.changes.get() + changes));
    }

    /// After so many changes none is made any more.
    pub(crate) fn lost_after(&self, changes: usize) {
        self.lost_at.set(Some(self.changes.get() + changes));
    }

    pub(crate) fn found_again(&self) {
        self.lost_at.set(None);
    }

    pub(crate) fn state_of(&self, name: &str) -> Option<State> {
        self.containers.borrow().get(name).map(|container| container.state)
    }

    fn with<T>(&self, name: &str, doing: &str, act: impl FnOnce(&mut MemoryContainer) -> Result<T>) -> Result<T> {
        let mut all = self.containers.borrow_mut();
        let container = all.get_mut(name).ok_or_else(|| Error::new(format!("{doing} `{name}`: no such container")))?;
        act(container)
    }

    /// Waits as an edge does: until each target's container runs and is healthy.
    async fn wait_for_targets(&self, targets: &[String]) {
        let is_ready = || {
            let containers = self.containers.borrow();
            targets.iter().all(|target| {
                containers.values().any(|container| {
                    container.spec.target_name(container.release) == *target
                        && container.state == State::Running
                        && self.is_healthy(container)
                })
            })
        };
        while !is_ready() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    fn is_healthy(&self, container: &MemoryContainer) -> bool {
        !self.sick_images.borrow().contains(&container.spec.image)
    }
}

/// What an edge is asked, for the journal.
fn words(ask: &EdgeAsk<'_>) -> String {
    match ask {
        EdgeAsk::Add { service, release, .. } => format!("add {service} {release}"),
        EdgeAsk::Try { releases, .. } => format!("try {releases:?}"),
        EdgeAsk::Route { routes, .. } => format!("route {routes:?}"),
        EdgeAsk::Retire { service, keep, .. } => format!("retire {service} but {keep:?}"),
        other => format!("{other:?}"),
    }
}

impl Engine for MemoryEngine {
    async fn info(&self) -> Result<EngineInfo> {
        Ok(EngineInfo::default())
    }

    async fn images(&self) -> Result<BTreeMap<String, ObservedImage>> {
        Ok(self.images.borrow().clone())
    }

    async fn image(&self, reference: &str) -> Result<Option<ObservedImage>> {
        Ok(self.images.borrow().get(reference).cloned())
    }

    async fn pull_image(&self, image: &str, _platform: Option<&str>, _progress: Progress<'_>) -> Result<()> {
        self.change(format!("pull {image}"))?;
        let found = ObservedImage { id: format!("id of {image}"), has_healthcheck: Some(true), ..Default::default() };
        self.images.borrow_mut().insert(image.to_owned(), found);
        Ok(())
    }

    async fn build_image(&self, image: &str, _build: &Build, progress: Progress<'_>) -> Result<()> {
        self.pull_image(image, None, progress).await
    }

    async fn networks(&self) -> Result<BTreeMap<String, ObservedNetwork>> {
        Ok(self.networks.borrow().clone())
    }

    async fn create_network(&self, network: &Network, labels: BTreeMap<String, String>) -> Result<()> {
        self.change(format!("create network {}", network.name))?;
        self.networks.borrow_mut().insert(network.name.clone(), ObservedNetwork { labels, ..Default::default() });
        Ok(())
    }

    async fn remove_network(&self, name: &str) -> Result<()> {
        self.change(format!("remove network {name}"))?;
        let used = self.containers.borrow().values().any(|container| container.spec.run.networks.contains_key(name));
        if used {
            return Err(Error::new(format!("remove network `{name}`: it has active endpoints")));
        }
        self.networks.borrow_mut().remove(name);
        Ok(())
    }

    async fn volumes(&self) -> Result<BTreeMap<String, ObservedVolume>> {
        Ok(self.volumes.borrow().clone())
    }

    async fn create_volume(&self, volume: &Volume, labels: BTreeMap<String, String>) -> Result<()> {
        self.change(format!("create volume {}", volume.name))?;
        self.volumes.borrow_mut().insert(volume.name.clone(), ObservedVolume { labels });
        Ok(())
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        self.change(format!("remove volume {name}"))?;
        self.volumes.borrow_mut().remove(name);
        Ok(())
    }

    async fn containers(&self, _project: &str) -> Result<Vec<ObservedContainer>> {
        let observed = |(name, container): (&String, &MemoryContainer)| {
            let resources = &container.spec.run.resources;
            ObservedContainer {
                name: name.clone(),
                service: container.spec.service.clone(),
                number: container.spec.number,
                release: Some(container.release),
                config_hash: Some(container.spec.config_hash()),
                spec: Some(container.spec.clone()),
                image_id: container.image_id.clone(),
                state: container.state,
                health: match container.state {
                    State::Running if self.is_healthy(container) => Health::Healthy,
                    _ => Health::Starting,
                },
                networks: container.spec.run.networks.keys().cloned().collect(),
                network_ids: BTreeMap::new(),
                anonymous: BTreeMap::new(),
                limits: Limits {
                    memory_bytes: resources.memory_bytes.unwrap_or(0),
                    nano_cpus: resources.nano_cpus.unwrap_or(0),
                    pids: resources.pids.unwrap_or(0),
                    restart: container.spec.run.restart.engine_name().to_owned(),
                },
            }
        };
        Ok(self.containers.borrow().iter().map(observed).collect())
    }

    async fn foreign_names(&self, _project: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn create_container(
        &self,
        _project: &str,
        name: &str,
        spec: &ContainerSpec,
        release: u32,
        _carry: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.change(format!("create {name}"))?;
        let missing = |what: String| Err(Error::new(format!("create container `{name}`: {what}")));
        if self.containers.borrow().contains_key(name) {
            return missing("the name is taken".to_owned());
        }
        let Some(image_id) = self.images.borrow().get(&spec.image).map(|image| image.id.clone()) else {
            return missing(format!("no such image {}", spec.image));
        };
        if let Some(network) = spec.run.networks.keys().find(|network| !self.networks.borrow().contains_key(*network)) {
            return missing(format!("no such network {network}"));
        }
        let stored = self.store.borrow();
        for mount in &spec.files {
            if !stored.as_ref().is_some_and(|files| files.contains_key(&mount.file.name)) {
                return missing(format!("no such file {}", mount.file.name));
            }
        }
        let container = MemoryContainer { spec: spec.clone(), state: State::Created, release, image_id };
        self.containers.borrow_mut().insert(name.to_owned(), container);
        Ok(())
    }

    async fn start_container(&self, name: &str) -> Result<()> {
        self.change(format!("start {name}"))?;
        self.with(name, "start", |container| {
            let ends = self.one_shots.borrow().contains(&container.spec.service);
            container.state = if ends { State::Exited { code: 0 } } else { State::Running };
            Ok(())
        })
    }

    async fn unpause_container(&self, name: &str) -> Result<()> {
        self.change(format!("unpause {name}"))?;
        self.with(name, "unpause", |container| {
            container.state = State::Running;
            Ok(())
        })
    }

    async fn stop_container(&self, name: &str, _grace_ms: Option<u64>) -> Result<()> {
        self.change(format!("stop {name}"))?;
        if let Some(container) = self.containers.borrow_mut().get_mut(name)
            && matches!(container.state, State::Running | State::Paused | State::Restarting)
        {
            container.state = State::Exited { code: 143 };
        }
        Ok(())
    }

    async fn remove_container(&self, name: &str) -> Result<()> {
        self.change(format!("remove {name}"))?;
        if self.state_of(name) == Some(State::Running) {
            return Err(Error::new(format!("remove container `{name}`: it runs")));
        }
        self.containers.borrow_mut().remove(name);
        Ok(())
    }

    async fn rename_container(&self, from: &str, to: &str) -> Result<()> {
        self.change(format!("rename {from} {to}"))?;
        let mut all = self.containers.borrow_mut();
        if all.contains_key(to) {
            return Err(Error::new(format!("rename container `{from}`: `{to}` is taken")));
        }
        let container = all.remove(from).ok_or_else(|| Error::new(format!("rename `{from}`: no such container")))?;
        all.insert(to.to_owned(), container);
        Ok(())
    }

    async fn inspect_container(&self, name: &str) -> Result<Option<Inspected>> {
        let all = self.containers.borrow();
        Ok(all.get(name).map(|container| Inspected {
            state: container.state,
            health: Health::Starting,
            probe: Some(Probe { argv: vec!["probe".to_owned()], timeout_ms: 1000 }),
            restarts: container.spec.run.restart != Restart::No,
            restart_count: 0,
            error: String::new(),
            out_of_memory: false,
            ports: Vec::new(),
            started_at: String::new(),
        }))
    }

    async fn probe(&self, name: &str, _argv: &[String], _timeout_ms: u64) -> Result<ProbeResult> {
        let passed = self.with(name, "probe", |container| Ok(self.is_healthy(container)))?;
        Ok(ProbeResult { passed, output: "not yet".to_owned() })
    }

    async fn last_logs(&self, name: &str, _lines: u32) -> Result<Vec<String>> {
        Ok(vec![format!("the last words of {name}")])
    }

    async fn ask_edge(&self, container: &str, ask: &EdgeAsk<'_>) -> Result<EdgeReply> {
        if self.state_of(container) != Some(State::Running) {
            return Err(Error::new(format!("ask the edge in `{container}`: it does not run")));
        }
        match ask {
            EdgeAsk::Targets => return Ok(EdgeReply::Targets(self.routed.borrow().clone())),
            EdgeAsk::Ledger => return Ok(EdgeReply::Ledger(serde_json::json!({}))),
            EdgeAsk::Ready { service, release, targets, timeout_ms } => {
                let bound = std::time::Duration::from_millis(*timeout_ms);
                let ready = tokio::time::timeout(bound, self.wait_for_targets(targets)).await;
                ready.map_err(|_| Error::new(format!("release `{release}` of service `{service}` is not ready")))?;
            }
            other => self.change(format!("edge {}", words(other)))?,
        }
        let mut routed = self.routed.borrow_mut();
        match ask {
            EdgeAsk::Add { service, release, targets, port } => {
                let known = &mut routed.entry((*service).to_owned()).or_default().targets;
                for name in *targets {
                    if known.iter().any(|target| target.name == *name) {
                        continue;
                    }
                    let (name, release, phase) = (name.clone(), (*release).to_owned(), "adding".to_owned());
                    known.push(RoutedTarget { name, port: *port, release, phase });
                }
            }
            EdgeAsk::Try { releases, .. } => {
                if let Some((service, release)) = releases.iter().find(|(_, r)| self.bad_releases.borrow().contains(*r))
                {
                    return Err(Error::new(format!("release `{release}` of service `{service}` does worse")));
                }
            }
            EdgeAsk::Route { routes, .. } => {
                for (service, shares) in *routes {
                    routed.entry(service.clone()).or_default().shares.clone_from(shares);
                }
            }
            EdgeAsk::Retire { service, keep, .. } => {
                routed.entry((*service).to_owned()).or_default().targets.retain(|target| keep.contains(&target.name));
            }
            _ => {}
        }
        Ok(EdgeReply::Done(String::new()))
    }

    async fn has_store(&self, _project: &str) -> Result<bool> {
        Ok(self.store.borrow().is_some())
    }

    async fn create_store(&self, project: &str) -> Result<()> {
        self.change("create store".to_owned())?;
        self.store.borrow_mut().get_or_insert_default();
        let labels = [(labels::PROJECT, project), (labels::ROLE, labels::ROLE_STORE)];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        self.volumes.borrow_mut().insert(format!("{project}_mainstay-store"), ObservedVolume { labels });
        Ok(())
    }

    async fn remove_store(&self, project: &str) -> Result<()> {
        self.change("remove store".to_owned())?;
        self.volumes.borrow_mut().remove(&format!("{project}_mainstay-store"));
        *self.store.borrow_mut() = None;
        Ok(())
    }

    async fn read_stored(&self, _project: &str, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.store.borrow().as_ref().and_then(|files| files.get(name).cloned()))
    }

    async fn read_stored_folder(&self, _project: &str, folder: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        let store = self.store.borrow();
        let files = store.iter().flatten().filter_map(|(name, content)| {
            Some((name.strip_prefix(folder)?.strip_prefix('/')?.to_owned(), content.clone()))
        });
        Ok(files.collect())
    }

    async fn write_stored(&self, _project: &str, file: &StoreFile, content: &[u8]) -> Result<()> {
        self.change(format!("write {}", file.name))?;
        let mut store = self.store.borrow_mut();
        let files = store.as_mut().ok_or_else(|| Error::new("there is no store"))?;
        files.insert(file.name.clone(), content.to_owned());
        Ok(())
    }
}
