//! A command line in one string, cut into words as Docker Compose cuts it.
//!
//! That is a shell's cutting with two differences: `\t` and `\n` are a tab and a
//! newline, within double quotes too, and every other backslash goes away. No
//! shell runs the words, so what only a shell understands is refused; Docker
//! Compose drops the rest of the line there without a word.

use std::str::Chars;

/// The words of a command.
///
/// # Errors
///
/// A quote is not closed, or a shell is needed.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => single_quoted(&mut chars, word.get_or_insert_default())?,
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(escaped(&mut chars)?),
            ';' | '&' | '|' | '<' | '>' | '(' | ')' | '`' => {
                return Err(format!("`{c}` outside quotes is for a shell, and none runs this"));
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single_quoted(chars: &mut Chars<'_>, word: &mut String) -> Result<(), String> {
    loop {
        match chars.next() {
            Some('\'') => return Ok(()),
            Some(c) => word.push(c),
            None => return Err("the quote `'` is not closed".to_owned()),
        }
    }
}

fn double_quoted(chars: &mut Chars<'_>, word: &mut String) -> Result<(), String> {
    loop {
        match chars.next() {
            Some('"') => return Ok(()),
            Some('\\') => word.push(escaped(chars)?),
            Some(c) => word.push(c),
            None => return Err("the quote `\"` is not closed".to_owned()),
        }
    }
}

fn escaped(chars: &mut Chars<'_>) -> Result<char, String> {
    match chars.next() {
        Some('t') => Ok('\t'),
        Some('n') => Ok('\n'),
        Some(c) => Ok(c),
        None => Err("it ends in a backslash".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split;

    #[test]
    fn words_as_in_a_shell() {
        assert_eq!(split(r#"sh -c "echo 'a b'" '' x\ y"#).unwrap(), ["sh", "-c", "echo 'a b'", "", "x y"]);
        assert_eq!(split(r#"a"b"'c' "\"" '\n'"#).unwrap(), ["abc", "\"", "\\n"]);
        assert_eq!(split("  ").unwrap(), Vec::<String>::new());
        assert!(split("'x").is_err() && split("\"x").is_err() && split("x\\").is_err());
    }

    #[test]
    fn backslashes_as_docker_compose_has_them() {
        assert_eq!(split(r#""a\nb\$c\d" \t\e"#).unwrap(), ["a\nb$cd", "\te"]);
    }

    #[test]
    fn what_needs_a_shell_is_refused() {
        for line in ["a && b", "a | b", "a > f", "x=$(y)", "`y`", "a; b", "--url=http://h?a=1&b=2"] {
            assert!(split(line).unwrap_err().contains("for a shell"), "{line}");
        }
        assert_eq!(split(r#"sh -c "a && b > f; $(c)""#).unwrap(), ["sh", "-c", "a && b > f; $(c)"]);
    }

    proptest! {
        #[test]
        fn quoting_round_trips(words in proptest::collection::vec("[^']*", 0..5)) {
            let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(&line).unwrap(), words);
        }

        #[test]
        fn nothing_panics(line in any::<String>()) {
            let _ = split(&line);
        }
    }
}
