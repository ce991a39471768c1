//! What is not shown: a plan and a label are read by more people than a secret is for.

use serde_json::Value;

/// Words in a name whose value may be a password that somebody put into the environment.
const HIDDEN_NAMES: [&str; 7] = ["password", "passwd", "secret", "token", "key", "credential", "dsn"];

/// What stands for it.
const HIDDEN: &str = "(hidden)";

/// The value of a variable, as far as it may be shown.
#[must_use]
pub fn value(name: &str, value: &str) -> String {
    let name = name.to_lowercase();
    // A path to a secret is none, and says much in a plan.
    if !name.ends_with("_file") && HIDDEN_NAMES.iter().any(|word| name.contains(word)) {
        return HIDDEN.to_owned();
    }
    without_userinfo(value)
}

/// A URL without the password in it: `postgres://user:(hidden)@db/shop`.
fn without_userinfo(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
        Some((user, password)) if !password.is_empty() => {
            let tail = &rest[user.len() + 1 + password.len()..];
            format!("{scheme}://{user}:{HIDDEN}{tail}")
        }
        _ => value.to_owned(),
    }
}

/// A plan as JSON, with what may be secret taken out: values of environments,
/// and the content of configs.
#[must_use]
pub fn json<T: serde::Serialize>(plan: &T) -> Value {
    let mut tree = serde_json::to_value(plan).unwrap_or_default();
    redact(&mut tree);
    tree
}

fn redact(tree: &mut Value) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(fields) => {
            for (key, field) in fields {
                match (key.as_str(), field) {
                    ("environment", Value::Object(variables)) => {
                        for (name, shown) in variables {
                            if let Value::String(text) = shown {
                                *text = value(name, text);
                            }
                        }
                    }
                    ("content", text @ Value::String(_)) => *text = HIDDEN.into(),
                    (_, field) => redact(field),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let cases = [
            ("LEVEL", "info", "info"),
            ("API_TOKEN", "x", "(hidden)"),
            ("POSTGRES_PASSWORD_FILE", "/run/secrets/x", "/run/secrets/x"),
            ("DATABASE_URL", "postgres://u:hunter2@db:5432/x", "postgres://u:(hidden)@db:5432/x"),
            ("DATABASE_URL", "postgres://u:a@b@db/x?y=1", "postgres://u:(hidden)@db/x?y=1"),
            ("URL", "http://a/b@c:d", "http://a/b@c:d"),
            ("URL", "://:@", "://:@"),
        ];
        for (name, given, shown) in cases {
            assert_eq!(value(name, given), shown, "{name}={given}");
        }
    }
}
