//! Notices that the network is gone: the holder, whose network this is, has ended, and its next start makes another one.

use std::time::Duration;

use tokio::time::sleep;

/// Between two looks. A look reads one small file of the kernel's.
const LOOK: Duration = Duration::from_secs(1);

/// What the kernel puts into every network, some of it only when a module is loaded. They lead nowhere, and stay.
const EVERYWHERE: [&str; 10] =
    ["lo", "tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0"];

/// The interfaces of this process's own network, as the kernel writes them.
const INTERFACES: &str = "/proc/self/net/dev";

/// Completes when the last interface that leads anywhere has gone. Never where there was none.
pub async fn gone() {
    let mut had_some = false;
    loop {
        match std::fs::read_to_string(INTERFACES).map(|text| has_some(&text)) {
            Ok(true) => had_some = true,
            Ok(false) if had_some => return,
            // What cannot be read says nothing.
            _ => {}
        }
        sleep(LOOK).await;
    }
}

/// Two lines of headings, then a line for each interface (proc_pid_net(5)).
fn has_some(text: &str) -> bool {
    let names = text.lines().skip(2).filter_map(|line| line.split(':').next());
    names.map(str::trim).any(|name| !name.is_empty() && !EVERYWHERE.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_alone_is_no_network() {
        let head = "Inter-|   Receive\n face |bytes packets\n";
        assert!(!has_some(head));
        assert!(!has_some(&format!("{head}    lo: 1 2 3\n tunl0: 0 0 0\n")));
        assert!(has_some(&format!("{head}    lo: 1 2 3\n  eth0: 1 2 3\n")));
    }
}
