//! Brackets that close too far left.
//!
//! ```yaml
//! command: [
//!   "serve",
//! ]
//! ```
//!
//! YAML wants the last line further right than `command`, and so does the
//! parser. The wild writes it so, and every other parser takes it. Between
//! brackets blanks mean nothing: such a line is moved right, and read again.

use std::collections::HashSet;

/// How far a line is moved. No key stands further right.
const COLUMNS: usize = 256;

/// How much is read again at most; a file has a few such lines.
const MOST_BYTES: usize = 32 << 20;

/// A text, and which of its lines were moved.
pub(super) struct Text {
    pub(super) text: String,
    moved: HashSet<usize>,
    read_again_bytes: usize,
}

impl Text {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), moved: HashSet::new(), read_again_bytes: 0 }
    }

    /// Whether the parser's complaint about this line was answered, so that it
    /// is worth reading again.
    pub(super) fn answer(&mut self, complaint: &str, line: usize) -> bool {
        let is_indentation = ["invalid indentation", "invalid indentation in flow construct"].contains(&complaint);
        self.read_again_bytes += self.text.len();
        if !is_indentation || self.read_again_bytes > MOST_BYTES || !self.moved.insert(line) {
            return false;
        }
        let before: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        self.text.insert_str(before, &" ".repeat(COLUMNS));
        true
    }

    /// A column of the text as it was.
    pub(super) fn original_column(&self, line: usize, column: usize) -> usize {
        if self.moved.contains(&line) { column.saturating_sub(COLUMNS) } else { column }
    }
}
