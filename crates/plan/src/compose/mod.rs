//! Compose text to [`Stack`].
//!
//! `yaml` makes a tree with positions, `interpolate` fills variables in, `merge`
//! lays several files over each other; then each concern has a reader of its own
//! (`service` hands its keys to them), and `resolve` puts the stack together.
//! Every complaint carries file, line, column, key and a hint, and one run
//! collects all of them. No input panics.

mod build;
mod deploy;
pub mod dotenv;
mod environment;
mod field;
mod files;
mod health;
mod hints;
mod interpolate;
mod merge;
mod mounts;
mod networks;
mod paths;
mod ports;
mod resolve;
mod service;
mod units;
mod words;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use indexmap::IndexMap;

use crate::stack::Stack;
use field::{Complaint, Complaints, Field};
use yaml::{Kind, Node};

/// More services than this are no stack for one box.
const MOST_SERVICES: usize = 1000;

/// A compose file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its path as the person gave it, for messages.
    pub path: String,
    /// What stands in it.
    pub text: String,
}

/// Everything that a stack is read from.
pub struct Input<'a> {
    /// The files, merged in order.
    pub files: Vec<SourceFile>,
    /// The person's environment, laid over `.env`.
    pub environment: BTreeMap<String, String>,
    /// The folder that relative paths start from, absolute.
    pub project_dir: String,
    /// The project's name, where the person gives one.
    pub project_name: Option<String>,
    /// The active profiles; `*` is all.
    pub profiles: Vec<String>,
    /// Reads an `env_file` by its absolute path; `None` where there is none.
    pub read: &'a dyn Fn(&str) -> Result<Option<String>, String>,
}

/// A stack, and what a person should know about its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// What the file asks for.
    pub stack: Stack,
    /// What was passed over, or became empty.
    pub warnings: Vec<Diagnostic>,
}

/// A complaint with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the person gave it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The path of the key, such as `services.app.ports[0]`; empty for the whole file.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n  hint: {hint}"))
    }
}

/// Every complaint of a run; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|diagnostic| writeln!(f, "{diagnostic}"))
    }
}

impl std::error::Error for Diagnostics {}

/// Reads a stack.
///
/// # Errors
///
/// Everything that is wrong with the files, each with its place.
pub fn load(input: &Input<'_>) -> Result<Loaded, Diagnostics> {
    let complaints = Complaints::default();
    let stack = parse_files(input, &complaints).and_then(|tree| read(&tree, input, &complaints));
    let shown = |complaints: Vec<Complaint>| {
        let mut all: Vec<Diagnostic> = complaints.into_iter().map(|complaint| diagnostic(input, complaint)).collect();
        all.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        all.dedup();
        all
    };
    match (stack, complaints.errors.into_inner()) {
        (Some(stack), errors) if errors.is_empty() => {
            Ok(Loaded { stack, warnings: shown(complaints.warnings.into_inner()) })
        }
        (_, errors) => Err(Diagnostics(shown(errors))),
    }
}

fn diagnostic(input: &Input<'_>, complaint: Complaint) -> Diagnostic {
    Diagnostic {
        file: input.files.get(complaint.at.file).map(|file| file.path.clone()).unwrap_or_default(),
        line: complaint.at.line,
        column: complaint.at.column,
        key: complaint.key,
        message: complaint.message,
        hint: complaint.hint,
    }
}

/// All files as one tree, with variables filled in.
fn parse_files(input: &Input<'_>, complaints: &Complaints) -> Option<Node> {
    let mut whole: Option<Node> = None;
    for (index, file) in input.files.iter().enumerate() {
        let mut tree = match yaml::parse(index, &file.text) {
            Ok(tree) => tree,
            Err(problem) => {
                let complaint = Complaint { at: problem.at, key: String::new(), message: problem.message, hint: None };
                complaints.errors.borrow_mut().push(complaint);
                continue;
            }
        };
        fill_in(&mut tree, "", &input.environment, complaints);
        whole = Some(match whole {
            Some(base) => merge::merge(base, tree),
            None => tree,
        });
    }
    let mut whole = whole?;
    merge::drop_resets(&mut whole);
    Some(whole)
}

