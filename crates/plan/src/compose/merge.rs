//! Several files as one: mappings merge, lists append, and a few keys have a
//! rule of their own, as in Docker Compose (`override/merge.go` of compose-go).

use std::collections::{HashMap, HashSet};

use super::yaml::{Change, Key, Kind, Node};

/// How a later value joins an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Mappings merge, lists append, anything else is replaced.
    Usual,
    /// The later one counts.
    Replace,
    /// A list of `KEY=value` is a mapping in another form.
    Pairs,
    /// A list of names is a mapping in another form.
    Names,
    /// A single text is a list of one.
    Sequence,
    /// A mapping of `host: address` is a list in another form.
    Hosts,
    /// A text is the context.
    Build,
    /// Options of one driver mean nothing to another.
    Logging,
}

fn rule(path: &[String]) -> Rule {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["services", _, "command" | "entrypoint"]
        | ["services", _, "healthcheck", "test"]
        | ["services", _, "ulimits", _] => Rule::Replace,
        ["services", _, "environment" | "labels" | "sysctls"]
        | ["services", _, "build", "args" | "labels"]
        | ["services", _, "deploy", "labels"]
        | ["networks" | "volumes", _, "labels"] => Rule::Pairs,
        ["services", _, "depends_on" | "networks"] => Rule::Names,
        ["services", _, "dns" | "tmpfs" | "env_file"] => Rule::Sequence,
        ["services", _, "extra_hosts"] => Rule::Hosts,
        ["services", _, "build"] => Rule::Build,
        ["services", _, "logging"] => Rule::Logging,
        _ => Rule::Usual,
    }
}

/// Lays a later file over what came before.
pub(super) fn merge(base: Node, over: Node) -> Node {
    merge_at(&mut Vec::new(), base, over)
}

fn merge_at(path: &mut Vec<String>, base: Node, over: Node) -> Node {
    let rule = rule(path);
    if over.change == Change::Override || rule == Rule::Replace {
        return Node { change: Change::Merge, ..over };
    }
    if over.is_null() {
        return base;
    }
    let at = over.at;
    let (base, over) = (canonical(rule, base), canonical(rule, over));
    if rule == Rule::Logging && drivers_differ(&base, &over) {
        return over;
    }
    match (base, over) {
        (Node { kind: Kind::Map(base), .. }, Node { kind: Kind::Map(over), .. }) => {
            Node { kind: Kind::Map(merge_maps(path, base, over)), at, change: Change::Merge }
        }
        (Node { kind: Kind::List(base), .. }, Node { kind: Kind::List(over), .. }) => {
            Node { kind: Kind::List(append(base, over)), at, change: Change::Merge }
        }
        // What does not fit is for the typed reader to complain about.
        (_, over) => over,
    }
}

fn merge_maps(path: &mut Vec<String>, base: Vec<(Key, Node)>, over: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    let mut index: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<Option<(Key, Node)>> = Vec::with_capacity(base.len() + over.len());
    for entry in base {
        index.insert(entry.0.name.clone(), all.len());
        all.push(Some(entry));
    }
    for (key, value) in over {
        let slot = index.get(&key.name).copied();
        let old = slot.and_then(|slot| all[slot].take());
        let new = match (value.change, old) {
            (Change::Reset, _) => None,
            (_, Some((_, old))) => {
                path.push(key.name.clone());
                let merged = merge_at(path, old, value);
                path.pop();
                Some((key, merged))
            }
            (_, None) => Some((key, value)),
        };
        match (slot, new) {
            (Some(slot), new) => all[slot] = new,
            (None, Some(new)) => {
                index.insert(new.0.name.clone(), all.len());
                all.push(Some(new));
            }
            (None, None) => {}
        }
    }
    all.into_iter().flatten().collect()
}

/// Appends; a text that is there already is not added again.
fn append(mut base: Vec<Node>, over: Vec<Node>) -> Vec<Node> {
    let text = |node: &Node| match &node.kind {
        Kind::Scalar { text, .. } => Some(text.clone()),
        _ => None,
    };
    let there: HashSet<String> = base.iter().filter_map(text).collect();
    base.extend(over.into_iter().filter(|node| text(node).is_none_or(|text| !there.contains(&text))));
    base
}

fn drivers_differ(base: &Node, over: &Node) -> bool {
    let driver = |node: &Node| match &node.kind {
        Kind::Map(entries) => entries.iter().find(|(key, _)| key.name == "driver").map(|(_, value)| value.kind.clone()),
        _ => None,
    };
    match (driver(base), driver(over)) {
        (Some(Kind::Scalar { text: base, .. }), Some(Kind::Scalar { text: over, .. })) => base != over,
        _ => false,
    }
}

/// A value in the one form that its rule merges.
fn canonical(rule: Rule, node: Node) -> Node {
    let Node { kind, at, change } = node;
    let kind = match (rule, kind) {
        (Rule::Pairs | Rule::Names, Kind::List(items)) => as_map(items, rule == Rule::Pairs),
        (Rule::Sequence, kind @ Kind::Scalar { .. }) => Kind::List(vec![Node { kind, at, change: Change::Merge }]),
        (Rule::Build, kind @ Kind::Scalar { .. }) => {
            let key = Key { name: "context".to_owned(), at };
            Kind::Map(vec![(key, Node { kind, at, change: Change::Merge })])
        }
        (Rule::Hosts, Kind::Map(entries)) => Kind::List(entries.into_iter().flat_map(host_lines).collect()),
        (_, kind) => kind,
    };
    Node { kind, at, change }
}

/// A list as the mapping that it stands for.
fn as_map(items: Vec<Node>, is_pairs: bool) -> Kind {
    let entry = |item: &Node| match &item.kind {
        Kind::Scalar { text, .. } => {
            let (name, value) = match text.split_once('=').filter(|_| is_pairs) {
                Some((name, value)) => (name, Node::scalar(value.to_owned(), item.at)),
                None => (text.as_str(), Node::null(item.at)),
            };
            Some((Key { name: name.to_owned(), at: item.at }, value))
        }
        _ => None,
    };
    // Something else in the list is for the typed reader to complain about.
    let entries: Option<Vec<(Key, Node)>> = items.iter().map(entry).collect();
    match entries {
        Some(entries) => Kind::Map(last_of_each(entries)),
        None => Kind::List(items),
    }
}

/// Of two pairs with one name the later counts.
fn last_of_each(entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    let mut all: indexmap::IndexMap<String, (Key, Node)> = indexmap::IndexMap::new();
    for entry in entries {
        all.insert(entry.0.name.clone(), entry);
    }
    all.into_values().collect()
}

fn host_lines((key, value): (Key, Node)) -> Vec<Node> {
    let line = |value: Node| match value.kind {
        Kind::Scalar { text, .. } => Node::scalar(format!("{}={text}", key.name), value.at),
        kind => Node { kind, ..value },
    };
    match value.kind {
        Kind::List(items) => items.into_iter().map(line).collect(),
        _ => vec![line(value)],
    }
}

/// Takes `!reset` values away that had nothing to reset, also in a single file.
pub(super) fn drop_resets(node: &mut Node) {
    match &mut node.kind {
        Kind::Map(entries) => {
            entries.retain(|(_, value)| value.change != Change::Reset);
            entries.iter_mut().for_each(|(_, value)| drop_resets(value));
        }
        Kind::List(items) => {
            items.retain(|item| item.change != Change::Reset);
            items.iter_mut().for_each(drop_resets);
        }
        Kind::Scalar { .. } => {}
    }
}
