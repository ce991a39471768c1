//! Images: list, pull or make, build.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bollard::Docker;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::{
    BuildImageOptions, CreateImageOptions, ListContainersOptions, ListImagesOptions, RemoveImageOptions,
    TagImageOptions,
};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use mainstay_plan::observed::ObservedImage;
use mainstay_plan::spec::without_tag;
use mainstay_plan::stack::Build;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::super::Progress;
use super::{DockerEngine, failed, status_of, unless};
use crate::error::{Error, Result};
use crate::workshop;

/// A registry that has not said a word after this will not say one: without a
/// way out to it, an engine may wait for minutes.
const PULL_SILENCE: Duration = Duration::from_secs(60);

/// How much of a failed build's output is shown.
const BUILD_TAIL_LINES: usize = 20;

pub(super) async fn list(docker: &Docker) -> Result<BTreeMap<String, ObservedImage>> {
    let all = docker.list_images(None::<ListImagesOptions>).await.map_err(failed("list images"))?;
    let mut images = BTreeMap::new();
    for image in all {
        for reference in image.repo_tags.iter().chain(&image.repo_digests) {
            images.insert(reference.clone(), ObservedImage { id: image.id.clone(), ..Default::default() });
        }
    }
    Ok(images)
}

pub(super) async fn inspect(docker: &Docker, reference: &str) -> Result<Option<ObservedImage>> {
    match docker.inspect_image(reference).await {
        Ok(found) => {
            let config = found.config.unwrap_or_default();
            let test = config.healthcheck.and_then(|check| check.test);
            let has = test.is_some_and(|test| test.first().is_some_and(|kind| kind != "NONE"));
            Ok(Some(ObservedImage {
                id: found.id.unwrap_or_default(),
                architecture: found.architecture.unwrap_or_default(),
                has_healthcheck: Some(has),
                labels: config.labels.unwrap_or_default().into_iter().collect(),
            }))
        }
        Err(error) if status_of(&error) == Some(404) => Ok(None),
        Err(error) => Err(failed(&format!("inspect image `{reference}`"))(error)),
    }
}

/// Pulls an image. Where that fails and the image is one of Debian's slim ones,
/// it is made on the spot from Debian's signed packages.
pub(super) async fn pull(docker: &Docker, image: &str, platform: Option<&str>, progress: Progress<'_>) -> Result<()> {
    let Err(error) = pull_from_registry(docker, image, platform, progress).await else { return Ok(()) };
    let Some(suite) = workshop::base::debian_suite(image) else {
        return Err(error.hint(format!(
            "is the name right, and may this engine pull it? `docker pull {image}` shows more; an image that is built here needs a `build:`"
        )));
    };
    progress("no registry answers: making it from Debian's packages");
    let mut maker = workshop::base::Maker::start(suite)?;
    import(docker, image, maker.take_output()?).await?;
    maker.finish(progress).await
}

async fn pull_from_registry(
    docker: &Docker,
    image: &str,
    platform: Option<&str>,
    progress: Progress<'_>,
) -> Result<()> {
    let doing = format!("pull image `{image}`");
    let options = CreateImageOptions {
        from_image: Some(image.to_owned()),
        platform: platform.unwrap_or_default().to_owned(),
        ..Default::default()
    };
    let mut stream = docker.create_image(Some(options), None, None);
    let mut layers = Layers::default();
    loop {
        match tokio::time::timeout(PULL_SILENCE, stream.try_next()).await {
            Ok(Ok(Some(info))) => progress(&layers.update(&info)),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(failed(&doing)(error)),
            Err(_) => {
                return Err(Error::new(format!("{doing}: the registry was silent for {} s", PULL_SILENCE.as_secs())));
            }
        }
    }
}

/// What a pull is at, over all its layers.
#[derive(Default)]
struct Layers {
    done: BTreeMap<String, bool>,
}

impl Layers {
    fn update(&mut self, info: &CreateImageInfo) -> String {
        let status = info.status.clone().unwrap_or_default();
        if let Some(id) = &info.id {
            let complete = ["Pull complete", "Already exists"].contains(&status.as_str());
            *self.done.entry(id.clone()).or_default() |= complete;
        }
        let complete = self.done.values().filter(|done| **done).count();
        if self.done.is_empty() { status } else { format!("{complete} of {} layers", self.done.len()) }
    }
}

