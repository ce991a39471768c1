//! What may have been meant, and why some keys are refused.

/// Why a key of the Compose Specification is not supported, by its path; empty
/// where the specification has no such key either.
pub(super) fn unsupported(path: &str) -> &'static str {
    let parts: Vec<&str> = path.split('.').collect();
    match parts[..] {
        [key] => of_file(key),
        ["services", _, key] => of_service(key),
        ["services", _, "build", key] => of_build(key),
        ["services", _, "networks", _, key] => of_attachment(key),
        ["networks", _, key] => of_network(key),
        ["networks", _, "ipam", ..] => "subnets with their ranges and gateways are supported, and nothing else",
        ["secrets" | "configs", _, "driver" | "driver_opts" | "template_driver"] => "it exists only in a Swarm",
        ["secrets" | "configs", _, "labels"] => "they are files here, and have no labels",
        ["services", _, "deploy", "resources", "reservations", "devices" | "generic_resources"] => {
            "give the service `devices`; graphics processors are not supported yet"
        }
        ["services", _, item, "volume", "subpath"] if item.starts_with("volumes[") => {
            "it needs an engine of version 26 or later; mount the whole volume"
        }
        _ => "",
    }
}

fn of_file(key: &str) -> &'static str {
    match key {
        "include" => "name the files with `-f`",
        "models" => "it is Docker Desktop's own",
        _ => "",
    }
}

fn of_service(key: &str) -> &'static str {
    match key {
        "extends" => "use a YAML anchor and `<<`, or several files with `-f`",
        "volumes_from" => "give both services the same named volume",
        "develop" => "it is for development on a laptop; `docker compose watch` does that",
        "cgroup_parent" | "cgroup" | "cpu_rt_runtime" | "cpu_rt_period" | "cpu_period" | "cpu_quota" => {
            "use `deploy.resources.limits`"
        }
        "credential_spec" | "isolation" | "cpu_count" | "cpu_percent" => "it is for Windows containers",
        "external_links" => "put both services on one network that is `external`",
        "mac_address" => "addresses are the engine's; use names",
        "gpus" | "runtime" => "run such a service by hand beside this stack for now",
        "models" | "provider" | "use_api_socket" => "it is Docker Desktop's own",
        "userns_mode" => "set user namespaces in the engine (`userns-remap`)",
        "uts" => "give the service a `hostname`",
        "blkio_config" | "oom_kill_disable" | "oom_score_adj" | "mem_swappiness" | "storage_opt" => {
            "limits are kept by `deploy.resources`; leave it out"
        }
        "device_cgroup_rules" => "name the `devices`",
        "pre_start" => "make it a service of its own, and wait for `service_completed_successfully`",
        "post_start" | "pre_stop" => "let the image's entry point do it",
        "domainname" => "write the full name under `hostname`",
        "dns_search" | "dns_opt" => "write full names, and set `dns` alone",
        "label_file" => "write the labels under `labels`",
        "annotations" => "use `labels`",
        "pull_refresh_after" => "use `pull_policy: always`",
        // Not of the specification, but of `docker run`.
        "env" => "did you mean `environment`?",
        "name" => "did you mean `container_name`?",
        "memory" => "did you mean `mem_limit`?",
        _ => "",
    }
}

fn of_build(key: &str) -> &'static str {
    match key {
        "dockerfile_inline" => "write it to a file, and name that under `dockerfile`",
        "additional_contexts" | "ssh" | "secrets" | "entitlements" => {
            "it needs buildx; the engine's own build API is used, which every engine has"
        }
        "network" | "extra_hosts" | "privileged" | "ulimits" | "shm_size" | "isolation" => {
            "a build gets nothing of the host; fetch what it needs in the Dockerfile"
        }
        "platforms" => "an image is built for this machine alone",
        "provenance" | "sbom" => "it needs buildx; leave it out",
        _ => "",
    }
}

fn of_attachment(key: &str) -> &'static str {
    match key {
        "ipv6_address" | "link_local_ips" | "mac_address" => "addresses are the engine's; use names",
        "gw_priority" | "interface_name" | "driver_opts" => "it needs an engine of version 28 or later; leave it out",
        _ => "",
    }
}

fn of_network(key: &str) -> &'static str {
    match key {
        "enable_ipv4" => "IPv4 is always on; leave it out",
        _ => "",
    }
}

/// "did you mean", where a known word is near.
pub(super) fn near(word: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|candidate| (distance(word, candidate), candidate)).min();
    match nearest {
        // Of a short word, two letters are most of it.
        Some((apart, candidate)) if apart <= 2 && apart * 2 < word.chars().count() => {
            format!("did you mean `{candidate}`?")
        }
        _ => String::new(),
    }
}

/// "did you mean", else the list of what there is.
pub(super) fn one_of(word: &str, known: &[&str], nothing: &str) -> String {
    /// A longer list is no hint any more.
    const MOST_SHOWN: usize = 12;
    let near = near(word, known);
    match known.len() {
        _ if !near.is_empty() => near,
        0 => nothing.to_owned(),
        1..=MOST_SHOWN => format!("there is `{}`", known.join("`, `")),
        _ => format!("there is `{}` and more", known[..MOST_SHOWN].join("`, `")),
    }
}

/// The Levenshtein distance, bounded by the words' length; letter case counts for nothing.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let letters = |word: &str| word.chars().take(LONGEST).map(|c| c.to_ascii_lowercase()).collect::<Vec<char>>();
    let (a, b) = (letters(a), letters(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    #[test]
    fn near_words_are_found() {
        assert_eq!(super::near("enviroment", &["image", "environment"]), "did you mean `environment`?");
        assert_eq!(super::near("dependsOn", &["depends_on"]), "did you mean `depends_on`?");
        assert_eq!(super::near("xyz", &["image"]), "");
        assert_eq!(super::near("env", &["dns"]), "");
        assert_eq!(super::distance("kitten", "sitting"), 3);
    }
}
