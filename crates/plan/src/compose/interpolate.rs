//! `${VARIABLE}` in values, by the rules of the Compose Specification.

use super::field::shorten;

/// The value of a variable; `None` where it is not set.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What became of a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) text: String,
    /// Variables that are not set and have no default: they became nothing.
    pub(super) unset: Vec<String>,
}

/// Defaults may nest; a text that nests deeper is no default any more.
const DEEPEST: usize = 16;

/// What a value of the environment and its repetition may make of one text.
const LARGEST_BYTES: usize = 1 << 20;

/// A default may be a page of JSON. Without a bound, braces that never pair would be looked for again and again.
const LONGEST_EXPRESSION: usize = 4096;

/// Fills the variables in.
///
/// # Errors
///
/// A variable that must be set is not, or a brace is not closed; the text says which.
pub(super) fn fill(text: &str, variables: Lookup<'_>) -> Result<Filled, String> {
    let mut filled = Filled::default();
    fill_into(text, variables, &mut filled, 0)?;
    Ok(filled)
}

fn fill_into(text: &str, variables: Lookup<'_>, filled: &mut Filled, depth: usize) -> Result<(), String> {
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
            let end = closing_brace(after).ok_or_else(|| format!("`${{{}` has no closing brace", shorten(after)))?;
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
        check_size(filled)?;
    }
    filled.text.push_str(rest);
    check_size(filled)
}

fn check_size(filled: &Filled) -> Result<(), String> {
    if filled.text.len() > LARGEST_BYTES {
        return Err(format!("with its variables it is longer than {} KiB", LARGEST_BYTES >> 10));
    }
    Ok(())
}

/// The brace that closes an expression. Pairs of braces in a default are passed
/// over, as in `${CONFIG:-{"a": 1}}`; where they do not pair, only those of
/// nested expressions are.
fn closing_brace(text: &str) -> Option<usize> {
    brace_after_pairs(text, |_| true).or_else(|| brace_after_pairs(text, |previous| previous == '$'))
}

fn brace_after_pairs(text: &str, opens: impl Fn(char) -> bool) -> Option<usize> {
    let mut open = 0_usize;
    let mut previous = ' ';
    for (index, c) in text.char_indices().take(LONGEST_EXPRESSION) {
        match c {
            '{' if opens(previous) => open += 1,
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

fn substitute(name: &str, variables: Lookup<'_>, filled: &mut Filled) {
    match variables(name) {
        Some(value) => filled.text.push_str(&value),
        None => filled.unset.push(name.to_owned()),
    }
}

/// What stands between the braces: a name, or a name, an operator and a word.
/// The operator that comes first is the one that counts.
fn expression(text: &str, variables: Lookup<'_>, filled: &mut Filled, depth: usize) -> Result<(), String> {
    let name = leading_name(text);
    let operation = &text[name.len()..];
    if name.is_empty() {
        return Err(format!("`${{{text}}}` has no name"));
    }
    let value = variables(name);
    let operator_end = usize::from(operation.starts_with(':')) + 1;
    let (operator, word) = operation.split_at_checked(operator_end).unwrap_or((operation, ""));
    let present = value.filter(|value| !value.is_empty() || !operator.starts_with(':'));
    match operator {
        "" => substitute(name, variables, filled),
        ":-" | "-" => match present {
            Some(value) => filled.text.push_str(&value),
            None => fill_into(word, variables, filled, depth + 1)?,
        },
        ":+" | "+" => {
            if present.is_some() {
                fill_into(word, variables, filled, depth + 1)?;
            }
        }
        ":?" | "?" => match present {
            Some(value) => filled.text.push_str(&value),
            None => return Err(missing(name, word, variables, depth)?),
        },
        _ => return Err(format!("`${{{text}}}` is not understood")),
    }
    Ok(())
}

fn missing(name: &str, word: &str, variables: Lookup<'_>, depth: usize) -> Result<String, String> {
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
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let shown = match fill(text, &lookup) {
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
        check("${N:-{}}${A:-{}}", "{}a");
        check(r#"${N:-{"a": {"b": "${A}"}}}-${A:-{"a": 1}}"#, r#"{"a": {"b": "a"}}-a"#);
        check("${N:-{}|${A:-{}", "{|a");
        check("-ok ${N-${E-d}}:?${A?${N}}", "-ok :?a");
        check("${N:+${N}}", "");
        check("${N?is ${A}}", "error: the variable `N` is not set: is a");
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        check("${A", "error: `${A` has no closing brace");
        check("${}", "error: `${}` has no name");
        check("${A!x}", "error: `${A!x}` is not understood");
        check("${ A}", "error: `${ A}` has no name");
        check("${A }", "error: `${A }` is not understood");
        check("$} ^R$", "$} ^R$");
    }

    #[test]
    fn a_value_is_not_repeated_without_end() {
        let large = "x".repeat(1 << 16);
        let text = "$A".repeat(1 << 16);
        assert!(fill(&text, &|_| Some(large.clone())).unwrap_err().contains("longer than 1024 KiB"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = fill(&text, &|_| None);
        }

        #[test]
        fn expressions_do_not_panic(text in r"[${}:?+\-A-Zé]{0,40}") {
            let _ = fill(&text, &|name| (name == "A").then(|| "x".to_owned()));
        }

        #[test]
        fn text_without_a_dollar_stays(text in "[^$]*") {
            prop_assert_eq!(fill(&text, &|_| None).unwrap().text, text);
        }
    }
}
