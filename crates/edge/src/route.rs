//! Which service a request is for, by its host and path.

use std::str::FromStr;

use thiserror::Error;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The host that is asked for; any where there is none.
    pub host: Option<String>,
    /// What the path begins with, up to a `/` or the end.
    pub path: String,
    /// The service that answers.
    pub service: String,
}

/// All rules, the most exact first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes(Vec<Route>);

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("route `{0}` is not [HOST]/PATH=SERVICE\n\nhint: `/=app`, or `shop.example.org/api=api`")]
pub struct NoRoute(String);

impl FromStr for Route {
    type Err = NoRoute;

    fn from_str(text: &str) -> Result<Self, NoRoute> {
        let wrong = || NoRoute(text.to_owned());
        let (place, service) = text.rsplit_once('=').ok_or_else(wrong)?;
        let (host, path) = place.split_once('/').ok_or_else(wrong)?;
        if service.is_empty() || host.contains(':') {
            return Err(wrong());
        }
        let host = (!host.is_empty()).then(|| host.to_ascii_lowercase());
        Ok(Self { host, path: format!("/{}", path.trim_end_matches('/')), service: service.to_owned() })
    }
}

impl Route {
    fn holds(&self, host: &str, path: &str) -> bool {
        let host = self.host.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(host));
        let rest = path.strip_prefix(self.path.trim_end_matches('/'));
        host && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Routes {
    /// The rules in their order: those with a host before those without, longer paths before shorter ones.
    #[must_use]
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| (route.host.is_none(), std::cmp::Reverse(route.path.len())));
        Self(routes)
    }

    /// The service for a request. `host` may have a port.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<&str> {
        let host = without_port(host);
        self.0.iter().find(|route| route.holds(host, path)).map(|route| route.service.as_str())
    }
}

/// A host name without its port; an address in brackets stays as it is.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn routes(texts: &[&str]) -> Routes {
        Routes::new(texts.iter().map(|text| text.parse().expect("a route")).collect())
    }

    #[test]
    fn the_most_exact_rule_counts() {
        let routes = routes(&["/=app", "/api/=api", "shop.example.org/=shop", "shop.example.org/api/v2=two"]);
        for (host, path, service) in [
            ("x", "/", "app"),
            ("x", "/api", "api"),
            ("x", "/api/todos", "api"),
            ("x", "/apis", "app"),
            ("Shop.Example.org:8080", "/api", "shop"),
            ("shop.example.org", "/api/v2/x", "two"),
            ("[::1]:8080", "/", "app"),
        ] {
            assert_eq!(routes.find(host, path), Some(service), "{host}{path}");
        }
    }

    #[test]
    fn a_host_that_nobody_serves_gets_nothing() {
        assert_eq!(routes(&["shop.example.org/=shop"]).find("example.org", "/"), None);
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for wrong in ["", "app", "/", "/=", "host=app", "host:80/=app"] {
            assert!(wrong.parse::<Route>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_from_a_stranger_makes_it_fail(host in ".{0,40}", path in ".{0,40}") {
            let _ = routes(&["/=app", "h/x=y"]).find(&host, &path);
        }
    }
}
