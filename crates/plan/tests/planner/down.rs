//! Taking a project away.

use insta::assert_snapshot;
use mainstay_plan::labels;
use mainstay_plan::observed::ObservedVolume;
use mainstay_plan::planner::{DownOptions, plan_down};

use crate::support::{SHOP, all_up, stack};

#[test]
fn dependents_go_before_what_they_depend_on_and_data_stays() {
    let stack = stack(SHOP);
    assert_snapshot!(plan_down(&stack, &all_up(&stack), DownOptions::default()));
}

#[test]
fn volumes_go_only_when_asked_and_the_plan_says_what_is_lost() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    let labels = [(labels::PROJECT, "shop"), (labels::ROLE, labels::ROLE_STORE)];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    observed.volumes.insert("shop_mainstay-store".into(), ObservedVolume { labels });
    observed.volumes.insert("other_data".into(), ObservedVolume::default());
    let plan = plan_down(&stack, &observed, DownOptions { volumes: true });
    assert!(plan.is_destructive());
    assert_snapshot!(plan);
}
