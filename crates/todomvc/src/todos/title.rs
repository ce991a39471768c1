//! What a title may be: 1 to 500 characters without the white space around them, and no NUL, which PostgreSQL's text
//! cannot hold.

/// The longest title, in characters.
pub const LONGEST_TITLE_CHARS: usize = 500;

/// A title that keeps the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

/// The rule that a text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TitleError {
    /// Nothing is left after trimming.
    #[error("`title` is empty")]
    Empty,
    /// It has too many characters.
    #[error("`title` is longer than {LONGEST_TITLE_CHARS} characters")]
    TooLong,
    /// It has a NUL character.
    #[error("`title` contains a NUL character")]
    Nul,
}

impl Title {
    /// Trims the text and checks what is left.
    pub fn new(text: &str) -> Result<Self, TitleError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TitleError::Empty);
        }
        if text.contains('\0') {
            return Err(TitleError::Nul);
        }
        if text.chars().nth(LONGEST_TITLE_CHARS).is_some() {
            return Err(TitleError::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    /// The title's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_accepted_keeps_every_rule(text in any::<String>()) {
            if let Ok(title) = Title::new(&text) {
                let length = title.as_str().chars().count();
                prop_assert!((1..=LONGEST_TITLE_CHARS).contains(&length));
                prop_assert_eq!(title.as_str().trim(), title.as_str());
                prop_assert!(!title.as_str().contains('\0'));
            }
        }

        #[test]
        fn accepting_again_changes_nothing(text in "\\PC{0,600}") {
            if let Ok(title) = Title::new(&text) {
                prop_assert_eq!(Title::new(title.as_str()), Ok(title));
            }
        }

        #[test]
        fn white_space_around_it_makes_no_difference(text in "[a-z😀é]{1,20}", before in "[ \t\n]{0,5}", after in "[ \t\n]{0,5}") {
            prop_assert_eq!(Title::new(&format!("{before}{text}{after}")), Title::new(&text));
        }

        #[test]
        fn the_limit_counts_characters_and_not_bytes(length in 1usize..=1000) {
            prop_assert_eq!(Title::new(&"é".repeat(length)).is_ok(), length <= LONGEST_TITLE_CHARS);
        }

        #[test]
        fn a_nul_inside_is_refused(before in "[a-z]{1,9}", after in "[a-z]{1,9}") {
            prop_assert_eq!(Title::new(&format!("{before}\0{after}")), Err(TitleError::Nul));
        }
    }

    #[test]
    fn white_space_alone_is_empty() {
        assert_eq!(Title::new(" \u{3000}\t"), Err(TitleError::Empty));
    }
}
