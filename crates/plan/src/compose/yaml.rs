//! YAML text to a tree with positions: anchors expanded, `<<` merged, scalars
//! kept as they were written.
//!
//! Everything is bounded, since the text may be anybody's: its size, its depth,
//! and how far aliases multiply it ("billion laughs").

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::indent::Text;

/// A compose file of a whole data centre has a few thousand lines.
const LARGEST_TEXT_BYTES: usize = 1 << 20;
const DEEPEST: usize = 64;
/// With what aliases repeat; our own file has 300.
const MOST_NODES: usize = 100_000;
/// With what aliases repeat.
const MOST_TEXT_BYTES: usize = 8 << 20;
/// A key is repeated in the path of everything below it.
const LONGEST_KEY: usize = 512;

/// Where something stands, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Position {
    /// Which of the files.
    pub(super) file: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) at: Position,
    pub(super) change: Change,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A scalar; a quoted one is text whatever it looks like.
    Scalar { text: String, quoted: bool },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) at: Position,
}

/// What `!reset` and `!override` ask of a merge with an earlier file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Change {
    /// The usual merge.
    #[default]
    Merge,
    /// The value takes the place of the earlier one.
    Override,
    /// The earlier one is taken away.
    Reset,
}

/// Why there is no tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: Position,
    pub(super) message: String,
}

impl Node {
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, quoted: false } if ["", "~", "null", "Null", "NULL"].contains(&text.as_str()))
    }

    pub(super) fn null(at: Position) -> Self {
        Self { kind: Kind::Scalar { text: String::new(), quoted: false }, at, change: Change::Merge }
    }

    pub(super) fn scalar(text: String, at: Position) -> Self {
        Self { kind: Kind::Scalar { text, quoted: true }, at, change: Change::Merge }
    }
}

/// Reads one file.
pub(super) fn parse(file: usize, text: &str) -> Result<Node, Problem> {
    let start = Position { file, line: 1, column: 1 };
    if text.len() > LARGEST_TEXT_BYTES {
        return Err(Problem {
            at: start,
            message: format!("the file is larger than {} KiB", LARGEST_TEXT_BYTES >> 10),
        });
    }
    // Windows editors put a byte order mark first.
    let mut text = Text::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    loop {
        match parse_once(file, &text) {
            Err(Failure::Syntax { complaint, line, .. }) if text.answer(&complaint, line) => {}
            Err(Failure::Syntax { complaint, line, column }) => {
                let at = Position { file, line, column: text.original_column(line, column) };
                return Err(Problem { at, message: format!("this is not YAML: {complaint}") });
            }
            Err(Failure::Tree(problem)) => return Err(problem),
            Ok(root) => {
                return Ok(root.unwrap_or_else(|| Node {
                    kind: Kind::Map(Vec::new()),
                    at: start,
                    change: Change::Merge,
                }));
            }
        }
    }
}

enum Failure {
    /// The parser does not understand the text.
    Syntax { complaint: String, line: usize, column: usize },
    /// We do not take what it says.
    Tree(Problem),
}

fn parse_once(file: usize, text: &Text) -> Result<Option<Node>, Failure> {
    let mut tree =
        Tree { file, text, anchors: HashMap::new(), stack: Vec::new(), extent: Extent::default(), root: None };
    for event in Parser::new_from_str(&text.text) {
        let (event, span) = event.map_err(|error| Failure::Syntax {
            complaint: error.info().to_owned(),
            line: error.marker().line(),
            column: error.marker().col() + 1,
        })?;
        tree.take(event, span).map_err(Failure::Tree)?;
    }
    Ok(tree.root)
}

/// The tree while it grows.
struct Tree<'t> {
    file: usize,
    text: &'t Text,
    anchors: HashMap<usize, Node>,
    stack: Vec<Open>,
    /// What there is so far, aliases counted.
    extent: Extent,
    root: Option<Node>,
}

