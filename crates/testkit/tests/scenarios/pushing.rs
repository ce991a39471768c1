//! Deploying by a push, and what is left of it after a while.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::environment::{Environment, docker};

/// A folder of the test's own, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("mainstay-push-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn shop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/shop/compose.yaml")
}

fn git(folder: &Path, args: &[&str]) -> Output {
    let who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").arg("-C").arg(folder).args(who).args(args).output().expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn commit(folder: &Path, project: &str, version: &str) {
    let text = format!(
        "name: {project}\nservices:\n  app:\n    image: mainstay/fixture\n    pull_policy: never\n    environment: {{FIXTURE_VERSION: '{version}', WHERE: '${{WHERE:-nowhere}}'}}\n"
    );
    std::fs::write(folder.join("compose.yaml"), text).expect("it is written");
    git(folder, &["add", "compose.yaml"]);
    git(folder, &["commit", "--quiet", "--message", version]);
}

#[test]
fn a_push_is_deployed_and_says_how_it_goes() {
    // The image comes with the shop, which is not brought up.
    let environment = Environment::new("push").with_file(shop());
    let _ = environment.ok(&["build"]);
    let folder = Folder::new();
    let [bare, work] = ["app.git", "work"].map(|name| folder.0.join(name));
    git(&folder.0, &["init", "--quiet", "--bare", "app.git"]);
    git(&folder.0, &["init", "--quiet", "work"]);
    let installed = environment.run(&["hook", "install", bare.to_str().expect("text")]);
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    // What is in no commit stays where it is.
    let checked_out = folder.0.join("app");
    std::fs::create_dir_all(&checked_out).expect("a folder");
    std::fs::write(checked_out.join(".env"), "WHERE=here\n").expect("it is written");

    for version in ["one", "two"] {
        commit(&work, &environment.project, version);
        let pushed = git(&work, &["push", bare.to_str().expect("text"), "main"]);
        let said = String::from_utf8_lossy(&pushed.stderr).into_owned();
        assert!(said.contains("release "), "{said}");
        let container = environment.inspect(&format!("{}-app-1", environment.project));
        let variables = container.pointer("/Config/Env").expect("an environment").to_string();
        assert!(variables.contains(&format!("FIXTURE_VERSION={version}")), "{variables}");
        assert!(variables.contains("WHERE=here"), "{variables}");
    }
    let commit = String::from_utf8_lossy(&git(&work, &["rev-parse", "--short=10", "HEAD"]).stdout).trim().to_owned();
    let pushed = Environment::new("push").with_file(checked_out.join("compose.yaml"));
    assert!(pushed.ok(&["releases"]).contains(&commit), "the receipt names the commit");
    // Another branch is none of its business.
    git(&work, &["push", bare.to_str().expect("text"), "main:other"]);

    // A hook of somebody else's is not written over.
    std::fs::write(bare.join("hooks/post-receive"), "#!/bin/sh\n").expect("it is written");
    let refused = environment.run(&["hook", "install", bare.to_str().expect("text")]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is a hook already"));
}

#[test]
fn prune_takes_what_nobody_needs_and_nothing_else() {
    let environment = Environment::new("prune").with_file(shop());
    let _ = environment.ok(&["up"]);
    let stale = "mainstay/fixture:stale";
    let import = Command::new("sh").args(["-c", &format!("tar -cf - -T /dev/null | docker import - {stale}")]).output();
    assert!(import.expect("docker runs").status.success());
    let images = || docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
    let volumes =
        || docker(&["volume", "ls", "-q", "--filter", &format!("label=mainstay.project={}", environment.project)]);
    let (before, data) = (images(), volumes());
    assert!(environment.ok(&["prune", "--dry-run"]).contains(stale));
    assert_eq!(images(), before, "a dry run removes nothing");
    assert!(environment.ok(&["prune", "--older-than", "1d"]).is_empty(), "it is not a day old");
    assert!(environment.ok(&["prune"]).contains(stale));
    assert!(!images().contains(stale));
    let used = environment.ok(&["status", "--json"]);
    for image in ["mainstay/fixture:", "mainstay/edge:"] {
        assert!(used.contains(image) && images().contains(image), "{image} is in use");
    }
    assert_eq!(volumes(), data);
    assert_eq!(environment.run(&["plan"]).status.code(), Some(0), "all of it runs on");
}
