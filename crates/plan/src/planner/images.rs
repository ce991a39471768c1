//! Images: everything is pulled and built before anything is touched.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::{PlanError, UpOptions};
use crate::observed::Observed;
use crate::plan::{Step, StepId};
use crate::spec::with_tag;
use crate::stack::{Build, PullPolicy, Service, Stack};

pub(super) fn plan(
    draft: &mut Draft,
    stack: &Stack,
    observed: &Observed,
    options: &UpOptions,
) -> Result<(), PlanError> {
    let mut planned: BTreeMap<String, StepId> = BTreeMap::new();
    let is_asked = |service: &&Service| {
        let name = &service.name;
        service.replicas > 0 && options.includes(stack, name) && !options.pinned.contains_key(name)
    };
    for service in stack.services.values().filter(is_asked) {
        let image = service.image_reference();
        if planned.contains_key(&image) {
            continue;
        }
        let id = match &service.build {
            Some(build) => plan_build(draft, observed, options, service, build, &mut planned),
            None => plan_pull(draft, observed, options, service, &image)?,
        };
        if let Some(id) = id {
            planned.insert(image, id);
        }
    }
    Ok(())
}

fn plan_build(
    draft: &mut Draft,
    observed: &Observed,
    options: &UpOptions,
    service: &Service,
    build: &Build,
    planned: &mut BTreeMap<String, StepId>,
) -> Option<StepId> {
    let image = service.image_reference();
    let reason = match (observed.images.contains_key(&image), options.rebuild) {
        (true, false) => return None,
        (true, true) => "a rebuild was asked for".to_owned(),
        (false, _) => format!("the engine has none made from these files, for service {}", service.name),
    };
    let mut after = Vec::new();
    for base in build.bases.iter().map(|base| with_tag(base)) {
        if !planned.contains_key(&base) && (options.pull || !observed.images.contains_key(&base)) {
            let step = Step::PullImage { image: base.clone(), platform: service.platform.clone() };
            let id = draft.add_image(step, format!("{image} is built on it"), &[]);
            planned.insert(base.clone(), id);
        }
        after.extend(planned.get(&base));
    }
    Some(draft.add_image(Step::BuildImage { service: service.name.clone(), image }, reason, &after))
}

fn plan_pull(
    draft: &mut Draft,
    observed: &Observed,
    options: &UpOptions,
    service: &Service,
    image: &str,
) -> Result<Option<StepId>, PlanError> {
    let present = observed.images.contains_key(image);
    let reason = match (service.pull_policy, present) {
        (PullPolicy::Never, false) => {
            return Err(PlanError::new(
                format!(
                    "service `{}`: the engine has no image `{image}`, and `pull_policy: never` forbids to pull it",
                    service.name
                ),
                "load or build the image, or take `pull_policy` away",
            ));
        }
        (PullPolicy::Build, false) => {
            return Err(PlanError::new(
                format!("service `{}`: `pull_policy: build` without a `build`", service.name),
                "say under `build:` how the image is made",
            ));
        }
        (PullPolicy::Always, true) if options.images_are_new => return Ok(None),
        (PullPolicy::Always, _) => "`pull_policy: always`",
        (_, false) => "the engine does not have it",
        (_, true) if options.pull => "a pull was asked for",
        (_, true) => return Ok(None),
    };
    let step = Step::PullImage { image: image.to_owned(), platform: service.platform.clone() };
    Ok(Some(draft.add_image(step, reason, &[])))
}