/// How large a tree is.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// A collection that has not ended.
struct Open {
    node: Node,
    anchor: usize,
    /// In a mapping: the key whose value comes next.
    key: Option<Key>,
    /// In a mapping: the keys so far.
    seen: HashSet<String>,
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let line = span.start.line();
        let column = self.text.original_column(line, span.start.col() + 1);
        let at = Position { file: self.file, line, column };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain;
                let kind = Kind::Scalar { text: text.into_owned(), quoted };
                self.add(Node { kind, at, change: change(tag.as_deref(), at)? }, anchor)
            }
            Event::SequenceStart(anchor, tag) => self.open(Kind::List(Vec::new()), at, anchor, tag.as_deref()),
            Event::MappingStart(anchor, tag) => self.open(Kind::Map(Vec::new()), at, anchor, tag.as_deref()),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Problem { at, message: "an alias stands inside of what it names".to_owned() });
                };
                let more = extent(&node);
                self.check_depth(more.depth, at)?;
                // The node itself is counted where it is added.
                self.count(more.nodes - 1, more.bytes, at)?;
                self.add(Node { at, ..node }, 0)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Problem { at, message: "a compose file is one document, and a second one begins here".to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), Problem> {
        self.extent.nodes += nodes;
        self.extent.bytes += bytes;
        if self.extent.nodes > MOST_NODES {
            return Err(Problem {
                at,
                message: format!("the file has more than {MOST_NODES} values, aliases counted"),
            });
        }
        if self.extent.bytes > MOST_TEXT_BYTES {
            return Err(Problem {
                at,
                message: format!("the file has more than {} MiB of text, aliases counted", MOST_TEXT_BYTES >> 20),
            });
        }
        Ok(())
    }

    fn check_depth(&self, more: usize, at: Position) -> Result<(), Problem> {
        if self.stack.len() + more > DEEPEST {
            return Err(Problem { at, message: format!("it is nested deeper than {DEEPEST} levels") });
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind, at: Position, anchor: usize, tag: Option<&Tag>) -> Result<(), Problem> {
        self.check_depth(1, at)?;
        let node = Node { kind, at, change: change(tag, at)? };
        self.stack.push(Open { node, anchor, key: None, seen: HashSet::new() });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        let Some(Open { mut node, anchor, .. }) = self.stack.pop() else { return Ok(()) };
        merge_keys(&mut node)?;
        self.add(node, anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        let bytes = match &node.kind {
            Kind::Scalar { text, .. } => text.len(),
            _ => 0,
        };
        self.count(1, bytes, node.at)?;
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.kind, open.key.take()) {
            (Kind::List(items), _) => items.push(node),
            (Kind::Map(entries), Some(key)) => entries.push((key, node)),
            (Kind::Map(_), None) => open.key = Some(key(node, &mut open.seen)?),
            (Kind::Scalar { .. }, _) => {}
        }
        Ok(())
    }
}

/// A key that is new to its mapping. `<<` may stand twice; every other one once.
fn key(node: Node, seen: &mut HashSet<String>) -> Result<Key, Problem> {
    let at = node.at;
    let Kind::Scalar { text: name, .. } = node.kind else {
        return Err(Problem { at, message: "a key must be a plain word".to_owned() });
    };
    if name.len() > LONGEST_KEY {
        return Err(Problem { at, message: format!("a key is longer than {LONGEST_KEY} bytes") });
    }
    if !seen.insert(name.clone()) && name != "<<" {
        return Err(Problem { at, message: format!("the key `{name}` stands twice") });
    }
    Ok(Key { name, at })
}

fn change(tag: Option<&Tag>, at: Position) -> Result<Change, Problem> {
    match tag.map(|tag| (tag.handle.as_str(), tag.suffix.as_str())) {
        None => Ok(Change::Merge),
        Some(("!", "reset")) => Ok(Change::Reset),
        Some(("!", "override")) => Ok(Change::Override),
        Some((handle, _)) if handle.starts_with("tag:yaml.org") => Ok(Change::Merge),
        Some((handle, suffix)) => Err(Problem {
            at,
            message: format!("the tag `{handle}{suffix}` is not known; `!reset` and `!override` are"),
        }),
    }
}

fn extent(node: &Node) -> Extent {
    let below = |children: &mut dyn Iterator<Item = &Node>| {
        children.map(extent).fold(Extent { nodes: 1, bytes: 0, depth: 1 }, |sum, child| Extent {
            nodes: sum.nodes + child.nodes,
            bytes: sum.bytes + child.bytes,
            depth: sum.depth.max(child.depth + 1),
        })
    };
    match &node.kind {
        Kind::Scalar { text, .. } => Extent { nodes: 1, bytes: text.len(), depth: 0 },
        Kind::List(items) => below(&mut items.iter()),
        Kind::Map(entries) => below(&mut entries.iter().map(|(_, value)| value)),
    }
}

