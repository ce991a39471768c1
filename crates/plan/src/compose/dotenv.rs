//! `.env` and `env_file`, by Docker Compose's rules: `NAME=value` or `NAME: value`,
//! `export` is allowed, ` #` begins a comment, double quotes and bare values are
//! filled in, single quotes are not, and quoted values may run over several lines.

use indexmap::IndexMap;

use super::field::shorten;
use super::interpolate;

/// The variables of a file, in order. `lookup` gives those that the file's own
/// values may name; earlier lines of the file may be named too, and come second.
///
/// # Errors
///
/// A line that cannot be understood; the text begins with its number.
pub fn parse(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, String> {
    let mut variables: IndexMap<String, String> = IndexMap::new();
    let mut text = Text { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    while text.skip_to_statement() {
        let line = text.line;
        let at = |error: String| format!("line {line}: {error}");
        let Some(name) = text.name().map_err(at)? else {
            // A name alone takes the value of the person's environment.
            let name = text.take_line().trim();
            if !is_name(name) {
                return Err(at(format!("`{}` is no `NAME=value`", shorten(name))));
            }
            variables.extend(lookup(name).map(|value| (name.to_owned(), value)));
            continue;
        };
        let value = match text.value().map_err(at)? {
            Value::Literal(text) => text,
            Value::Open(text) => {
                let lookup = |name: &str| lookup(name).or_else(|| variables.get(name).cloned());
                interpolate::fill(&text, &lookup).map_err(at)?.text
            }
        };
        variables.insert(name.to_owned(), value);
    }
    Ok(variables.into_iter().collect())
}

/// The variables of a file with `format: raw`: what stands behind `=` is the
/// value, quotes and all.
///
/// # Errors
///
/// A line that cannot be understood; the text begins with its number.
pub(super) fn parse_raw(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, String> {
    let mut variables: IndexMap<String, String> = IndexMap::new();
    for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').map_or((line.trim_end(), None), |(name, value)| (name, Some(value)));
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(format!("line {}: `{}` is no name of a variable", index + 1, shorten(name)));
        }
        variables.extend(value.map(str::to_owned).or_else(|| lookup(name)).map(|value| (name.to_owned(), value)));
    }
    Ok(variables.into_iter().collect())
}

/// A value before variables are filled in.
enum Value {
    /// As it stands.
    Literal(String),
    /// With variables in it.
    Open(String),
}

/// What is not read yet, and the number of its first line.
struct Text<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Text<'t> {
    fn advance(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// To the end of the line; its newline is passed over.
    fn take_line(&mut self) -> &'t str {
        let end = self.rest.find('\n').map_or(self.rest.len(), |newline| newline + 1);
        self.advance(end)
    }

    /// Over blank lines and comments, and `export`; whether anything is left.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            self.advance(self.rest.len() - self.rest.trim_start().len());
            if !self.rest.starts_with('#') {
                break;
            }
            self.take_line();
        }
        if let Some(after) = self.rest.strip_prefix("export")
            && after.starts_with([' ', '\t'])
        {
            self.rest = after.trim_start_matches([' ', '\t']);
        }
        !self.rest.is_empty()
    }

    /// What stands before `=` or `:` in this line; `None` where there is neither.
    fn name(&mut self) -> Result<Option<&'t str>, String> {
        let end = self.rest.find(['=', ':', '\n']).unwrap_or(self.rest.len());
        if !self.rest[end..].starts_with(['=', ':']) {
            return Ok(None);
        }
        let name = self.advance(end).trim_end();
        self.advance(1);
        let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r']).len();
        self.advance(blank);
        if is_name(name) { Ok(Some(name)) } else { Err(format!("`{}` is no name of a variable", shorten(name))) }
    }

    fn value(&mut self) -> Result<Value, String> {
        let quote = self.rest.chars().next().filter(|c| ['"', '\''].contains(c));
        let Some(quote) = quote else {
            let line = self.take_line();
            let bare = line.find(" #").map_or(line, |comment| &line[..comment]);
            return Ok(Value::Open(bare.trim_end().to_owned()));
        };
        let end = closing_quote(&self.rest[1..], quote).ok_or_else(|| format!("the quote `{quote}` is not closed"))?;
        let quoted = &self.advance(end + 2)[1..=end];
        let after = self.take_line().trim();
        if !after.is_empty() && !after.starts_with('#') {
            return Err(format!("`{}` follows the closing quote", shorten(after)));
        }
        let text = quoted.replace(&format!("\\{quote}"), &quote.to_string());
        Ok(if quote == '"' { Value::Open(unescape(quoted)) } else { Value::Literal(text) })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']'))
}

fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(index, c)| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(index)
    })
}

/// What stands between double quotes. An escape that is not known stays as it is.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(backslash) = rest.find('\\') {
        plain.push_str(&rest[..backslash]);
        rest = &rest[backslash + 1..];
        let known = match rest.chars().next() {
            Some('a') => "\u{7}",
            Some('b') => "\u{8}",
            Some('f') => "\u{c}",
            Some('n') => "\n",
            Some('r') => "\r",
            Some('t') => "\t",
            Some('v') => "\u{b}",
            Some('"') => "\"",
            Some('\\') => "\\",
            // Interpolation comes next, and makes one of the two.
            Some('$') => "$$",
            Some('0') if octal(rest).is_some() => {
                plain.extend(octal(rest));
                rest = &rest[4..];
                continue;
            }
            _ => {
                plain.push('\\');
                continue;
            }
        };
        plain.push_str(known);
        rest = &rest[1..];
    }
    plain.push_str(rest);
    plain
}

/// `0` and three octal digits.
fn octal(text: &str) -> Option<char> {
    let digits = text.get(1..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    u8::from_str_radix(digits, 8).ok().map(char::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(parsed: Result<Vec<(String, String)>, String>) -> String {
        match parsed {
            Ok(all) => all.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(" "),
            Err(error) => error,
        }
    }

    fn check(text: &str, expected: &str) {
        let lookup = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        assert_eq!(shown(parse(text, &lookup)), expected, "{text}");
    }

    #[test]
    fn bare_values() {
        check("A=1\n# no\nexport B = two # comment\nC=a#b\n\nD=", r#"A="1" B="two" C="a#b" D="""#);
        check("A: 1\nexport\tB=it's \"so\"\r\nC=x", r#"A="1" B="it's \"so\"" C="x""#);
        check("\u{feff}A=1\nA=2\nB=$A", r#"A="2" B="2""#);
        check("HOME\nNONE", r#"HOME="/root""#);
        check("A=x=y: z", r#"A="x=y: z""#);
    }

    #[test]
    fn quoted_values() {
        check("A=\"1\n2\"\nB='a\nb' # c", r#"A="1\n2" B="a\nb""#);
        check(r#"A="x\"y" # "z""#, r#"A="x\"y""#);
        check(r"A='it\'s \n' # it", r#"A="it's \\n""#);
        check(r#"A="\d\\\n\0101\09" "#, r#"A="\\d\\\nA\\09""#);
    }

    #[test]
    fn values_name_others() {
        check("A=x\nB=${A}/$HOME\nC='$A'\nD=\"$A \\$A\"", r#"A="x" B="x//root" C="$A" D="x $A""#);
        check("HOME=mine\nB=$HOME ${NO:-d}", r#"HOME="mine" B="/root d""#);
        check("A=1\n\nB=${C?give it}", "line 3: the variable `C` is not set: give it");
    }

    #[test]
    fn what_is_no_variable() {
        check("A=\"x", "line 1: the quote `\"` is not closed");
        check("A=1\n?=2", "line 2: `?` is no name of a variable");
        check("A B=1", "line 1: `A B` is no name of a variable");
        check("what is this", "line 1: `what is this` is no `NAME=value`");
        check("\nA='x' y", "line 2: `y` follows the closing quote");
    }

    #[test]
    fn raw_values_are_taken_as_they_are() {
        let raw = |text| shown(parse_raw(text, &|name| (name == "HOME").then(|| "/root".to_owned())));
        assert_eq!(raw("A='x' # $y\r\n # c\n\nB=\nHOME\nNONE"), r#"A="'x' # $y" B="" HOME="/root""#);
        assert_eq!(raw("A=1\nB C=1"), "line 2: `B C` is no name of a variable");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = (parse(&text, &|_| None), parse_raw(&text, &|_| None));
        }

        #[test]
        fn env_like_text_does_not_panic(text in r#"([A-Z]{1,3}|[=:#'"\\$ \né0]|export |\$\{){0,40}"#) {
            let _ = (parse(&text, &|_| None), parse_raw(&text, &|_| None));
        }

        #[test]
        fn a_single_quoted_value_comes_back(value in r"[^'\\\r]*") {
            let expected = vec![("A".to_owned(), value.clone())];
            prop_assert_eq!(parse(&format!("A='{value}'\n"), &|_| None), Ok(expected));
        }
    }
}
