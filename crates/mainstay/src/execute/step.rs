//! One step: one call of the engine, or one wait.

use mainstay_plan::labels;
use mainstay_plan::plan::{FileKind, Step};
use mainstay_plan::spec::{StoreFile, definition_hash, hex};
use mainstay_plan::stack::FileOrigin;
use sha2::{Digest, Sha256};

use super::Execution;
use crate::engine::{EdgeAsk, EdgeReply, Engine, Progress};
use crate::error::{Error, Result};

impl<E: Engine> Execution<'_, E> {
    /// Does what a step says.
    pub(super) async fn perform(&self, step: &Step, progress: Progress<'_>) -> Result<()> {
        let (engine, project) = (self.engine, self.stack.project.as_str());
        match step {
            Step::PullImage { image, platform } => engine.pull_image(image, platform.as_deref(), progress).await,
            Step::BuildImage { service, image } => self.build(service, image, progress).await,
            Step::CreateNetwork { key, network } => {
                let definition = definition_hash(network);
                let labels = labels::of_resource(project, "network", key, &definition, &network.labels);
                engine.create_network(network, labels).await
            }
            Step::RemoveNetwork { name } => engine.remove_network(name).await,
            Step::CreateVolume { key, volume } => {
                let definition = definition_hash(volume);
                let labels = labels::of_resource(project, "volume", key, &definition, &volume.labels);
                engine.create_volume(volume, labels).await
            }
            Step::RemoveVolume { name } => engine.remove_volume(name).await,
            Step::CreateStore => engine.create_store(project).await,
            Step::RemoveStore => engine.remove_store(project).await,
            Step::StoreFile { kind, key, origin, copies } => self.store_file(*kind, key, origin, copies).await,
            Step::CreateContainer { name, spec, release, carry } => {
                engine.create_container(project, name, spec, *release, carry).await
            }
            Step::StartContainer { name } => engine.start_container(name).await,
            Step::UnpauseContainer { name } => engine.unpause_container(name).await,
            Step::StopContainer { name, grace_ms } => engine.stop_container(name, *grace_ms).await,
            Step::RemoveContainer { name } => engine.remove_container(name).await,
            Step::RenameContainer { from, to } => engine.rename_container(from, to).await,
            Step::WaitReady { name, timeout_ms } => super::wait::ready(engine, name, *timeout_ms, progress).await,
            Step::WaitCompleted { name, timeout_ms } => super::wait::completed(engine, name, *timeout_ms).await,
            Step::AddTargets { .. }
            | Step::WaitTargets { .. }
            | Step::TryReleases { .. }
            | Step::RouteRequests { .. }
            | Step::RetireTargets { .. } => self.with_edge(step, progress).await,
        }
    }

    /// A step that is the edge's to do.
    async fn with_edge(&self, step: &Step, progress: Progress<'_>) -> Result<()> {
        let (edge, ask) = match step {
            Step::AddTargets { edge, service, release, targets, port } => {
                (edge, EdgeAsk::Add { service, release, targets, port: *port })
            }
            Step::WaitTargets { edge, service, release, targets, timeout_ms, .. } => {
                (edge, EdgeAsk::Ready { service, release, targets, timeout_ms: *timeout_ms })
            }
            Step::TryReleases { edge, releases, window_ms, tolerated_permille } => {
                let (window_ms, tolerated_permille) = (*window_ms, *tolerated_permille);
                (edge, EdgeAsk::Try { releases, window_ms, tolerated_permille })
            }
            Step::RouteRequests { edge, routes, force } => (edge, EdgeAsk::Route { routes, force: *force }),
            Step::RetireTargets { edge, service, keep, timeout_ms } => {
                (edge, EdgeAsk::Retire { service, keep, timeout_ms: *timeout_ms })
            }
            _ => return Ok(()),
        };
        let asked = self.engine.ask_edge(edge, &ask);
        let reply = match step {
            Step::WaitTargets { containers, .. } => tokio::select! {
                reply = asked => reply?,
                error = super::wait::lost(self.engine, containers) => return Err(error),
            },
            _ => asked.await?,
        };
        if let EdgeReply::Done(words) = reply {
            progress(&words);
        }
        Ok(())
    }

    async fn build(&self, service: &str, image: &str, progress: Progress<'_>) -> Result<()> {
        let build = self.stack.services.get(service).and_then(|service| service.build.as_ref());
        let build = build.ok_or_else(|| Error::new(format!("service `{service}` has no `build`")))?;
        self.engine.build_image(image, build, progress).await
    }

    async fn store_file(&self, kind: FileKind, key: &str, origin: &FileOrigin, copies: &[StoreFile]) -> Result<()> {
        let content = match origin {
            FileOrigin::Generated { bytes } => self.generated(key, *bytes).await?,
            other => self.given(kind, key, other)?,
        };
        for copy in copies {
            self.engine.write_stored(&self.stack.project, copy, &content).await?;
        }
        Ok(())
    }

    /// The secret that was generated once, from the store; a new one where there is none.
    async fn generated(&self, key: &str, bytes: u32) -> Result<Vec<u8>> {
        let master = StoreFile { name: format!("generated-{key}"), uid: 0, gid: 0, mode: 0o600 };
        if let Some(content) = self.engine.read_stored(&self.stack.project, &master.name).await? {
            return Ok(content);
        }
        let mut random = vec![0; bytes as usize];
        fill_with_random(&mut random)?;
        let content = hex(&random).into_bytes();
        self.engine.write_stored(&self.stack.project, &master, &content).await?;
        Ok(content)
    }

    /// The content of a secret or config that a person gave. It must be what the
    /// plan was made for: its digest is part of the container's configuration.
    fn given(&self, kind: FileKind, key: &str, origin: &FileOrigin) -> Result<Vec<u8>> {
        let content = crate::load::file_content(kind, key, origin, self.environment)?;
        let sources = if kind == FileKind::Secret { &self.stack.secrets } else { &self.stack.configs };
        let planned = sources.get(key).map(|source| source.digest.as_str());
        if planned != Some(hex(&Sha256::digest(&content)).as_str()) {
            return Err(Error::new(format!("{} `{key}` changed while the plan was carried out", kind.word()))
                .hint("run it again"));
        }
        Ok(content)
    }
}

/// The kernel's random numbers.
fn fill_with_random(buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let read = rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty());
        filled += read.map_err(|error| Error::new(format!("read random numbers: {error}")))?;
    }
    Ok(())
}