/// `<<: *base` and `<<: [*a, *b]`: own keys go before merged ones, earlier
/// merged ones before later ones (<https://yaml.org/type/merge.html>).
fn merge_keys(node: &mut Node) -> Result<(), Problem> {
    let Kind::Map(entries) = &mut node.kind else { return Ok(()) };
    if !entries.iter().any(|(key, _)| key.name == "<<") {
        return Ok(());
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.drain(..).partition(|(key, _)| key.name == "<<");
    let mut seen: HashSet<String> = own.iter().map(|(key, _)| key.name.clone()).collect();
    for (key, value) in merges {
        let sources = match value.kind {
            Kind::List(items) => items,
            _ => vec![value],
        };
        for source in sources {
            let Kind::Map(fields) = source.kind else {
                return Err(Problem { at: key.at, message: "`<<` takes a mapping or a list of mappings".to_owned() });
            };
            for (field, value) in fields {
                if seen.insert(field.name.clone()) {
                    own.push((field, value));
                }
            }
        }
    }
    *entries = own;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(node: &Node) -> String {
        match &node.kind {
            Kind::Scalar { text, .. } => text.clone(),
            Kind::List(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(" ")),
            Kind::Map(entries) => {
                let fields: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{}={}", key.name, text(value))).collect();
                format!("{{{}}}", fields.join(" "))
            }
        }
    }

    fn check(yaml: &str, expected: &str) {
        let shown = match parse(0, yaml) {
            Ok(node) => text(&node),
            Err(problem) => format!("{}:{}: {}", problem.at.line, problem.at.column, problem.message),
        };
        assert_eq!(shown, expected, "{yaml}");
    }

    #[test]
    fn scalars_stay_as_written() {
        check("{a: TRUE, b: 16.80, c: no, d: 08, e: 22:22, f: 0x1F}", "{a=TRUE b=16.80 c=no d=08 e=22:22 f=0x1F}");
    }

    #[test]
    fn merges_go_behind_own_keys() {
        check("a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}", "{a={x=1 y=1} b={y=2 x=1}}");
        check("a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b]}", "{a={x=1} b={x=2 z=3} c={x=1 z=3}}");
        check("a: {<<: 1}", "1:5: `<<` takes a mapping or a list of mappings");
    }

    #[test]
    fn strangers_are_bounded() {
        check("a: 1\na: 2", "2:1: the key `a` stands twice");
        check("--- 1\n--- 2", "2:1: a compose file is one document, and a second one begins here");
        check(&"[".repeat(100), "1:65: it is nested deeper than 64 levels");
        let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, of) in ["ba", "cb", "dc", "ed", "fe"].iter().map(|pair| pair.split_at(1)) {
            laughs.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 10].join(", ")));
        }
        assert!(parse(0, &laughs).unwrap_err().message.contains("more than 100000 values"));
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 19), vec!["*a"; 20].join(", "));
        assert!(parse(0, &long).unwrap_err().message.contains("8 MiB of text"));
        assert!(parse(0, &format!("{}: 1", "k".repeat(600))).unwrap_err().message.contains("longer than 512"));
    }

    #[test]
    fn aliases_do_not_nest_deeper_than_brackets() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(30), "]".repeat(30));
        let text = format!("a: &a {}\nb: &b {}\nc: {}", deep("x"), deep("*a"), deep("*b"));
        check(&text, "3:34: it is nested deeper than 64 levels");
    }

    #[test]
    fn bytes_that_editors_leave_behind() {
        check("\u{feff}a: 1\r\nb: 2\r\n", "{a=1 b=2}");
        check("# nothing\n", "{}");
        check("---\na: 1\n...\n", "{a=1}");
    }

    #[test]
    fn brackets_may_close_too_far_left() {
        check("a:\n  b: [\n    x,\n    y\n  ]\n  c: {\n  d: 1,\n  e: [f,\n]}\n", "{a={b=[x y] c={d=1 e=[f]}}}");
        check("a:\n  b: [\n  x, *y\n  ]", "3:6: this is not YAML: while parsing node, found unknown anchor");
        check("a:\n  b: [\n  x\n", "4:1: this is not YAML: while parsing a flow sequence, expected ',' or ']'");
    }

    #[test]
    fn unknown_tags_are_refused() {
        check("a: !reset null", "{a=null}");
        check("a: !secret x", "1:4: the tag `!secret` is not known; `!reset` and `!override` are");
    }
}
