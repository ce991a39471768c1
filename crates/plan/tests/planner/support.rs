//! A compose file as a stack, and engines that have all or some of it.

use std::collections::BTreeMap;

use mainstay_plan::compose::{Input, SourceFile, load};
use mainstay_plan::labels;
use mainstay_plan::observed::{
    Health, Limits, Observed, ObservedContainer, ObservedImage, ObservedNetwork, ObservedVolume, Routed, RoutedTarget,
    State,
};
use mainstay_plan::planner::{UpOptions, plan_up};
use mainstay_plan::spec::{ContainerSpec, definition_hash, target_name};
use mainstay_plan::stack::{Service, Stack};

/// A database, a migration, an application: what we ship, in small.
pub(crate) const SHOP: &str = "
name: shop
services:
  db:
    image: postgres:17
    volumes: [data:/var/lib/postgresql/data]
    networks: [inner]
    secrets: [password]
    healthcheck: {test: [CMD, pg_isready], interval: 5s, timeout: 3s}
  migrate:
    image: shop:1
    networks: [inner]
    depends_on: {db: {condition: service_healthy}}
  app:
    image: shop:1
    networks: [inner, front]
    environment: {LEVEL: info}
    healthcheck: {test: [CMD, ready], interval: 5s, timeout: 3s}
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
networks:
  inner: {internal: true}
  front: {}
volumes: {data: {}}
secrets: {password: {x-mainstay: {generate: 32}}}
";

/// The same behind an edge, twice.
pub(crate) const BEHIND: &str = "
name: shop
services:
  holder:
    image: edge:1
    x-mainstay: {keep_image: true}
    ports: ['8080:8080']
    networks: [front]
  edge:
    image: edge:1
    network_mode: service:holder
    volumes: [edge:/var/lib/edge]
    healthcheck: {test: [CMD, ready], interval: 5s, timeout: 3s}
  app:
    image: shop:1
    x-mainstay: {edge: edge, port: 8080}
    networks: [front]
    environment: {LEVEL: info}
    healthcheck: {test: [CMD, ready], interval: 5s, timeout: 3s}
    deploy: {replicas: 2, update_config: {parallelism: 0}}
networks: {front: {}}
volumes: {edge: {}}
";

/// The edge knows each replica, of the release that it was made in.
pub(crate) fn route(observed: &mut Observed, edge: &str, service: &str, port: u16) {
    let mut routed = Routed::default();
    for container in observed.containers.iter().filter(|container| container.service == service) {
        let release = container.release.unwrap_or(0);
        let name = target_name(service, container.number, release);
        let release = release.to_string();
        routed.shares.insert(release.clone(), 1);
        routed.targets.push(RoutedTarget { name, port, release, phase: "healthy".into() });
    }
    observed.edges.entry(edge.into()).or_default().insert(service.into(), routed);
}

pub(crate) fn stack(yaml: &str) -> Stack {
    let input = Input {
        files: vec![SourceFile { path: "compose.yaml".into(), text: yaml.into() }],
        environment: BTreeMap::new(),
        project_dir: "/srv/shop".into(),
        project_name: None,
        profiles: Vec::new(),
        read: &|_| Ok(None),
    };
    match load(&input) {
        Ok(loaded) => loaded.stack,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

/// The text of the plan, or the error.
pub(crate) fn plan(stack: &Stack, observed: &Observed) -> String {
    plan_with(stack, observed, &UpOptions::default())
}

pub(crate) fn plan_with(stack: &Stack, observed: &Observed, options: &UpOptions) -> String {
    match plan_up(stack, observed, options) {
        Ok(plan) => plan.to_string(),
        Err(error) => format!("error: {}\nhint: {}\n", error.message, error.hint),
    }
}

/// An engine with the images and nothing else.
pub(crate) fn images_only(stack: &Stack) -> Observed {
    let image = |service: &Service| {
        let reference = service.image_reference();
        (reference.clone(), ObservedImage { id: format!("sha256:{reference}"), ..Default::default() })
    };
    Observed { images: stack.services.values().map(image).collect(), ..Default::default() }
}

/// An engine on which all of it runs.
pub(crate) fn all_up(stack: &Stack) -> Observed {
    let mut observed = images_only(stack);
    observed.next_release = 2;
    let labels = |definition: String| {
        BTreeMap::from([(labels::PROJECT.into(), stack.project.clone()), (labels::DEFINITION.into(), definition)])
    };
    for network in stack.networks.values().filter(|network| !network.external) {
        let found = ObservedNetwork { labels: labels(definition_hash(network)), ..Default::default() };
        observed.networks.insert(network.name.clone(), found);
    }
    for volume in stack.volumes.values().filter(|volume| !volume.external) {
        observed.volumes.insert(volume.name.clone(), ObservedVolume { labels: labels(definition_hash(volume)) });
    }
    observed.store_ready = true;
    let store = mainstay_plan::planner::store_volume(&stack.project);
    let role = (labels::ROLE.to_owned(), labels::ROLE_STORE.to_owned());
    let labels = [(labels::PROJECT.to_owned(), stack.project.clone()), role].into();
    observed.volumes.insert(store, ObservedVolume { labels });
    for service in stack.services.values() {
        for number in 1..=service.replicas {
            observed.containers.push(running(stack, service, number));
        }
    }
    for container in observed.containers.iter_mut().filter(|container| container.service == "migrate") {
        container.state = State::Exited { code: 0 };
        container.health = Health::None;
    }
    observed
}

/// A replica that is as the stack asks.
pub(crate) fn running(stack: &Stack, service: &Service, number: u32) -> ObservedContainer {
    let spec = ContainerSpec::of(stack, service, number);
    let resources = &spec.run.resources;
    ObservedContainer {
        name: service.container_name(&stack.project, number),
        service: service.name.clone(),
        number,
        release: Some(1),
        config_hash: Some(spec.config_hash()),
        image_id: format!("sha256:{}", spec.image),
        state: State::Running,
        health: if spec.run.healthcheck.is_some() { Health::Healthy } else { Health::None },
        networks: spec.run.networks.keys().cloned().collect(),
        network_ids: BTreeMap::new(),
        anonymous: BTreeMap::new(),
        limits: Limits {
            memory_bytes: resources.memory_bytes.unwrap_or(0),
            nano_cpus: resources.nano_cpus.unwrap_or(0),
            pids: resources.pids.unwrap_or(0),
            restart: spec.run.restart.engine_name().into(),
        },
        spec: Some(spec),
    }
}

pub(crate) fn find<'a>(observed: &'a mut Observed, name: &str) -> &'a mut ObservedContainer {
    observed.containers.iter_mut().find(|container| container.name == name).expect("it was made above")
}
