//! What may have been meant, and why some keys are refused.

/// Why a key of the Compose Specification is not supported.
pub(super) fn unsupported(key: &str) -> Option<&'static str> {
    Some(match key {
        "extends" => "use a YAML anchor and `<<`, or several files with `-f`",
        "include" => "name the files with `-f`",
        "volumes_from" => "give both services the same named volume",
        "develop" => "it is for development on a laptop; `docker compose watch` does that",
        "cgroup_parent" | "cgroup" | "cpu_rt_runtime" | "cpu_rt_period" | "cpu_period" | "cpu_quota" => {
            "use `deploy.resources.limits`"
        }
        "credential_spec" | "isolation" | "cpu_count" | "cpu_percent" => "it is for Windows containers",
        "external_links" => "put both services on one network that is `external`",
        "mac_address" | "ipv6_address" | "link_local_ips" => "addresses are the engine's; use names",
        "gpus" | "runtime" => "run such a service by hand beside this stack for now",
        "models" | "provider" => "it is Docker Desktop's own",
        "userns_mode" => "set user namespaces in the engine (`userns-remap`)",
        "blkio_config" | "oom_kill_disable" | "oom_score_adj" | "mem_swappiness" => {
            "limits are kept by `deploy.resources`; leave it out"
        }
        "post_start" | "pre_stop" => "let the image's entry point do it",
        "domainname" => "write the full name under `hostname`",
        "annotations" => "use `labels`",
        _ => return None,
    })
}

/// "did you mean", where a known word is near.
pub(super) fn near(word: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|candidate| (distance(word, candidate), candidate)).min();
    match nearest {
        Some((apart, candidate)) if apart <= 2 && apart < word.chars().count() => {
            format!("did you mean `{candidate}`?")
        }
        _ => String::new(),
    }
}

/// "did you mean", else the list of what there is.
pub(super) fn one_of(word: &str, known: &[&str], nothing: &str) -> String {
    let near = near(word, known);
    match (near.is_empty(), known.is_empty()) {
        (false, _) => near,
        (true, true) => nothing.to_owned(),
        (true, false) => format!("there is `{}`", known.join("`, `")),
    }
}

/// The Levenshtein distance, bounded by the words' length.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
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
        assert_eq!(super::near("xyz", &["image"]), "");
        assert_eq!(super::distance("kitten", "sitting"), 3);
    }
}
