//! Asks the targets how they are, from their first moment on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::balance::{Finding, Phase, Target};
use crate::forward::resolve;
use crate::server::Shared;
use crate::settings::Settings;

/// How much more often a target is asked that is not ready: somebody waits for it.
const MORE_OFTEN: u32 = 10;

/// Probes every target for as long as it is there and does not drain. Ends never.
pub async fn watch(shared: Arc<Shared>) {
    let mut changes = shared.balancer.changes();
    let mut probing: HashMap<usize, (Arc<Target>, JoinHandle<()>)> = HashMap::new();
    loop {
        probing.retain(|_, (_, task)| !task.is_finished());
        for service in shared.balancer.services().into_values() {
            for member in service.members {
                let target = member.target;
                // By identity, which the map keeps alive: a new target of an old name is probed by itself.
                probing.entry(Arc::as_ptr(&target).addr()).or_insert_with(|| {
                    let task = tokio::spawn(follow(Arc::clone(&shared), Arc::clone(&target)));
                    (target, task)
                });
            }
        }
        // The balancer is ours, so the sender is there.
        let _ = changes.changed().await;
    }
}

/// Probes one target until it drains or is gone.
async fn follow(shared: Arc<Shared>, target: Arc<Target>) {
    while let Some(phase) = phase(&shared, &target) {
        let finding = probe(&shared.settings, &target).await;
        let _ = shared.balancer.learn(&target, finding);
        let interval = match (phase, finding) {
            (Phase::Healthy, Finding::Ready) => shared.settings.probe_interval,
            _ => shared.settings.probe_interval / MORE_OFTEN,
        };
        sleep(jittered(interval)).await;
    }
}

fn phase(shared: &Shared, target: &Arc<Target>) -> Option<Phase> {
    let services = shared.balancer.services();
    let mut members = services.values().flat_map(|service| &service.members);
    let phase = members.find(|member| Arc::ptr_eq(&member.target, target))?.health.phase();
    (phase != Phase::Draining).then_some(phase)
}

/// A tenth more or less, so that the probes of many targets do not fall into one moment.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// Asks a target once. Any success is one.
pub async fn probe(settings: &Settings, target: &Target) -> Finding {
    match timeout(settings.probe_time, ask(settings, target)).await {
        Ok(Ok(status)) if status.is_success() => Finding::Ready,
        Ok(Err(error)) if is_refused(error.as_ref()) => Finding::Refused,
        _ => Finding::NotReady,
    }
}

fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// On a connection of its own: a request on a kept one proves nothing about new ones.
async fn ask(settings: &Settings, target: &Target) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(resolve(target).await?).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(&settings.probe_path)
        .header(HOST, target.name.as_str())
        .header(USER_AGENT, "mainstay-edge")
        .body(Empty::<bytes::Bytes>::new())?;
    tokio::select! {
        answered = sender.send_request(request) => Ok(answered?.status()),
        ended = connection => Err(ended.err().map_or_else(|| "the connection ended".into(), Into::into)),
    }
}
