//! A place in the tree with its path: every typed reader asks it, and every
//! complaint that it takes carries file, line, column and key.

use std::cell::RefCell;

use indexmap::IndexMap;

use super::hints;
use super::units;
use super::yaml::{Kind, Node, Position};

/// Nobody reads more at once, and a file that is made to have more costs no time.
const MOST_COMPLAINTS: usize = 100;

/// Where complaints are collected, so that one run shows all of them.
#[derive(Default)]
pub(super) struct Complaints {
    pub(super) errors: RefCell<Vec<Complaint>>,
    pub(super) warnings: RefCell<Vec<Complaint>>,
}

impl Complaints {
    pub(super) fn error(&self, complaint: Complaint) {
        add(&self.errors, complaint);
    }

    pub(super) fn warning(&self, complaint: Complaint) {
        add(&self.warnings, complaint);
    }

    /// More errors would not be shown.
    pub(super) fn is_full(&self) -> bool {
        self.errors.borrow().len() >= MOST_COMPLAINTS
    }
}

fn add(to: &RefCell<Vec<Complaint>>, complaint: Complaint) {
    let mut all = to.borrow_mut();
    if all.len() < MOST_COMPLAINTS {
        all.push(complaint);
    }
}

/// An error or a warning, with its place.
#[derive(Debug, Clone)]
pub(super) struct Complaint {
    pub(super) at: Position,
    pub(super) key: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Complaint {
    /// About a file as a whole, or about what is no tree yet.
    pub(super) fn of_file(at: Position, message: String) -> Self {
        Self { at, key: String::new(), message, hint: None }
    }
}

/// A value, where it stands, and who takes complaints.
#[derive(Clone)]
pub(super) struct Field<'a> {
    pub(super) node: &'a Node,
    pub(super) path: String,
    /// Where its key stands; complaints about a key point there.
    pub(super) key_at: Position,
    complaints: &'a Complaints,
}

impl<'a> Field<'a> {
    pub(super) fn root(node: &'a Node, complaints: &'a Complaints) -> Self {
        Self { node, path: String::new(), key_at: node.at, complaints }
    }

    pub(super) fn error(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.complain(&self.complaints.errors, self.node.at, message.into(), hint.into());
    }

    pub(super) fn key_error(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.complain(&self.complaints.errors, self.key_at, message.into(), hint.into());
    }

    pub(super) fn warning(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.complain(&self.complaints.warnings, self.key_at, message.into(), hint.into());
    }

    fn complain(&self, to: &RefCell<Vec<Complaint>>, at: Position, message: String, hint: String) {
        let hint = Some(hint).filter(|hint| !hint.is_empty());
        add(to, Complaint { at, key: self.path.clone(), message, hint });
    }

    /// More errors would not be shown.
    pub(super) fn is_complained_enough(&self) -> bool {
        self.complaints.is_full()
    }

    /// What it is, for messages.
    fn kind(&self) -> &'static str {
        match &self.node.kind {
            _ if self.node.is_null() => "nothing",
            Kind::Scalar { .. } => "one value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    fn expected<T>(&self, what: &str, example: &str) -> Option<T> {
        let hint = if example.is_empty() { String::new() } else { format!("such as `{example}`") };
        let found = match &self.node.kind {
            Kind::Scalar { text, .. } if !self.node.is_null() => format!("`{}`", shorten(text)),
            _ => self.kind().to_owned(),
        };
        self.error(format!("expected {what}, found {found}"), hint);
        None
    }

    pub(super) fn is_null(&self) -> bool {
        self.node.is_null()
    }

    /// The text of a scalar, as written.
    pub(super) fn scalar(&self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Scalar { text, .. } if !self.node.is_null() => Some(text),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<String> {
        match self.scalar() {
            Some(text) => Some(text.to_owned()),
            None => self.expected("a text", ""),
        }
    }

    /// A text; an empty one, which an unset variable leaves, says nothing.
    pub(super) fn word(&self) -> Option<String> {
        self.text().filter(|text| !text.is_empty())
    }

    /// One of the words that there are.
    pub(super) fn choice<T: Copy>(&self, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.error(format!("`{}` is no {what}", shorten(&text)), hints::one_of(&text, &words, ""));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// A boolean of YAML 1.2, or with a warning one of YAML 1.1.
    pub(super) fn boolean(&self) -> Option<bool> {
        let word = self.scalar().map(str::to_ascii_lowercase);
        let (meaning, old) = match word.as_deref() {
            Some("true") => (true, false),
            Some("false") => (false, false),
            Some("yes" | "y" | "on") => (true, true),
            Some("no" | "n" | "off") => (false, true),
            _ => return self.expected("true or false", ""),
        };
        if old {
            self.warning(format!("`{}` is a text in YAML 1.2", word.unwrap_or_default()), format!("write `{meaning}`"));
        }
        Some(meaning)
    }

    /// The value of a key of a mapping, where it is one and has it.
    pub(super) fn get(&self, key: &str) -> Option<Field<'a>> {
        match &self.node.kind {
            Kind::Map(_) => self.entries()?.shift_remove(key),
            _ => None,
        }
    }

    /// Where the value of `key` names something: an item of a list that says it,
    /// or an entry of a mapping; else where the value is, else this.
    pub(super) fn mention(&self, key: &str, says: &dyn Fn(&Field<'a>) -> bool) -> Field<'a> {
        let Some(value) = self.get(key) else { return self.clone() };
        let inside: Vec<Field<'a>> = match &value.node.kind {
            Kind::List(_) => value.items().unwrap_or_default(),
            Kind::Map(_) => value.entries().unwrap_or_default().into_values().collect(),
            Kind::Scalar { .. } => Vec::new(),
        };
        inside.into_iter().find(says).unwrap_or(value)
    }

    /// The last step of the path: the key of a mapping's entry.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.path.strip_suffix(name).is_some_and(|before| before.ends_with('.'))
    }

    pub(super) fn number<T: std::str::FromStr>(&self) -> Option<T> {
        match self.scalar().and_then(|text| text.parse().ok()) {
            Some(number) => Some(number),
            None => self.expected("a whole number in range", "3"),
        }
    }

    /// A mode such as `0440`, `0o440` or `"440"`: always octal, as everybody means it.
    pub(super) fn octal(&self) -> Option<u32> {
        let digits = self.scalar().map(|text| text.strip_prefix("0o").unwrap_or(text));
        let mode = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()).filter(|mode| *mode <= 0o7777);
        mode.map_or_else(|| self.expected("a mode in octal digits", "0440"), Some)
    }

