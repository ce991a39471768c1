//! `hook install`: deploys on a push to a bare Git repository of this machine.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::cli::HookAction;
use crate::error::{Error, Result};
use crate::exit::ExitStatus;
use crate::report;

/// What tells our own hook from somebody else's.
const MARK: &str = "# Written by `mainstay hook install`";

pub(super) fn run(action: &HookAction) -> Result<ExitStatus> {
    let HookAction::Install { repository, branch, folder, force } = action;
    let repository = absolute(repository)?;
    if !repository.join("HEAD").is_file() || !repository.join("objects").is_dir() {
        return Err(Error::new(format!("`{}` is no bare Git repository", repository.display()))
            .hint(format!("git init --bare {}", repository.display())));
    }
    if branch.is_empty() || branch.starts_with('-') || branch.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Error::new(format!("`{branch}` cannot be a branch")));
    }
    let folder = match folder {
        Some(folder) => absolute(folder)?,
        None => default_folder(&repository)?,
    };
    let hook = repository.join("hooks/post-receive");
    let there = std::fs::read_to_string(&hook).ok();
    if there.is_some_and(|text| !text.contains(MARK)) && !force {
        return Err(Error::new(format!("there is a hook already: `{}`", hook.display()))
            .hint("call `mainstay deploy` from it yourself, or say `--force` to replace it"));
    }
    let program = std::env::current_exe().map_err(|error| Error::new(format!("find this program: {error}")))?;
    write(&hook, &script(&repository, &folder, branch, &program)).map_err(|error| {
        Error::new(format!("write `{}`: {error}", hook.display())).hint("the hook's folder must be yours to write to")
    })?;
    report::talk(&format!("a push to `{branch}` of {} is deployed from {}", repository.display(), folder.display()));
    report::talk(&format!("settings that are in no commit belong into {}/.env", folder.display()));
    Ok(ExitStatus::Success)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::new(format!("`{}`: {error}", path.display())))
}

/// `/srv/shop.git` is checked out to `/srv/shop`.
fn default_folder(repository: &Path) -> Result<PathBuf> {
    let is_named_so = repository.extension().is_some_and(|extension| extension == "git");
    match is_named_so {
        true => Ok(repository.with_extension("")),
        false => Err(Error::new(format!("`{}` does not end in `.git`", repository.display()))
            .hint("say with `--folder` where it is to be checked out to")),
    }
}

/// Whole or not at all: a push may come at any moment.
fn write(hook: &Path, text: &str) -> std::io::Result<()> {
    let beside = hook.with_extension("new");
    if let Some(folder) = hook.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&beside, text)?;
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(beside, hook)
}

fn script(repository: &Path, folder: &Path, branch: &str, program: &Path) -> String {
    let [repository, folder, program] = [repository, folder, program].map(|path| quoted(&path.display().to_string()));
    let reference = quoted(&format!("refs/heads/{branch}"));
    format!(
        r#"#!/bin/sh
{MARK}: what is pushed to one branch is checked out and deployed.
# Who pushes sees the progress; a release that fails leaves the old one serving.
set -eu
repository={repository} folder={folder} program={program}

deploy() {{
    mkdir -p "$folder"
    git --git-dir="$repository" --work-tree="$folder" checkout --force --quiet "$1" --
    MAINSTAY_COMMIT=$(git --git-dir="$repository" rev-parse --short=10 "$1")
    export MAINSTAY_COMMIT
    cd "$folder"
    # Git's own variables are about the repository, and not about the folder.
    unset GIT_DIR GIT_WORK_TREE GIT_QUARANTINE_PATH
    if [ -x ./mainstay ]; then program=./mainstay; fi
    "$program" deploy --yes </dev/null
}}

while read -r _ new reference; do
    case $reference in
    {reference})
        case $new in
        *[!0]*) deploy "$new" ;;
        *) echo "mainstay: the branch is gone; what runs goes on" >&2 ;;
        esac
        ;;
    *) echo "mainstay: $reference is not deployed" >&2 ;;
    esac
done
"#
    )
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_s_name_gives_the_folder() {
        assert_eq!(default_folder(Path::new("/srv/shop.git")).unwrap(), Path::new("/srv/shop"));
        assert!(default_folder(Path::new("/srv/shop")).is_err());
    }

    #[test]
    fn a_path_is_one_word_whatever_is_in_it() {
        assert_eq!(quoted("/srv/it's; rm -rf /"), r"'/srv/it'\''s; rm -rf /'");
        let text = script(Path::new("/a b.git"), Path::new("/a b"), "main", Path::new("/bin/mainstay"));
        assert!(text.starts_with("#!/bin/sh\n") && text.contains("repository='/a b.git' folder='/a b'"), "{text}");
    }
}