async fn import(docker: &Docker, image: &str, output: impl AsyncRead + Send + Unpin + 'static) -> Result<()> {
    let doing = format!("import image `{image}`");
    let repo = without_tag(image);
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(repo.to_owned()),
        tag: Some(image[repo.len()..].trim_start_matches(':').to_owned()),
        changes: vec!["CMD [\"bash\"]".to_owned()],
        ..Default::default()
    };
    let body = bollard::body_try_stream(chunks(output));
    // The engine is silent while the file system is being made.
    let patient = docker.clone().with_timeout(Duration::from_secs(1800));
    let import = patient.create_image(Some(options), Some(body), None);
    import.try_collect::<Vec<_>>().await.map(drop).map_err(failed(&doing))
}

fn chunks(
    output: impl AsyncRead + Send + Unpin + 'static,
) -> impl Stream<Item = std::result::Result<Bytes, std::io::Error>> + Send + 'static {
    const CHUNK_BYTES: usize = 256 * 1024;
    futures_util::stream::try_unfold(output, |mut output| async move {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = output.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(chunk), output)))
    })
}

/// Builds an image by the engine's own builder, and gives it `latest` beside
/// its content's tag, so that Docker Compose finds it under the file's name.
pub(super) async fn build(docker: &Docker, image: &str, build: &Build, progress: Progress<'_>) -> Result<()> {
    let context = workshop::context(build, progress).await?;
    let doing = format!("build image `{image}`");
    let args = build.args.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
    let labels = build.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    let options = BuildImageOptions {
        dockerfile: build.dockerfile.clone(),
        t: Some(image.to_owned()),
        rm: true,
        forcerm: true,
        buildargs: Some(args.collect()),
        labels: Some(labels.collect()),
        target: build.target.clone().unwrap_or_default(),
        ..Default::default()
    };
    let patient = docker.clone().with_timeout(Duration::from_secs(3600));
    let mut stream = Box::pin(patient.build_image(options, None, Some(bollard::body_full(context))));
    let mut tail = VecDeque::new();
    loop {
        match stream.try_next().await {
            Ok(None) => break,
            Ok(Some(info)) => note_output(&mut tail, info.stream.as_deref().unwrap_or_default(), progress),
            Err(error) => return Err(build_failed(&doing, &super::text_of(&error), &tail)),
        }
    }
    drop(stream);
    let options = TagImageOptions { repo: Some(without_tag(image).to_owned()), tag: Some("latest".to_owned()) };
    docker.tag_image(image, Some(options)).await.map_err(failed(&doing))
}

fn note_output(tail: &mut VecDeque<String>, output: &str, progress: Progress<'_>) {
    for line in output.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        progress(line);
        if tail.len() == BUILD_TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line.to_owned());
    }
}

fn build_failed(doing: &str, cause: &str, tail: &VecDeque<String>) -> Error {
    let output: Vec<String> = tail.iter().map(|line| format!("    {line}")).collect();
    let shown = if output.is_empty() { String::new() } else { format!("\n{}", output.join("\n")) };
    Error::new(format!("{doing}: {cause}{shown}")).hint("the last lines of the build's output stand above")
}

/// An image under one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaggedImage {
    /// The name and tag.
    pub(crate) reference: String,
    pub(crate) id: String,
    /// With layers that it may share with others.
    pub(crate) size_bytes: u64,
    /// When it was made, in seconds since 1970.
    pub(crate) made_s: i64,
}

impl DockerEngine {
    /// Every image under each of its names.
    pub(crate) async fn tagged_images(&self) -> Result<Vec<TaggedImage>> {
        let all = self.docker.list_images(None::<ListImagesOptions>).await.map_err(failed("list images"))?;
        let tagged = all.into_iter().flat_map(|image| {
            let (id, made_s) = (image.id, image.created);
            let size_bytes = u64::try_from(image.size).unwrap_or(0);
            image.repo_tags.into_iter().map(move |reference| TaggedImage {
                reference,
                id: id.clone(),
                size_bytes,
                made_s,
            })
        });
        Ok(tagged.collect())
    }

    /// The images of all containers, running or not, of every project.
    pub(crate) async fn images_in_use(&self) -> Result<Vec<String>> {
        let options = ListContainersOptions { all: true, ..Default::default() };
        let all = self.docker.list_containers(Some(options)).await.map_err(failed("list containers"))?;
        Ok(all.into_iter().filter_map(|container| container.image_id).collect())
    }

    /// Takes a name from an image, and the image away with its last name. One that is gone is no error.
    pub(crate) async fn remove_image(&self, reference: &str) -> Result<()> {
        let removed = self.docker.remove_image(reference, None::<RemoveImageOptions>, None).await.map(drop);
        unless(&[404], removed, &format!("remove image `{reference}`"))
    }
}
