//! `.env` and `env_file`, by Docker Compose's rules: `export` is allowed, ` #`
//! begins a comment, double quotes and bare values are filled in, single quotes
//! are not, and quoted values may run over several lines.

use std::collections::BTreeMap;

use super::interpolate;

/// The variables of a file, in order. `lookup` gives those that the file's own
/// values may name; earlier lines of the file may be named too.
///
/// # Errors
///
/// A line that cannot be understood; the text begins with its number.
pub fn parse(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, String> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let number = index + 1;
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim_end(), value.trim_start()),
            // A name alone takes the value of the person's environment.
            None => match lookup(line) {
                Some(value) => {
                    variables.push((line.to_owned(), value));
                    continue;
                }
                None if is_name(line) => continue,
                None => return Err(format!("line {number}: `{line}` is no `NAME=value`")),
            },
        };
        if !is_name(name) {
            return Err(format!("line {number}: `{name}` is no name of a variable"));
        }
        let value = read_value(value, &mut lines.by_ref().map(|(_, line)| line), number)?;
        let value = match value {
            Value::Literal(text) => text,
            Value::Open(text) => fill(&text, &variables, lookup).map_err(|error| format!("line {number}: {error}"))?,
        };
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}

enum Value {
    /// As it stands.
    Literal(String),
    /// With variables in it.
    Open(String),
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(allowed)
}

fn read_value(value: &str, more: &mut dyn Iterator<Item = &str>, number: usize) -> Result<Value, String> {
    let quote = value.chars().next().filter(|c| ['"', '\''].contains(c));
    let Some(quote) = quote else {
        let bare = value.find(" #").map_or(value, |comment| &value[..comment]);
        return Ok(Value::Open(bare.trim_end().to_owned()));
    };
    let mut text = value[1..].to_owned();
    while closing_quote(&text, quote).is_none() {
        let Some(next) = more.next() else { return Err(format!("line {number}: the quote `{quote}` is not closed")) };
        text.push('\n');
        text.push_str(next);
    }
    text.truncate(closing_quote(&text, quote).unwrap_or(text.len()));
    Ok(if quote == '"' { Value::Open(unescape(&text)) } else { Value::Literal(text) })
}

fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(index, c)| {
        let closes = c == quote && !escaped;
        escaped = quote == '"' && c == '\\' && !escaped;
        closes.then_some(index)
    })
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some('r') => plain.push('\r'),
                Some('t') => plain.push('\t'),
                Some('$') => plain.push_str("$$"),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}

fn fill(text: &str, earlier: &[(String, String)], lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    // Only names that the text has are looked up: the environment is not a list here.
    let names = text.split('$').skip(1).map(|part| {
        let part = part.trim_start_matches('{');
        part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
    });
    let mut known: BTreeMap<String, String> = names.filter_map(|name| Some((name.clone(), lookup(&name)?))).collect();
    for (name, value) in earlier {
        known.entry(name.clone()).or_insert_with(|| value.clone());
    }
    interpolate::fill(text, &known).map(|filled| filled.text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let lookup = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        let shown = match parse(text, &lookup) {
            Ok(all) => all.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(" "),
            Err(error) => error,
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn the_rules() {
        check("A=1\n# no\nexport B = two # comment\nC=a#b\n\nD=", r#"A="1" B="two" C="a#b" D="""#);
        check("A=x\nB=${A}/$HOME\nC='$A'\nD=\"$A \\$A\"", r#"A="x" B="x//root" C="$A" D="x $A""#);
        check("A=\"1\n2\"\nB='a\nb' # c", r#"A="1\n2" B="a\nb""#);
        check("HOME\nNONE", r#"HOME="/root""#);
        check("A=\"x\\\"y\"", r#"A="x\"y""#);
        check("A=\"x", "line 1: the quote `\"` is not closed");
        check("\n1A=2", "line 2: `1A` is no name of a variable");
        check("what is this", "line 1: `what is this` is no `NAME=value`");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = parse(&text, &|_| None);
        }
    }
}
