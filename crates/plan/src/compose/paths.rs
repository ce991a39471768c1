//! Paths, by their text alone.

use super::Input;
use super::field::Field;

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

/// A path of the host, absolute: relative ones start from the project's folder,
/// `~` from the person's. Complains where there is none.
pub(super) fn of_host(field: &Field<'_>, path: &str, input: &Input<'_>) -> Option<String> {
    if path.is_empty() {
        field.error("the path is empty", "is a variable in it not set?");
        return None;
    }
    if is_windows(path) {
        field.error(format!("`{path}` is a Windows path"), "the engine's host is Linux; write a path of it");
        return None;
    }
    let Some(below_home) = path.strip_prefix('~') else { return Some(resolve(path, &input.project_dir)) };
    let home = input.environment.get("HOME").filter(|home| home.starts_with('/'));
    match home {
        Some(home) if below_home.is_empty() || below_home.starts_with('/') => {
            Some(resolve(below_home.trim_start_matches('/'), home))
        }
        _ => {
            field.error(format!("`{path}` begins in a folder that is not known"), "write the whole path");
            None
        }
    }
}

/// A path inside a container, which must be absolute, without `.` and `..`.
pub(super) fn inside(field: &Field<'_>, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return Some(resolve(path, "/"));
    }
    let hint = if is_windows(path) { "containers are Linux" } else { "such as `/var/lib/data`" };
    field.error(format!("the path inside the container, `{path}`, is not absolute"), hint);
    None
}

/// `C:\x`, `C:/x`, and whatever has a backslash.
pub(super) fn is_windows(path: &str) -> bool {
    let mut chars = path.chars();
    let drive = chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':');
    path.contains('\\') || (drive && chars.next().is_none_or(|c| c == '/'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_lexical() {
        assert_eq!(super::resolve("./a/../b", "/p/q"), "/p/q/b");
        assert_eq!(super::resolve("../../../x", "/p"), "/x");
        assert_eq!(super::resolve("/a//b/", "/p"), "/a/b");
    }

    #[test]
    fn windows_is_known_by_its_paths() {
        assert!(super::is_windows(r"C:\x") && super::is_windows("c:/x") && super::is_windows(r".\x"));
        assert!(!super::is_windows("/c:/x") && !super::is_windows("ab:/x"));
    }
}
