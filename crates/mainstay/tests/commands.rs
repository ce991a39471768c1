//! What a person sees without an engine: exit code, standard output, standard error.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A folder of its own with a compose file, and nobody's environment.
struct Case {
    dir: PathBuf,
}

impl Case {
    fn new(name: &str, yaml: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("mainstay-commands-{}-{name}", std::process::id())).join("shop");
        std::fs::create_dir_all(&dir).expect("the folder is made");
        std::fs::write(dir.join("compose.yaml"), yaml).expect("the file is written");
        Self { dir }
    }

    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.dir.join(name), text).expect("the file is written");
        self
    }

    fn run(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_mainstay"))
            .args(args)
            .current_dir(&self.dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let shown = format!(
            "exit code: {}\n----- stdout\n{}----- stderr\n{}",
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        shown.replace(&self.dir.display().to_string(), "[DIR]")
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        if let Some(parent) = self.dir.parent() {
            let _ = std::fs::remove_dir_all(parent);
        }
    }
}

const SHOP: &str = "services:\n  web:\n    image: web:1\n    ports: ['127.0.0.1:${PORT:-80}:80']\n    secrets: [key]\nsecrets:\n  key: {x-mainstay: {generate: 32}}\n";

#[test]
fn help() {
    insta::assert_snapshot!(Case::new("help", SHOP).run(&["--help"]));
}

#[test]
fn help_of_up() {
    insta::assert_snapshot!(Case::new("help-up", SHOP).run(&["up", "--help"]));
}

#[test]
fn no_engine() {
    insta::assert_snapshot!(Case::new("no-engine", SHOP).run(&["plan"]));
}

#[test]
fn doctor_without_an_engine_still_looks_at_the_file() {
    insta::assert_snapshot!(Case::new("doctor", SHOP).run(&["doctor"]));
}

#[test]
fn a_wrong_file() {
    insta::assert_snapshot!(Case::new("wrong", "services:\n  web:\n    imagee: web:1\n    ports: [x]\n").run(&["up"]));
}

#[test]
fn no_file() {
    let case = Case::new("no-file", SHOP);
    std::fs::remove_file(case.dir.join("compose.yaml")).expect("it is there");
    insta::assert_snapshot!(case.run(&["status"]));
}

#[test]
fn a_wrong_word() {
    insta::assert_snapshot!(Case::new("word", SHOP).run(&["upp"]));
}

#[test]
fn config_shows_the_model_with_settings_from_files() {
    let case = Case::new("config", SHOP)
        .file(".env", "PORT=8080\nCOMPOSE_PROJECT_NAME=store\n")
        .file("compose.override.yaml", "services: {web: {image: 'web:2'}}");
    insta::assert_snapshot!(case.run(&["config"]));
}

#[test]
fn a_secret_that_is_missing() {
    let case = Case::new("secret", &SHOP.replace("x-mainstay: {generate: 32}", "environment: KEY"));
    insta::assert_snapshot!(case.run(&["plan"]));
}

#[test]
fn a_dockerfile_that_is_missing() {
    insta::assert_snapshot!(Case::new("dockerfile", "services: {web: {build: {context: .}}}").run(&["plan"]));
}

#[test]
fn completions_are_for_the_shell_that_is_asked() {
    let shown = Case::new("completions", SHOP).run(&["completions", "bash"]);
    assert!(shown.starts_with("exit code: 0\n----- stdout\n_mainstay()"), "{shown}");
}

#[test]
fn an_unknown_service() {
    insta::assert_snapshot!(Case::new("service", SHOP).run(&["logs", "wbe"]));
}
