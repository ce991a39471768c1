//! `build`.

use indexmap::IndexMap;

use super::Input;
use super::environment;
use super::field::Field;
use super::paths;
use crate::stack::Build;

pub(super) fn of_service(field: &Field<'_>, input: &Input<'_>) -> Option<Build> {
    let mut build = Build {
        context: input.project_dir.clone(),
        dockerfile: "Dockerfile".to_owned(),
        args: IndexMap::new(),
        target: None,
        labels: IndexMap::new(),
        cargo: None,
        digest: String::new(),
        bases: Vec::new(),
    };
    if !field.is_map() {
        build.context = context(field, input)?;
        return Some(build);
    }
    field.only(&[
        "context",
        "dockerfile",
        "args",
        "target",
        "labels",
        "tags",
        "cache_from",
        "cache_to",
        "no_cache",
        "no_cache_filter",
        "pull",
        "x-mainstay",
    ]);
    field.passed_over(&["tags"], "an image is tagged with what it was made from");
    let built_when_changed = "an image is built when what it is made from changes";
    field.passed_over(&["cache_from", "cache_to", "no_cache", "no_cache_filter", "pull"], built_when_changed);
    for (key, value) in field.entries()? {
        match key {
            "context" => build.context = context(&value, input)?,
            "dockerfile" => build.dockerfile = value.word().unwrap_or(build.dockerfile),
            "target" => build.target = value.word(),
            "labels" => build.labels = environment::texts(&value),
            "args" => build.args = args(&value, input),
            "x-mainstay" => build.cargo = cargo(&value),
            _ => {}
        }
    }
    Some(build)
}

fn context(field: &Field<'_>, input: &Input<'_>) -> Option<String> {
    let text = field.text()?;
    if text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/") {
        field.error("a build context must be a folder of this machine", "clone the repository first");
        return None;
    }
    paths::of_host(field, &text, input)
}

/// An argument without a value takes the person's.
fn args(field: &Field<'_>, input: &Input<'_>) -> IndexMap<String, Option<String>> {
    let given = environment::pairs(field).into_iter();
    given.map(|(name, value)| (name.clone(), value.or_else(|| input.environment.get(&name).cloned()))).collect()
}

/// `x-mainstay: {cargo: PACKAGE}`.
fn cargo(field: &Field<'_>) -> Option<String> {
    field.only(&["cargo"]);
    let package = field.get("cargo").and_then(|package| package.word());
    if package.is_none() {
        field.error("`cargo` is missing: the package whose binary is built", "such as `x-mainstay: {cargo: todomvc}`");
    }
    package
}
