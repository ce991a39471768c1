//! Fills variables into the values of a tree, never into its keys.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{Complaint, Complaints};
use super::interpolate;
use super::yaml::{Kind, Node, Position};

/// What all values together may grow to.
const MOST_BYTES: usize = 8 << 20;

/// The person's variables, and how much was made of them.
pub(super) struct Variables<'a> {
    pub(super) values: &'a BTreeMap<String, String>,
    pub(super) complaints: &'a Complaints,
    filled_bytes: usize,
    /// Variables that were complained about: once is enough.
    unset: BTreeSet<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(values: &'a BTreeMap<String, String>, complaints: &'a Complaints) -> Self {
        Self { values, complaints, filled_bytes: 0, unset: BTreeSet::new() }
    }

    pub(super) fn fill(&mut self, node: &mut Node, path: &str) {
        let at = node.at;
        match &mut node.kind {
            Kind::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.fill(item, &format!("{path}[{index}]"));
                }
            }
            Kind::Map(entries) => {
                let dot = if path.is_empty() { "" } else { "." };
                for (key, value) in entries {
                    self.fill(value, &format!("{path}{dot}{}", key.name));
                }
            }
            Kind::Scalar { text, quoted } if text.contains('$') => {
                self.fill_text(text, at, path);
                // What a variable makes is a text, also where it is empty or says `null`.
                *quoted = true;
            }
            Kind::Scalar { .. } => {}
        }
    }

    fn fill_text(&mut self, text: &mut String, at: Position, path: &str) {
        let complaint = |message, hint: Option<String>| Complaint { at, key: path.to_owned(), message, hint };
        let filled = interpolate::fill(text, &|name| self.values.get(name).cloned()).and_then(|filled| {
            self.filled_bytes += filled.text.len();
            let fits = self.filled_bytes <= MOST_BYTES;
            fits.then_some(filled).ok_or_else(|| format!("the variables make more than {} MiB", MOST_BYTES >> 20))
        });
        match filled {
            Ok(filled) => {
                *text = filled.text;
                for name in filled.unset {
                    if self.unset.insert(name.clone()) {
                        let hint =
                            format!("set it in `.env`, or give a default: `${{{name}:-value}}`; `$$` is a dollar sign");
                        let message = format!("the variable `{name}` is not set, and is taken as empty");
                        self.complaints.warning(complaint(message, Some(hint)));
                    }
                }
            }
            Err(message) => {
                let hint = (!message.contains("is not set")).then(|| "a dollar sign is written `$$`".to_owned());
                self.complaints.error(complaint(message, hint));
            }
        }
    }
}