    pub(super) fn duration_ms(&self) -> Option<u64> {
        match self.scalar().and_then(units::duration_ms) {
            Some(ms) => Some(ms),
            None => self.expected("a duration with its unit", "1m30s"),
        }
    }

    pub(super) fn bytes(&self) -> Option<u64> {
        match self.scalar().and_then(units::bytes) {
            Some(bytes) => Some(bytes),
            None => self.expected("a size", "512m"),
        }
    }

    pub(super) fn nano_cpus(&self) -> Option<u64> {
        match self.scalar().and_then(units::nano_cpus) {
            Some(nanos) => Some(nanos),
            None => self.expected("a number of cores", "0.5"),
        }
    }

    fn child(&self, node: &'a Node, step: &str, key_at: Position) -> Field<'a> {
        Field { node, path: format!("{}{step}", self.path), key_at, complaints: self.complaints }
    }

    /// The items of a list; nothing is an empty one.
    pub(super) fn items(&self) -> Option<Vec<Field<'a>>> {
        match &self.node.kind {
            Kind::List(items) => {
                let of = |(index, item): (usize, &'a Node)| self.child(item, &format!("[{index}]"), item.at);
                Some(items.iter().enumerate().map(of).collect())
            }
            _ if self.is_null() => Some(Vec::new()),
            _ => self.expected("a list", ""),
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.kind, Kind::List(_))
    }

    /// Nothing, an empty text, or a collection without items.
    pub(super) fn is_empty(&self) -> bool {
        match &self.node.kind {
            Kind::Scalar { text, .. } => self.is_null() || text.is_empty(),
            Kind::List(items) => items.is_empty(),
            Kind::Map(entries) => entries.is_empty(),
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.node.kind, Kind::Map(_))
    }

    /// The fields of a mapping by key; nothing is an empty one.
    pub(super) fn entries(&self) -> Option<IndexMap<&'a str, Field<'a>>> {
        match &self.node.kind {
            Kind::Map(entries) => {
                let dot = if self.path.is_empty() { "" } else { "." };
                let of = |(key, value): &'a (super::yaml::Key, Node)| {
                    (key.name.as_str(), self.child(value, &format!("{dot}{}", key.name), key.at))
                };
                Some(entries.iter().map(of).collect())
            }
            _ if self.is_null() => Some(IndexMap::new()),
            _ => self.expected("a mapping", ""),
        }
    }

    /// Texts, given as a list or as a single one.
    pub(super) fn texts(&self) -> Vec<String> {
        if self.is_list() || self.is_null() {
            return self.items().unwrap_or_default().iter().filter_map(Field::text).collect();
        }
        self.text().into_iter().collect()
    }

    /// Warns about keys that are understood and change nothing here.
    pub(super) fn passed_over(&self, keys: &[&str], why: &str) {
        for (key, field) in self.entries().unwrap_or_default() {
            if keys.contains(&key) {
                field.warning(format!("`{key}` is passed over: {why}"), "");
            }
        }
    }

    /// Complains about every key that is not known. `x-` keys are for others.
    pub(super) fn only(&self, known: &[&str]) {
        for (key, field) in self.entries().unwrap_or_default() {
            if known.contains(&key) || (key.starts_with("x-") && key != "x-mainstay") {
                continue;
            }
            let reason = hints::unsupported(&field.path);
            let hint = if reason.is_empty() { hints::near(key, known) } else { reason.to_owned() };
            field.key_error(format!("the key `{key}` is not supported here"), hint);
        }
    }
}

/// A stranger's text as it may stand in a message.
pub(super) fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        text.to_owned()
    } else {
        format!("{}...", text.chars().take(LONGEST).collect::<String>())
    }
}
