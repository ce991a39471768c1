//! `environment`, `env_file`, `labels` and the like: names with values.

use indexmap::IndexMap;

use super::Input;
use super::dotenv;
use super::field::Field;
use super::paths;

/// More files for one service are a mistake.
const MOST_FILES: usize = 64;

/// A file of variables has a few lines.
const LARGEST_FILE_BYTES: usize = 1 << 20;

/// Names with values, as a mapping or as a list of `NAME=value`. A name without
/// a value is `None`.
pub(super) fn pairs(field: &Field<'_>) -> IndexMap<String, Option<String>> {
    let mut pairs = IndexMap::new();
    let mut add = |field: &Field<'_>, name: &str, value: Option<String>| {
        if name.is_empty() {
            field.error("there is a value without a name", "write `NAME=value`");
        } else {
            pairs.insert(name.to_owned(), value);
        }
    };
    if field.is_list() {
        for item in field.items().unwrap_or_default() {
            if item.is_map() {
                item.error("expected `NAME=value`, found a mapping", "write `NAME=value`, or take the `-` away");
                continue;
            }
            let Some(text) = item.text() else { continue };
            match text.split_once('=') {
                Some((name, value)) => add(&item, name, Some(value.to_owned())),
                None => add(&item, &text, None),
            }
        }
        return pairs;
    }
    for (name, value) in field.entries().unwrap_or_default() {
        let text = if value.is_null() { None } else { value.text() };
        add(&value, name, text);
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
    let persons = |name: &str| input.environment.get(name).cloned();
    let own: IndexMap<String, Option<String>> = environment
        .map(pairs)
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name.clone(), value.or_else(|| persons(&name))))
        .collect();
    let mut all: IndexMap<String, Option<String>> = IndexMap::new();
    for field in env_file.map(files).unwrap_or_default() {
        // The values of a file may name the person's variables, the service's own, and those of earlier files.
        let earlier = all.clone();
        let lookup = |name: &str| {
            persons(name).or_else(|| own.get(name).cloned().flatten()).or_else(|| earlier.get(name).cloned().flatten())
        };
        all.extend(read_file(&field, input, &lookup).into_iter().map(|(name, value)| (name, Some(value))));
    }
    all.extend(own);
    all
}

/// One path, a list of paths, or a list of mappings.
fn files<'a>(field: &Field<'a>) -> Vec<Field<'a>> {
    let files = if field.is_list() { field.items().unwrap_or_default() } else { vec![field.clone()] };
    if files.len() > MOST_FILES {
        field.error(format!("{} files of variables are more than {MOST_FILES}", files.len()), "");
        return Vec::new();
    }
    files
}

fn read_file(field: &Field<'_>, input: &Input<'_>, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let (mut path, mut required, mut raw) = (None, true, false);
    if field.is_map() {
        field.only(&["path", "required", "format"]);
        for (key, value) in field.entries().unwrap_or_default() {
            match key {
                "path" => path = value.text(),
                "required" => required = value.boolean().unwrap_or(true),
                "format" => raw = value.choice("format of a file", &[("raw", true)]).unwrap_or(false),
                _ => {}
            }
        }
        if field.get("path").is_none() {
            field.error("`path` is missing: which file", "such as `{path: app.env}`");
        }
    } else {
        path = field.text();
    }
    let Some(path) = path.and_then(|path| paths::of_host(field, &path, input)) else { return Vec::new() };
    let text = match (input.read)(&path) {
        Ok(Some(text)) if text.len() <= LARGEST_FILE_BYTES => text,
        Ok(Some(_)) => {
            field.error(format!("the file `{path}` is larger than {} KiB", LARGEST_FILE_BYTES >> 10), "");
            return Vec::new();
        }
        Ok(None) if !required => return Vec::new(),
        Ok(None) => {
            field.error(format!("the file `{path}` is missing"), "make it, or say `{path: ..., required: false}`");
            return Vec::new();
        }
        Err(error) => {
            field.error(format!("the file `{path}` cannot be read: {error}"), "");
            return Vec::new();
        }
    };
    let parsed = if raw { dotenv::parse_raw(&text, lookup) } else { dotenv::parse(&text, lookup) };
    parsed.unwrap_or_else(|error| {
        field.error(format!("`{path}`: {error}"), "");
        Vec::new()
    })
}
