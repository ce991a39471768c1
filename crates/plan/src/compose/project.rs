//! The project's name: the person's, the file's, or the folder's, exactly as
//! Docker Compose has it. What was made under another name would be lost from
//! sight, volumes with their data among it.

use super::Input;
use super::field::{Complaint, Complaints};
use super::interpolate;
use super::paths;
use super::yaml::{Kind, Node, Position};

/// `COMPOSE_PROJECT_NAME` may stand in `.env` as well; in a file it gives the name.
pub(super) const VARIABLE: &str = "COMPOSE_PROJECT_NAME";

/// The name; complains and gives `None` where it cannot be one.
pub(super) fn name(input: &Input<'_>, trees: &[Node], complaints: &Complaints) -> Option<String> {
    let given = input.project_name.clone().or_else(|| input.environment.get(VARIABLE).cloned());
    if let Some(name) = given.filter(|name| !name.is_empty()) {
        return checked(name, "", Position { file: 0, line: 1, column: 1 }, complaints);
    }
    // The name that a file gives must be known before its other variables are filled in.
    let written = trees.iter().rev().filter_map(top_level_name).find_map(|(text, at)| {
        let filled = interpolate::fill(text, &|name| input.environment.get(name).cloned()).ok()?;
        (!filled.text.is_empty()).then_some((filled.text, at))
    });
    if let Some((name, at)) = written {
        return checked(name, "name", at, complaints);
    }
    let name = normalised(paths::last(&input.project_dir));
    Some(if name.is_empty() { "default".to_owned() } else { name })
}

fn top_level_name(tree: &Node) -> Option<(&str, Position)> {
    let Kind::Map(entries) = &tree.kind else { return None };
    let (_, value) = entries.iter().find(|(key, _)| key.name == "name")?;
    match &value.kind {
        Kind::Scalar { text, .. } if !value.is_null() => Some((text, value.at)),
        _ => None,
    }
}

fn checked(name: String, key: &str, at: Position, complaints: &Complaints) -> Option<String> {
    if normalised(&name) == name {
        return Some(name);
    }
    complaints.error(Complaint {
        at,
        key: key.to_owned(),
        message: format!("`{name}` cannot be a project's name"),
        hint: Some("lower-case letters, digits, `-` and `_`; the first a letter or a digit".to_owned()),
    });
    None
}

fn normalised(name: &str) -> String {
    let kept = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let name: String = name.to_lowercase().chars().filter(kept).collect();
    name.trim_start_matches(['-', '_']).to_owned()
}
