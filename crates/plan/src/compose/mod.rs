//! Compose text to [`Stack`].
//!
//! `yaml` makes a tree with positions, `variables` fills it in, `merge` lays
//! several files over each other; then each concern has a reader of its own
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
mod indent;
mod interpolate;
mod limits;
mod merge;
mod mounts;
mod namespaces;
mod networks;
mod paths;
mod ports;
mod project;
mod resolve;
mod service;
mod units;
mod variables;
mod words;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;

use crate::stack::Stack;
use field::{Complaint, Complaints, Field};
use variables::Variables;
use yaml::{Node, Position};

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
    let stack = parse_files(input, &complaints).and_then(|(project, tree)| read(&project, &tree, input, &complaints));
    let shown = |complaints: Vec<Complaint>| {
        let mut all = complaints;
        all.sort_by_key(|complaint| (complaint.at.file, complaint.at.line, complaint.at.column));
        let mut all: Vec<Diagnostic> = all.into_iter().map(|complaint| diagnostic(input, complaint)).collect();
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

/// The project's name, and all files as one tree with variables filled in.
fn parse_files(input: &Input<'_>, complaints: &Complaints) -> Option<(String, Node)> {
    let mut trees: Vec<Node> = Vec::new();
    for (index, file) in input.files.iter().enumerate() {
        match yaml::parse(index, &file.text) {
            Ok(tree) => trees.push(tree),
            Err(yaml::Problem { at, message }) => complaints.error(Complaint::of_file(at, message)),
        }
    }
    // What is missing would be complained about as well, and be no fault of its own.
    if !complaints.errors.borrow().is_empty() {
        return None;
    }
    let project = project::name(input, &trees, complaints);
    let mut environment = input.environment.clone();
    environment.extend(project.clone().map(|name| (project::VARIABLE.to_owned(), name)));
    let mut variables = Variables::new(&environment, complaints);
    trees.iter_mut().for_each(|tree| variables.fill(tree, ""));
    let Some(mut whole) = trees.into_iter().reduce(merge::merge) else {
        let message = "there is no compose file".to_owned();
        complaints.error(Complaint::of_file(Position::default(), message));
        return None;
    };
    merge::drop_resets(&mut whole);
    Some((project.unwrap_or_default(), whole))
}

fn read(project: &str, tree: &Node, input: &Input<'_>, complaints: &Complaints) -> Option<Stack> {
    let root = Field::root(tree, complaints);
    root.only(&["name", "version", "services", "networks", "volumes", "secrets", "configs"]);
    let top = root.entries()?;
    if let Some(version) = top.get("version") {
        version.warning("`version` means nothing any more", "take the line away");
    }
    top.get("name").and_then(Field::text);
    let section = |name: &str| top.get(name).and_then(Field::entries).unwrap_or_default();
    let fields = section("services");
    if fields.is_empty() || fields.len() > MOST_SERVICES {
        root.error(format!("a stack has from 1 to {MOST_SERVICES} services, and this has {}", fields.len()), "");
        return None;
    }
    let known: Vec<&str> = fields.keys().copied().collect();
    let mut services = IndexMap::new();
    for (name, field) in &fields {
        if let Some(read) = service::read(name, field, input, project) {
            services.insert(*name, (field.clone(), read));
        }
    }
    let sections = resolve::Sections {
        services: known,
        networks: section("networks"),
        volumes: section("volumes"),
        secrets: section("secrets"),
        configs: section("configs"),
    };
    Some(resolve::stack(project, services, &sections, input))
}
