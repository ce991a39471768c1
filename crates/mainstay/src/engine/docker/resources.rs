//! Networks and volumes.

use std::collections::BTreeMap;

use bollard::Docker;
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{ListVolumesOptions, RemoveVolumeOptions};
use futures_util::future::try_join_all;
use mainstay_plan::labels;
use mainstay_plan::observed::{ObservedNetwork, ObservedVolume};
use mainstay_plan::stack::{Network, Subnet, Volume};

use super::{failed, status_of, unless};
use crate::error::{Error, Result};

pub(super) async fn networks(docker: &Docker) -> Result<BTreeMap<String, ObservedNetwork>> {
    let all = docker.list_networks(None).await.map_err(failed("list networks"))?;
    let observed = all.into_iter().map(|network| async move {
        let labels: BTreeMap<String, String> = network.labels.unwrap_or_default().into_iter().collect();
        let id = network.id.unwrap_or_default();
        // Only a project's network is ever made anew; who is on the others does not matter.
        let attached = if labels.contains_key(labels::PROJECT) { attached(docker, &id).await? } else { Vec::new() };
        Ok::<_, Error>((network.name.unwrap_or_default(), ObservedNetwork { id, labels, attached }))
    });
    Ok(try_join_all(observed).await?.into_iter().collect())
}

/// The names of the containers that run on a network. One that goes away meanwhile has none.
async fn attached(docker: &Docker, id: &str) -> Result<Vec<String>> {
    match docker.inspect_network(id, None).await {
        Ok(found) => {
            let containers = found.containers.unwrap_or_default().into_values();
            Ok(containers.filter_map(|container| container.name).collect())
        }
        Err(error) if status_of(&error) == Some(404) => Ok(Vec::new()),
        Err(error) => Err(failed(&format!("inspect network `{id}`"))(error)),
    }
}

pub(super) async fn create_network(docker: &Docker, network: &Network, labels: BTreeMap<String, String>) -> Result<()> {
    let options = network.driver_opts.iter().map(|(key, value)| (key.clone(), value.clone()));
    let request = NetworkCreateRequest {
        name: network.name.clone(),
        driver: Some(network.driver.clone()).filter(|driver| !driver.is_empty()),
        internal: Some(network.internal),
        attachable: Some(network.attachable),
        enable_ipv6: Some(network.enable_ipv6),
        options: Some(options.collect()),
        labels: Some(labels.into_iter().collect()),
        ipam: (!network.ipam.is_empty())
            .then(|| Ipam { config: Some(network.ipam.iter().map(ipam_config).collect()), ..Default::default() }),
        ..Default::default()
    };
    let doing = format!("create network `{}`", network.name);
    docker.create_network(request).await.map(drop).map_err(failed(&doing))
}

fn ipam_config(subnet: &Subnet) -> IpamConfig {
    IpamConfig {
        subnet: subnet.subnet.clone(),
        ip_range: subnet.ip_range.clone(),
        gateway: subnet.gateway.clone(),
        ..Default::default()
    }
}

pub(super) async fn volumes(docker: &Docker) -> Result<BTreeMap<String, ObservedVolume>> {
    let all = docker.list_volumes(None::<ListVolumesOptions>).await.map_err(failed("list volumes"))?;
    let observed = all.volumes.unwrap_or_default().into_iter();
    Ok(observed.map(|volume| (volume.name, ObservedVolume { labels: volume.labels.into_iter().collect() })).collect())
}

pub(super) async fn create_volume(docker: &Docker, volume: &Volume, labels: BTreeMap<String, String>) -> Result<()> {
    let options = volume.driver_opts.iter().map(|(key, value)| (key.clone(), value.clone()));
    let request = VolumeCreateRequest {
        name: Some(volume.name.clone()),
        driver: Some(volume.driver.clone()).filter(|driver| !driver.is_empty()),
        driver_opts: Some(options.collect()),
        labels: Some(labels.into_iter().collect()),
        ..Default::default()
    };
    let doing = format!("create volume `{}`", volume.name);
    docker.create_volume(request).await.map(drop).map_err(failed(&doing))
}

pub(super) async fn remove_volume(docker: &Docker, name: &str) -> Result<()> {
    let result = docker.remove_volume(name, None::<RemoveVolumeOptions>).await;
    // 404: it is gone already.
    unless(&[404], result, &format!("remove volume `{name}`"))
}
