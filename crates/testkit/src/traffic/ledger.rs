//! What the server says that it has done, beside what was asked of it. A ledger has a line `id version` for each post
//! that was done, with the release that did it.

use std::collections::HashMap;

/// Those of `ids` that stand in the ledger more than once: done twice, although each was sent once.
#[must_use]
pub fn twice<'a>(ledger: &str, ids: &'a [String]) -> Vec<&'a str> {
    let times = times(ledger);
    ids.iter().map(String::as_str).filter(|id| times.get(id).is_some_and(|times| *times > 1)).collect()
}

/// Those of `acknowledged` that do not stand in the ledger: the answer was a lie, or what was done is lost.
#[must_use]
pub fn missing<'a>(ledger: &str, acknowledged: &'a [String]) -> Vec<&'a str> {
    let times = times(ledger);
    acknowledged.iter().map(String::as_str).filter(|id| !times.contains_key(id)).collect()
}

fn times(ledger: &str) -> HashMap<&str, u32> {
    let mut times = HashMap::new();
    for id in ledger.lines().filter_map(|line| line.split_whitespace().next()) {
        *times.entry(id).or_default() += 1;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEDGER: &str = "a v1\nb v1\nc v2\nb v2\n\nother v1\nother v1\n";

    fn ids(of: &[&str]) -> Vec<String> {
        of.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn an_id_that_stands_there_again_was_done_twice() {
        assert_eq!(twice(LEDGER, &ids(&["a", "b", "c", "d"])), ["b"]);
        assert_eq!(twice("", &ids(&["a"])), Vec::<&str>::new());
    }

    #[test]
    fn an_id_that_does_not_stand_there_is_missing() {
        assert_eq!(missing(LEDGER, &ids(&["a", "b", "d"])), ["d"]);
        assert_eq!(missing("", &ids(&["a"])), ["a"]);
        // The start of an id is not the id.
        assert_eq!(missing("abc v1", &ids(&["ab"])), ["ab"]);
    }
}
