//! Ports of the host that somebody else holds, and who it is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use mainstay_plan::stack::{Port, Stack};

use super::Finding;
use crate::engine::Engine as _;
use crate::engine::docker::{DockerEngine, PortHolder};
use crate::error::Result;

/// The ports of these services that cannot be had. Containers in `leaving` give
/// theirs back first.
pub(super) async fn taken(
    engine: &DockerEngine,
    stack: &Stack,
    services: &[&str],
    leaving: &[&str],
) -> Result<Vec<Finding>> {
    let holders = engine.port_holders().await?;
    let is_local = engine.info().await?.is_local;
    let mut findings = Vec::new();
    for name in services {
        let Some(service) = stack.services.get(*name) else { continue };
        for port in &service.run.ports {
            let Some(published) = port.published else { continue };
            let holder = holders.iter().find(|holder| holder.holds(port, published));
            let holder = match holder {
                Some(holder) if leaving.contains(&holder.container.as_str()) => None,
                Some(holder) => Some(format!("container `{}`", holder.container)),
                None if is_local && port.protocol == "tcp" && !can_bind(port, published) => Some(process_on(published)),
                None => None,
            };
            findings.extend(holder.map(|holder| {
                Finding::error(
                    format!("service `{name}`: port {published} of the host is taken by {holder}"),
                    "stop it, or publish another port (here `MAINSTAY_PORT` in `.env` or the environment)",
                )
            }));
        }
    }
    Ok(findings)
}

impl PortHolder {
    /// Whether this is the port that is asked for; an address of everywhere meets every address.
    fn holds(&self, port: &Port, published: u16) -> bool {
        let everywhere = |ip: &str| ["", "0.0.0.0", "::"].contains(&ip);
        let asked = port.host_ip.as_deref().unwrap_or_default();
        self.port == published
            && self.protocol == port.protocol
            && (everywhere(asked) || everywhere(&self.ip) || self.ip == asked)
    }
}

fn can_bind(port: &Port, published: u16) -> bool {
    let ip = port.host_ip.as_deref().and_then(|ip| ip.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    match TcpListener::bind(SocketAddr::new(ip, published)) {
        Ok(_) => true,
        // Not to be allowed to try is no proof that somebody else is there.
        Err(error) => error.kind() != std::io::ErrorKind::AddrInUse,
    }
}

/// The process that listens on a port, as far as this user may see.
fn process_on(port: u16) -> String {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .find_map(|table| listening_inode(&table, port));
    let owner = inode.and_then(|inode| owner_of(&format!("socket:[{inode}]")));
    owner.unwrap_or_else(|| "another process".to_owned())
}

/// The inode of the listening socket on a port: field 1 is the local address in
/// hex, field 3 the state (0A is LISTEN), field 9 the inode (proc(5)).
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == "0A";
        listens.then(|| fields.get(9)?.parse().ok()).flatten()
    })
}

fn owner_of(socket: &str) -> Option<String> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    // Only processes have numbers: `self` is nobody's name.
    let is_process = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.parse::<u32>().is_ok());
    let mut processes = entries.filter(|entry| is_process(&entry.file_name())).map(|entry| entry.path());
    processes.find(|process| holds(process, socket)).and_then(|process| {
        let name = std::fs::read_to_string(process.join("comm")).ok()?;
        Some(format!("process {} (`{}`)", process.file_name()?.to_string_lossy(), name.trim()))
    })
}

fn holds(process: &Path, socket: &str) -> bool {
    let Ok(descriptors) = std::fs::read_dir(process.join("fd")) else { return false };
    descriptors.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_an_address_a_number_and_a_protocol() {
        let holder = |ip: &str, protocol: &str| PortHolder {
            ip: ip.into(),
            port: 53,
            protocol: protocol.into(),
            container: String::new(),
        };
        let asked = |ip: Option<&str>| Port {
            host_ip: ip.map(str::to_owned),
            published: Some(53),
            target: 53,
            protocol: "udp".into(),
        };
        assert!(holder("0.0.0.0", "udp").holds(&asked(Some("127.0.0.1")), 53));
        assert!(holder("127.0.0.1", "udp").holds(&asked(None), 53));
        assert!(!holder("0.0.0.0", "tcp").holds(&asked(None), 53));
        assert!(!holder("127.0.0.2", "udp").holds(&asked(Some("127.0.0.1")), 53));
    }

    #[test]
    fn a_listening_socket_is_found_with_its_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let me = std::process::id();
        assert!(process_on(port).starts_with(&format!("process {me} (`")), "{}", process_on(port));
        let asked =
            Port { host_ip: Some("127.0.0.1".into()), published: Some(port), target: 80, protocol: "tcp".into() };
        assert!(!can_bind(&asked, port));
        drop(listener);
        assert!(can_bind(&asked, port));
    }
}
