//! `${VARIABLE}` in values, by the rules of the Compose Specification.

use std::collections::BTreeMap;

/// What became of a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) text: String,
    /// Variables that are not set and have no default: they became nothing.
    pub(super) unset: Vec<String>,
}

/// Defaults may nest; a text that nests deeper is no default any more.
const DEEPEST: usize = 16;

/// Fills the variables in.
///
/// # Errors
///
/// A variable that must be set is not, or a brace is not closed; the text says which.
pub(super) fn fill(text: &str, variables: &BTreeMap<String, String>) -> Result<Filled, String> {
    let mut filled = Filled::default();
    fill_into(text, variables, &mut filled, 0)?;
    Ok(filled)
}

fn fill_into(
    text: &str,
    variables: &BTreeMap<String, String>,
    filled: &mut Filled,
    depth: usize,
) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("defaults nest deeper than {DEEPEST} levels"));
    }
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        filled.text.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            filled.text.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = closing_brace(after).ok_or_else(|| format!("`${{{after}` has no closing brace"))?;
            expression(&after[..end], variables, filled, depth)?;
            rest = &after[end + 1..];
        } else {
            let name = leading_name(rest);
            if name.is_empty() {
                filled.text.push('$');
            } else {
                substitute(name, variables, filled);
            }
            rest = &rest[name.len()..];
        }
    }
    filled.text.push_str(rest);
    Ok(())
}

/// The brace that closes an expression; those of nested ones are passed over.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut previous = ' ';
    for (index, c) in text.char_indices() {
        match c {
            '{' if previous == '$' => open += 1,
            '}' if open == 0 => return Some(index),
            '}' => open -= 1,
            _ => {}
        }
        previous = c;
    }
    None
}

fn leading_name(text: &str) -> &str {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if starts { &text[..end] } else { "" }
}

fn substitute(name: &str, variables: &BTreeMap<String, String>, filled: &mut Filled) {
    match variables.get(name) {
        Some(value) => filled.text.push_str(value),
        None => filled.unset.push(name.to_owned()),
    }
}

/// What stands between the braces: a name, or a name, an operator and a word.
/// The operator that comes first is the one that counts.
fn expression(
    text: &str,
    variables: &BTreeMap<String, String>,
    filled: &mut Filled,
    depth: usize,
) -> Result<(), String> {
    let name = leading_name(text);
    let operation = &text[name.len()..];
    if name.is_empty() {
        return Err(format!("`${{{text}}}` has no name"));
    }
    let value = variables.get(name);
    let not_empty = value.filter(|value| !value.is_empty());
    let operator_end = usize::from(operation.starts_with(':')) + 1;
    let (operator, word) = operation.split_at_checked(operator_end).unwrap_or((operation, ""));
    let present = if operator.starts_with(':') { not_empty } else { value };
    match operator {
        "" => substitute(name, variables, filled),
        ":-" | "-" => match present {
            Some(value) => filled.text.push_str(value),
            None => fill_into(word, variables, filled, depth + 1)?,
        },
        ":+" | "+" => {
            if present.is_some() {
                fill_into(word, variables, filled, depth + 1)?;
            }
        }
        ":?" | "?" => match present {
            Some(value) => filled.text.push_str(value),
            None => return Err(missing(name, word, variables, depth)?),
        },
        _ => return Err(format!("`${{{text}}}` is not understood")),
    }
    Ok(())
}

fn missing(name: &str, word: &str, variables: &BTreeMap<String, String>, depth: usize) -> Result<String, String> {
    let mut reason = Filled::default();
    fill_into(word, variables, &mut reason, depth + 1)?;
    let reason = if reason.text.is_empty() { "it must be set".to_owned() } else { reason.text };
    Ok(format!("the variable `{name}` is not set: {reason}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let variables = [("A", "a"), ("E", ""), ("DB", "x")];
        let variables = variables.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let shown = match fill(text, &variables) {
            Ok(filled) if filled.unset.is_empty() => filled.text,
            Ok(filled) => format!("{} (unset: {})", filled.text, filled.unset.join(" ")),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn the_forms_of_the_specification() {
        check("$A ${A} $$A $ 5$ $1", "a a $A $ 5$ $1");
        check("${N:-d}${E:-d}${A:-d}", "dda");
        check("${N-d}${E-d}${A-d}", "da");
        check("${N:+r}${E:+r}${A:+r}|${N+r}${E+r}", "r|r");
        check("${A:?no}${E?no}", "a");
        check("${E:?give it}", "error: the variable `E` is not set: give it");
        check("${N?}", "error: the variable `N` is not set: it must be set");
        check("$N-x", "-x (unset: N)");
    }

    #[test]
    fn defaults_nest_and_the_first_operator_counts() {
        check("${N:-${M:-${A}}}", "a");
        check("${N:-a?b}${N-:-c}", "a?b:-c");
        check("${N:-${DB}/${A}}:2", "x/a:2");
        check("${N:-{}}", "{}");
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        check("${A", "error: `${A` has no closing brace");
        check("${}", "error: `${}` has no name");
        check("${A!x}", "error: `${A!x}` is not understood");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = fill(&text, &BTreeMap::new());
        }

        #[test]
        fn expressions_do_not_panic(text in r"[${}:?+\-A-Zé]{0,40}") {
            let _ = fill(&text, &BTreeMap::from([("A".to_owned(), "x".to_owned())]));
        }

        #[test]
        fn text_without_a_dollar_stays(text in "[^$]*") {
            prop_assert_eq!(fill(&text, &BTreeMap::new()).unwrap().text, text);
        }
    }
}
