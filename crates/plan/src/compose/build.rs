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
    field.only(&["context", "dockerfile", "args", "target", "labels", "tags", "x-mainstay"]);
    for (key, value) in field.entries()? {
        match key {
            "context" => build.context = context(&value, input)?,
            "dockerfile" => build.dockerfile = value.text()?,
            "target" => build.target = value.text(),
            "labels" => build.labels = environment::texts(&value),
            "args" => build.args = args(&value, input),
            "tags" => value.warning("`tags` are given by mainstay: an image is tagged with what it was made from", ""),
            "x-mainstay" => build.cargo = cargo(&value),
            _ => {}
        }
    }
    Some(build)
}

fn context(field: &Field<'_>, input: &Input<'_>) -> Option<String> {
    let text = field.text()?;
    if text.contains("://") || text.starts_with("git@") {
        field.error("a build context must be a folder of this machine", "clone the repository first");
        return None;
    }
    Some(paths::resolve(&text, &input.project_dir))
}

/// An argument without a value takes the person's.
fn args(field: &Field<'_>, input: &Input<'_>) -> IndexMap<String, Option<String>> {
    let given = environment::pairs(field).into_iter();
    given.map(|(name, value)| (name.clone(), value.or_else(|| input.environment.get(&name).cloned()))).collect()
}

fn cargo(field: &Field<'_>) -> Option<String> {
    field.only(&["cargo"]);
    field.entries()?.get("cargo")?.text()
}
