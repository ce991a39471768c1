//! `prune`: images that no release needs any more. Volumes are never touched.

use std::collections::BTreeSet;

use mainstay_plan::labels;
use mainstay_plan::spec::without_tag;
use serde_json::json;

use super::turn::{self, Turn};
use super::{connect, load_stack};
use crate::cli::{Globals, PruneArgs};
use crate::engine::Engine as _;
use crate::engine::docker::{DockerEngine, TaggedImage};
use crate::error::Result;
use crate::exit::ExitStatus;
use crate::load::Loaded;
use crate::{releases, report};

pub(super) async fn run(globals: &Globals, args: &PruneArgs) -> Result<ExitStatus> {
    let loaded = load_stack(globals)?;
    let engine = connect().await?;
    let turn = turn::take(&engine, &loaded.stack.project, "prune").await?;
    let pruned = prune(globals, args, &engine, &loaded, &turn).await;
    turn.end().await;
    pruned.map(|()| ExitStatus::Success)
}

async fn prune(globals: &Globals, args: &PruneArgs, engine: &DockerEngine, loaded: &Loaded, turn: &Turn) -> Result<()> {
    let stack = &loaded.stack;
    let images = engine.tagged_images().await?;
    let built = stack.services.values().filter(|service| service.build.is_some());
    let needed = Needed {
        names: built.map(|service| without_tag(&service.image).to_owned()).collect(),
        references: stack.services.values().map(mainstay_plan::stack::Service::image_reference).collect(),
        ids: kept_ids(engine, args.keep).await?.into_iter().chain(engine.images_in_use().await?).collect(),
    };
    let policy = Policy { older_than_s: args.older_than, budget: args.budget, now_s: engine.now_s().await? };
    let chosen = choose(&images, &needed, &policy);
    let mut freed = 0;
    for image in chosen {
        if *turn.lost().borrow() {
            break;
        }
        if !args.dry_run {
            engine.remove_image(&image.reference).await?;
        }
        freed += image.size_bytes;
        match globals.json {
            true => report::json_line(
                &json!({"image": image.reference, "bytes": image.size_bytes, "removed": !args.dry_run}),
            ),
            false => report::data(&format!("{}\n", image.reference)),
        }
    }
    if !globals.json {
        let word = if args.dry_run { "would free" } else { "freed" };
        report::talk(&format!("{}: {word} at most {} MiB (images may share layers)", stack.project, freed >> 20));
    }
    Ok(())
}

/// The images of the newest good releases of every project on the engine: two of them may be made from the same.
async fn kept_ids(engine: &DockerEngine, keep: usize) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for volume in engine.volumes().await?.into_values() {
        let is_store = volume.labels.get(labels::ROLE).is_some_and(|role| role == labels::ROLE_STORE);
        let Some(project) = volume.labels.get(labels::PROJECT).filter(|_| is_store) else { continue };
        let records = releases::read(engine, project).await?;
        let good = records.iter().rev().filter(|record| record.is_good()).take(keep);
        ids.extend(good.flat_map(|record| record.services.values().map(|version| version.image_id.clone())));
    }
    Ok(ids)
}

/// What must stay.
struct Needed {
    /// The images that are built here, by name: others are not ours to remove.
    names: BTreeSet<String>,
    /// What the file asks for.
    references: BTreeSet<String>,
    /// What runs, and what releases need that may be gone back to.
    ids: BTreeSet<String>,
}

struct Policy {
    older_than_s: Option<u64>,
    budget: Option<u64>,
    now_s: i64,
}

/// The images to remove, oldest first.
fn choose<'a>(images: &'a [TaggedImage], needed: &Needed, policy: &Policy) -> Vec<&'a TaggedImage> {
    let ours = |image: &&TaggedImage| needed.names.contains(without_tag(&image.reference));
    let mut left: u64 = images.iter().filter(ours).map(|image| image.size_bytes).sum();
    let is_free = |image: &&TaggedImage| {
        !needed.references.contains(&image.reference)
            && !needed.ids.contains(&image.id)
            && !image.reference.ends_with(":latest")
    };
    let is_old = |image: &&TaggedImage| {
        let age_s = u64::try_from(policy.now_s - image.made_s).unwrap_or(0);
        policy.older_than_s.is_none_or(|least| age_s >= least)
    };
    let mut chosen: Vec<&TaggedImage> = images.iter().filter(ours).filter(is_free).filter(is_old).collect();
    chosen.sort_by_key(|image| (image.made_s, &image.reference));
    chosen.retain(|image| {
        let wanted = policy.budget.is_none_or(|budget| left > budget);
        if wanted {
            left -= image.size_bytes;
        }
        wanted
    });
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(reference: &str, id: &str, made_s: i64) -> TaggedImage {
        TaggedImage { reference: reference.into(), id: id.into(), size_bytes: 10, made_s }
    }

    fn chosen(policy: &Policy) -> Vec<String> {
        let images = [
            image("shop:1", "a", 10),
            image("shop:2", "b", 20),
            image("shop:3", "c", 30),
            image("shop:4", "d", 40),
            image("shop:latest", "d", 40),
            image("postgres:17", "p", 1),
        ];
        let needed = Needed {
            names: ["shop".to_owned()].into(),
            references: ["shop:4".to_owned()].into(),
            ids: ["c".to_owned()].into(),
        };
        choose(&images, &needed, policy).into_iter().map(|image| image.reference.clone()).collect()
    }

    #[test]
    fn what_is_ours_and_nobody_needs_goes() {
        assert_eq!(chosen(&Policy { older_than_s: None, budget: None, now_s: 100 }), ["shop:1", "shop:2"]);
    }

    #[test]
    fn age_and_budget_bound_it_and_the_oldest_goes_first() {
        assert_eq!(chosen(&Policy { older_than_s: Some(85), budget: None, now_s: 100 }), ["shop:1"]);
        assert_eq!(chosen(&Policy { older_than_s: None, budget: Some(45), now_s: 100 }), ["shop:1"]);
        assert!(chosen(&Policy { older_than_s: None, budget: Some(50), now_s: 100 }).is_empty());
    }
}
