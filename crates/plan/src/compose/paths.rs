//! Paths, by their text alone.

/// `path` seen from the folder `dir`, without `.` and `..`.
pub(super) fn resolve(path: &str, dir: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{dir}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The last part of a path.
pub(super) fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_lexical() {
        assert_eq!(super::resolve("./a/../b", "/p/q"), "/p/q/b");
        assert_eq!(super::resolve("../../../x", "/p"), "/x");
        assert_eq!(super::resolve("/a//b/", "/p"), "/a/b");
    }
}
