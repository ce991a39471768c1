//! A command line in one string, cut into words as a shell does.

/// The words of a command.
///
/// # Errors
///
/// A quote is not closed.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => quoted.push(c),
                        None => return Err("the quote `'` is not closed".to_owned()),
                    }
                }
            }
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().extend(chars.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Within double quotes a backslash escapes only these (POSIX shell, 2.2.3).
fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    loop {
        match chars.next() {
            Some('"') => return Ok(()),
            Some('\\') => match chars.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => return Err("the quote `\"` is not closed".to_owned()),
            },
            Some(c) => word.push(c),
            None => return Err("the quote `\"` is not closed".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split;

    #[test]
    fn words_as_in_a_shell() {
        assert_eq!(split(r#"sh -c "echo 'a b'" '' x\ y"#).unwrap(), ["sh", "-c", "echo 'a b'", "", "x y"]);
        assert_eq!(split(r#"a"b"'c' "\"" "\n""#).unwrap(), ["abc", "\"", "\\n"]);
        assert_eq!(split("  ").unwrap(), Vec::<String>::new());
        assert!(split("'x").is_err() && split("\"x").is_err());
    }

    proptest! {
        #[test]
        fn quoting_round_trips(words in proptest::collection::vec("[^']*", 0..5)) {
            let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(&line).unwrap(), words);
        }
    }
}
