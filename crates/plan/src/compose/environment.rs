//! `environment`, `env_file`, `labels` and the like: names with values.

use indexmap::IndexMap;

use super::Input;
use super::dotenv;
use super::field::Field;

/// Names with values, as a mapping or as a list of `NAME=value`. A name without
/// a value is `None`.
pub(super) fn pairs(field: &Field<'_>) -> IndexMap<String, Option<String>> {
    let mut pairs = IndexMap::new();
    if field.is_list() {
        for item in field.items().unwrap_or_default() {
            let Some(text) = item.text() else { continue };
            match text.split_once('=') {
                Some((name, value)) => pairs.insert(name.to_owned(), Some(value.to_owned())),
                None => pairs.insert(text, None),
            };
        }
        return pairs;
    }
    for (name, value) in field.entries().unwrap_or_default() {
        let value = if value.is_null() { None } else { value.text() };
        pairs.insert(name.to_owned(), value);
    }
    pairs
}

/// The same, where a name without a value has an empty one.
pub(super) fn texts(field: &Field<'_>) -> IndexMap<String, String> {
    pairs(field).into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
}

/// A container's environment: `environment` over later `env_file`s over earlier
/// ones. A name without a value takes the person's, and is taken away from the
/// image's where the person has none.
pub(super) fn of_service(
    environment: Option<&Field<'_>>,
    env_file: Option<&Field<'_>>,
    input: &Input<'_>,
) -> IndexMap<String, Option<String>> {
    let mut all: IndexMap<String, Option<String>> = IndexMap::new();
    for field in env_file.map(files).unwrap_or_default() {
        let lookup = |name: &str| input.environment.get(name).cloned();
        for (name, value) in read_file(&field, input, &lookup) {
            all.insert(name, Some(value));
        }
    }
    for (name, value) in environment.map(pairs).unwrap_or_default() {
        let value = value.or_else(|| input.environment.get(&name).cloned());
        all.insert(name, value);
    }
    all
}

/// One path, a list of paths, or a list of mappings.
fn files<'a>(field: &Field<'a>) -> Vec<Field<'a>> {
    if field.is_list() { field.items().unwrap_or_default() } else { vec![field.clone()] }
}

fn read_file(field: &Field<'_>, input: &Input<'_>, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let (mut path, mut required, mut raw) = (None, true, false);
    if field.is_map() {
        field.only(&["path", "required", "format"]);
        for (key, value) in field.entries().unwrap_or_default() {
            match key {
                "path" => path = value.text(),
                "required" => required = value.boolean().unwrap_or(true),
                "format" => raw = value.text().is_some_and(|format| format == "raw"),
                _ => {}
            }
        }
    } else {
        path = field.text();
    }
    let Some(path) = path else { return Vec::new() };
    match (input.read)(&super::paths::resolve(&path, &input.project_dir)) {
        Ok(Some(text)) if raw => {
            let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
        }
        Ok(Some(text)) => dotenv::parse(&text, lookup).unwrap_or_else(|error| {
            field.error(format!("`{path}`: {error}"), "");
            Vec::new()
        }),
        Ok(None) if !required => Vec::new(),
        Ok(None) => {
            field.error(format!("the file `{path}` is missing"), "make it, or say `required: false`");
            Vec::new()
        }
        Err(error) => {
            field.error(format!("the file `{path}` cannot be read: {error}"), "");
            Vec::new()
        }
    }
}
