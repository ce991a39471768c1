//! What a build's own files say: the base images of a Dockerfile, and the
//! patterns of a `.dockerignore`.

use std::collections::BTreeSet;

use indexmap::IndexMap;

/// The images that the `FROM` lines name, without `scratch` and without the
/// stages of the file itself. `ARG`s before the first `FROM` are filled in;
/// `args` goes before their defaults.
#[must_use]
pub fn bases(text: &str, args: &IndexMap<String, Option<String>>) -> Vec<String> {
    let mut known: IndexMap<String, String> = IndexMap::new();
    let mut stages: BTreeSet<String> = BTreeSet::new();
    let mut bases: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        let mut words = line.split_whitespace();
        match words.next().map(str::to_ascii_uppercase).as_deref() {
            Some("ARG") if stages.is_empty() && bases.is_empty() => {
                let (name, default) = words.next().unwrap_or_default().split_once('=').unwrap_or_default();
                let given = args.get(name).cloned().flatten();
                known.insert(name.to_owned(), given.unwrap_or_else(|| default.trim_matches(['"', '\'']).to_owned()));
            }
            Some("FROM") => {
                let rest: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
                let image = fill_in(rest.first().copied().unwrap_or_default(), &known);
                if image != "scratch" && !image.is_empty() && !stages.contains(&image) && !bases.contains(&image) {
                    bases.push(image);
                }
                if let [_, keyword, name, ..] = rest[..]
                    && keyword.eq_ignore_ascii_case("as")
                {
                    stages.insert(name.to_owned());
                }
            }
            _ => {}
        }
    }
    bases
}

fn fill_in(image: &str, known: &IndexMap<String, String>) -> String {
    known.iter().fold(image.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
    })
}

/// The patterns of a `.dockerignore`, in order; the last that matches wins.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    segments: Vec<String>,
    keeps: bool,
}

impl Ignore {
    /// Reads the file's text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { patterns: lines.filter_map(Pattern::parse).collect() }
    }

    /// The same, with one path that is never left out.
    #[must_use]
    pub fn keeping(mut self, path: &str) -> Self {
        self.patterns.extend(Pattern::parse(&format!("!{path}")));
        self
    }

    /// Whether a file is left out.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let segments: Vec<&str> = path.split('/').collect();
        self.patterns.iter().fold(
            false,
            |ignored, pattern| {
                if pattern.matches(&segments) { !pattern.keeps } else { ignored }
            },
        )
    }

    /// Whether a folder may hold a file that is not left out.
    #[must_use]
    pub fn may_hold_kept(&self, folder: &str) -> bool {
        let inside = |pattern: &&Pattern| pattern.keeps && pattern.may_be_in(folder);
        !self.matches(folder) || self.patterns.iter().any(|pattern| inside(&pattern))
    }
}

impl Pattern {
    fn parse(line: &str) -> Option<Self> {
        let (keeps, rest) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        let segments: Vec<String> =
            rest.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect();
        (!segments.is_empty()).then_some(Self { segments, keeps })
    }

    /// A pattern that matches a folder matches all that is in it.
    fn matches(&self, path: &[&str]) -> bool {
        (1..=path.len()).any(|depth| match_segments(&self.segments, &path[..depth]))
    }

    /// In doubt yes: then the folder is looked into, and nothing is lost.
    fn may_be_in(&self, folder: &str) -> bool {
        let folder: Vec<&str> = folder.split('/').collect();
        let literal = self.segments.iter().take_while(|part| !part.contains(['*', '?', '[']));
        literal.zip(&folder).all(|(part, name)| part == name)
    }
}

fn match_segments(pattern: &[String], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((part, rest)), _) if part == "**" => {
            match_segments(rest, path) || path.split_first().is_some_and(|(_, deeper)| match_segments(pattern, deeper))
        }
        (Some((part, rest)), Some((name, deeper))) => match_name(part, name) && match_segments(rest, deeper),
        _ => false,
    }
}

/// `*` and `?` within one segment, by the two-pointer method: linear in practice
/// and never exponential.
fn match_name(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_scratch_are_no_bases() {
        let text = "ARG SUITE=trixie\nFROM debian:${SUITE}-slim AS build\nRUN x\nFROM build\nFROM scratch\nFROM --platform=linux/amd64 nginx:1";
        assert_eq!(bases(text, &IndexMap::new()), ["debian:trixie-slim", "nginx:1"]);
        let args = IndexMap::from([("SUITE".to_owned(), Some("bookworm".to_owned()))]);
        assert_eq!(bases(text, &args)[0], "debian:bookworm-slim");
    }

    #[test]
    fn the_last_pattern_wins() {
        let ignore = Ignore::parse("# all\n*\n!src\nsrc/*.tmp\n**/node_modules\n");
        assert!(ignore.matches("README.md"));
        assert!(!ignore.matches("src/main.rs"));
        assert!(ignore.matches("src/a.tmp"));
        assert!(ignore.matches("src/web/node_modules/x/y.js"));
        assert!(ignore.may_hold_kept("src") && !ignore.may_hold_kept("target"));
        assert!(!Ignore::parse("*").keeping("Dockerfile").matches("Dockerfile"));
    }
}
