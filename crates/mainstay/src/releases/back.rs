//! What can be gone back to, and whether the database still lets it: pure.

use mainstay_plan::spec::without_tag;

use super::{Migrated, Record};
use crate::error::{Error, Result};

/// The release to go back to: the one asked for, else the newest good one that runs something else than what runs now
/// and was not gone back from.
///
/// # Errors
///
/// There is none.
pub(crate) fn find(records: &[Record], asked: Option<u32>) -> Result<&Record> {
    let listed = "`mainstay releases` lists them";
    if let Some(number) = asked {
        let record = records.iter().find(|record| record.number == number);
        let record = record.ok_or_else(|| Error::new(format!("there is no release {number}")).hint(listed))?;
        return match record.is_good() {
            true => Ok(record),
            false => {
                Err(Error::new(format!("release {number} did not end well, and cannot be gone back to")).hint(listed))
            }
        };
    }
    let good: Vec<&Record> = records.iter().filter(|record| record.is_good()).collect();
    let now = good.last().ok_or_else(|| Error::new("there is no release yet").hint("mainstay deploy"))?;
    let candidates = good.iter().rev().filter(|record| !record.runs_the_same_as(now) && !was_left(records, record));
    candidates.copied().next().ok_or_else(|| {
        Error::new("there is no earlier release that runs something else")
            .hint("`mainstay releases` lists them, and `mainstay rollback RELEASE` goes back to one of them")
    })
}

/// Whether somebody went back from it.
fn was_left(records: &[Record], record: &Record) -> bool {
    records.iter().any(|later| {
        later.is_good() && later.back_to.is_some_and(|to| to < record.number) && record.number < later.number
    })
}

/// Why the schema has moved past what a release can read; none where it has not.
pub(crate) fn schema_moved(records: &[Record], to: &Record) -> Option<String> {
    let later = records.iter().filter(|record| record.number > to.number);
    let migrated = later.flat_map(|record| record.migrated.iter().map(move |migrated| (record.number, migrated)));
    for (number, Migrated { image, schema: now }) in migrated {
        for (service, version) in &to.services {
            let then = version.schema.filter(|_| without_tag(&version.spec.image) == image);
            if let Some(then) = then.filter(|then| then.version < now.oldest) {
                return Some(format!(
                    "release {number} brought version {} of the schema, which only programs from version {} on can read; `{service}` of release {} knows version {}",
                    now.version, now.oldest, to.number, then.version
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mainstay_plan::spec::ContainerSpec;

    use super::super::{Outcome, Schema, Version};
    use super::*;

    fn release(number: u32, image: &str) -> Record {
        let spec = ContainerSpec {
            service: "app".into(),
            number: 1,
            image: image.into(),
            platform: None,
            run: Default::default(),
            files: Vec::new(),
        };
        let version = Version { release: number, image_id: image.into(), spec, schema: None };
        Record {
            number,
            verb: "deploy".into(),
            began: String::new(),
            took_ms: 0,
            who: String::new(),
            commit: None,
            outcome: Outcome::Done,
            back_to: None,
            changed: Vec::new(),
            migrated: Vec::new(),
            services: BTreeMap::from([("app".to_owned(), version)]),
            steps: Vec::new(),
            ledger: serde_json::Value::Null,
        }
    }

    /// A release of `shop`, which migrates before it starts.
    fn with_schema(number: u32, tag: &str, version: u32, oldest: u32) -> Record {
        let mut record = release(number, &format!("shop:{tag}"));
        let schema = Schema { version, oldest };
        record.services.get_mut("app").unwrap().schema = Some(schema);
        record.migrated = vec![Migrated { image: "shop".into(), schema }];
        record
    }

    fn found(records: &[Record], asked: Option<u32>) -> std::result::Result<u32, String> {
        find(records, asked).map(|record| record.number).map_err(|error| error.message)
    }

    #[test]
    fn the_previous_good_one_that_runs_something_else_is_gone_back_to() {
        let mut failed = release(3, "c");
        failed.outcome = Outcome::Failed { error: "no".into() };
        let scaled = release(5, "d");
        let records = [release(1, "a"), release(2, "b"), failed, release(4, "d"), scaled];
        assert_eq!(found(&records, None), Ok(2));
        assert_eq!(found(&records, Some(1)), Ok(1));
        assert_eq!(found(&records, Some(3)), Err("release 3 did not end well, and cannot be gone back to".into()));
        assert_eq!(found(&records, Some(9)), Err("there is no release 9".into()));
    }

    #[test]
    fn to_go_back_twice_goes_further_back_and_not_to_and_fro() {
        let mut back = release(4, "b");
        back.back_to = Some(2);
        let records = [release(1, "a"), release(2, "b"), release(3, "c"), back];
        assert_eq!(found(&records, None), Ok(1));
    }

    #[test]
    fn after_a_rollback_and_a_new_release_what_was_good_is_gone_back_to() {
        let mut back = release(3, "a");
        back.back_to = Some(1);
        let records = [release(1, "a"), release(2, "bad"), back, release(4, "c")];
        assert_eq!(found(&records, None), Ok(3));
    }

    #[test]
    fn without_an_earlier_one_there_is_no_way_back() {
        assert_eq!(found(&[], None), Err("there is no release yet".into()));
        let records = [release(1, "a"), release(2, "a")];
        assert_eq!(found(&records, None), Err("there is no earlier release that runs something else".into()));
    }

    #[test]
    fn a_schema_that_moved_past_a_release_is_seen() {
        let records = [with_schema(1, "a", 1, 1), with_schema(2, "b", 2, 1), with_schema(3, "c", 3, 2)];
        let why = schema_moved(&records, &records[0]).unwrap();
        assert!(why.contains("release 3 brought version 3 of the schema"), "{why}");
        assert_eq!(schema_moved(&records, &records[1]), None, "expand, then contract: one release back always works");
        assert_eq!(schema_moved(&records[..2], &records[0]), None);
    }

    #[test]
    fn a_failed_release_may_have_migrated_before_it_failed() {
        let mut failed = with_schema(2, "b", 2, 2);
        failed.outcome = Outcome::Failed { error: "no".into() };
        failed.services = with_schema(1, "a", 1, 1).services;
        let records = [with_schema(1, "a", 1, 1), failed];
        assert!(schema_moved(&records, &records[0]).is_some());
    }
}