/// Fills variables into values, never into keys.
fn fill_in(node: &mut Node, path: &str, variables: &BTreeMap<String, String>, complaints: &Complaints) {
    let at = node.at;
    match &mut node.kind {
        Kind::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                fill_in(item, &format!("{path}[{index}]"), variables, complaints);
            }
        }
        Kind::Map(entries) => {
            let dot = if path.is_empty() { "" } else { "." };
            for (key, value) in entries {
                fill_in(value, &format!("{path}{dot}{}", key.name), variables, complaints);
            }
        }
        Kind::Scalar { text, .. } if text.contains('$') => match interpolate::fill(text, variables) {
            Ok(filled) => {
                *text = filled.text;
                let warning = |name: &String| Complaint {
                    at,
                    key: path.to_owned(),
                    message: format!("the variable `{name}` is not set, and is taken as empty"),
                    hint: Some(format!("set it in `.env`, or give a default: `${{{name}:-value}}`")),
                };
                complaints.warnings.borrow_mut().extend(filled.unset.iter().map(warning));
            }
            Err(message) => {
                let complaint = Complaint { at, key: path.to_owned(), message, hint: None };
                complaints.errors.borrow_mut().push(complaint);
            }
        },
        Kind::Scalar { .. } => {}
    }
}

fn read(tree: &Node, input: &Input<'_>, complaints: &Complaints) -> Option<Stack> {
    let root = Field::root(tree, complaints);
    root.only(&["name", "version", "services", "networks", "volumes", "secrets", "configs"]);
    let top = root.entries()?;
    if let Some(version) = top.get("version") {
        version.warning("`version` means nothing any more", "take the line away");
    }
    let project = project_name(input, &root, top.get("name"))?;
    let section = |name: &str| top.get(name).and_then(Field::entries).unwrap_or_default();
    let fields = section("services");
    if fields.is_empty() || fields.len() > MOST_SERVICES {
        root.error(format!("a stack has from 1 to {MOST_SERVICES} services, and this has {}", fields.len()), "");
        return None;
    }
    let mut services = IndexMap::new();
    for (name, field) in fields {
        if let Some(read) = service::read(name, &field, input, &project) {
            services.insert(name, (field, read));
        }
    }
    let sections = resolve::Sections {
        networks: section("networks"),
        volumes: section("volumes"),
        secrets: section("secrets"),
        configs: section("configs"),
    };
    // A service that could not be read would be missed by those that depend on it.
    if !complaints.errors.borrow().is_empty() {
        return None;
    }
    Some(resolve::stack(project, services, &sections, input))
}

/// The person's name for the project, the file's, or the folder's, as Docker
/// Compose has it: what was made under another name would be lost from sight.
fn project_name(input: &Input<'_>, root: &Field<'_>, field: Option<&Field<'_>>) -> Option<String> {
    let given = input.project_name.clone().or_else(|| field.and_then(Field::text));
    let Some(name) = given else {
        let name = normalised(paths::last(&input.project_dir));
        return Some(if name.is_empty() { "default".to_owned() } else { name });
    };
    if normalised(&name) != name || name.is_empty() {
        let asked = field.filter(|_| input.project_name.is_none()).unwrap_or(root);
        asked.error(
            format!("`{name}` cannot be a project's name"),
            "lower-case letters, digits, `-` and `_`; the first a letter or a digit",
        );
        return None;
    }
    Some(name)
}

fn normalised(name: &str) -> String {
    let kept: BTreeSet<char> = ('a'..='z').chain('0'..='9').chain(['-', '_']).collect();
    let name: String = name.to_lowercase().chars().filter(|c| kept.contains(c)).collect();
    name.trim_start_matches(['-', '_']).to_owned()
}
