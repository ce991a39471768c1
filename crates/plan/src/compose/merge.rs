//! Several files as one: mappings merge, lists append, and a few keys replace
//! (Compose Specification, 13-merge).

use super::yaml::{Change, Key, Kind, Node};

/// Lists that replace an earlier one instead of going behind it.
const REPLACED: [&str; 3] = ["command", "entrypoint", "test"];

/// Lists of `KEY=value` that are mappings in another form.
const PAIRS: [&str; 5] = ["environment", "labels", "args", "sysctls", "driver_opts"];

/// Lists of names that are mappings in another form.
const NAMES: [&str; 2] = ["depends_on", "networks"];

/// Lays a later file over what came before.
pub(super) fn merge(base: Node, over: Node) -> Node {
    merge_at("", base, over)
}

fn merge_at(key: &str, base: Node, over: Node) -> Node {
    if over.change == Change::Override || REPLACED.contains(&key) {
        return Node { change: Change::Merge, ..over };
    }
    if over.is_null() {
        return base;
    }
    let at = over.at;
    match (as_map(key, base), as_map(key, over)) {
        (Node { kind: Kind::Map(base), .. }, Node { kind: Kind::Map(over), .. }) => {
            Node { kind: Kind::Map(merge_maps(base, over)), at, change: Change::Merge }
        }
        (Node { kind: Kind::List(mut base), .. }, Node { kind: Kind::List(over), .. }) => {
            let new = over.into_iter().filter(|item| !base.iter().any(|old| old.kind == item.kind)).collect::<Vec<_>>();
            base.extend(new);
            Node { kind: Kind::List(base), at, change: Change::Merge }
        }
        (_, over) => over,
    }
}

fn merge_maps(mut base: Vec<(Key, Node)>, over: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    for (key, value) in over {
        let index = base.iter().position(|(other, _)| other.name == key.name);
        match (value.change, index) {
            (Change::Reset, Some(index)) => drop(base.remove(index)),
            (Change::Reset, None) => {}
            (_, Some(index)) => {
                let (_, old) = base.remove(index);
                let merged = merge_at(&key.name, old, value);
                base.insert(index, (key, merged));
            }
            (_, None) => base.push((key, value)),
        }
    }
    base
}

/// A list as the mapping that it stands for, where the key says that it does.
fn as_map(key: &str, node: Node) -> Node {
    let is_pairs = PAIRS.contains(&key);
    if !is_pairs && !NAMES.contains(&key) {
        return node;
    }
    let Node { kind: Kind::List(items), at, change } = node else { return node };
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
        Some(entries) => Node { kind: Kind::Map(merge_maps(Vec::new(), entries)), at, change },
        None => Node { kind: Kind::List(items), at, change },
    }
}

/// Takes `!reset` values away that had nothing to reset, also in a single file.
pub(super) fn drop_resets(node: &mut Node) {
    match &mut node.kind {
        Kind::Map(entries) => {
            entries.retain(|(_, value)| value.change != Change::Reset);
            entries.iter_mut().for_each(|(_, value)| drop_resets(value));
        }
        Kind::List(items) => items.iter_mut().for_each(drop_resets),
        Kind::Scalar { .. } => {}
    }
}
