//! The command line, as typed. Nothing here touches the world.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::load::Sources;
use crate::report::Format;

const EXAMPLES: &str = "\
Getting started:
  mainstay up            bring everything up, and say what runs where
  mainstay status        what runs now
  mainstay deploy        ship what changed; `mainstay rollback` takes it back
  mainstay logs -f app   follow what a service writes
  mainstay down          take it away, and keep the data

When something is wrong:
  mainstay doctor        look for what is wrong with this machine, this engine and this file
  mainstay plan          what `up` would do, and why, without doing it";

/// From a compose file to a running, watched environment on the Docker Engine.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Args)]
pub(crate) struct Globals {
    /// A compose file; several are merged in order [default: compose.yaml here or above]
    // Before the verb only, as with Docker Compose: `logs -f` follows.
    #[arg(short, long = "file", value_name = "FILE", env = "COMPOSE_FILE", value_delimiter = ':')]
    pub(crate) file: Vec<PathBuf>,
    /// The project's name, the prefix of all that is made [default: the file's `name`, else its folder's]
    #[arg(short, long, global = true, value_name = "NAME", env = "COMPOSE_PROJECT_NAME")]
    pub(crate) project_name: Option<String>,
    /// The folder that relative paths start from [default: the first file's]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) project_directory: Option<PathBuf>,
    /// Variables for the compose file [default: .env beside it]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Services of this profile as well
    #[arg(long, global = true, value_name = "NAME", env = "COMPOSE_PROFILES", value_delimiter = ',')]
    pub(crate) profile: Vec<String>,
    /// For programs: JSON on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Globals {
    pub(crate) fn sources(&self) -> Sources {
        Sources {
            files: self.file.clone(),
            project_name: self.project_name.clone(),
            project_dir: self.project_directory.clone(),
            env_file: self.env_file.clone(),
            profiles: self.profile.clone(),
        }
    }

    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::Human }
    }
}

/// What mainstay does.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Bring everything up: images, networks, volumes, secrets, services
    Up(UpArgs),
    /// Take everything away, and keep the data
    Down(DownArgs),
    /// Pull and build the images, and touch nothing else
    Build(BuildArgs),
    /// Show what `up` would do, and why [exit code: 0 nothing, 2 changes, 1 error]
    Plan(PreviewArgs),
    /// Ship what changed: start it beside what runs, watch it, and go back where it does worse
    Deploy(DeployArgs),
    /// Go back to an earlier release
    Rollback(RollbackArgs),
    /// Show what was changed, when, by whom, and how it went
    Releases(ReleasesArgs),
    /// Run more or fewer replicas: `scale app=4`
    Scale(ScaleArgs),
    /// Remove images that no release needs any more; never a volume
    Prune(PruneArgs),
    /// Deploy on a push to a Git repository of this machine
    Hook {
        #[command(subcommand)]
        action: HookAction,
    },
    /// Show what runs
    Status,
    /// Show what services write
    Logs(LogsArgs),
    /// Run a command in a running container
    Exec(ExecArgs),
    /// Show the compose file as it was understood
    Config(ConfigArgs),
    /// Look for what is wrong, and say how to mend it [exit code: 0 nothing, 2 something, 1 error]
    Doctor,
    /// Print a script that completes commands in your shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// What changes the plan of `up`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Build images anew although nothing in them changed (for security updates)
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// Pull images anew
    #[arg(long)]
    pub(crate) pull: bool,
    /// Replace containers although nothing differs
    #[arg(long)]
    pub(crate) force_recreate: bool,
    /// Remove containers of services that the file no longer has
    #[arg(long)]
    pub(crate) remove_orphans: bool,
}

/// What `plan` shows.
#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    /// What `deploy` would do with these services only
    pub(crate) services: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// These services only, and the migrations that run before them [default: all]
    pub(crate) services: Vec<String>,
    /// How long new releases are watched [default: the file's `monitor`, else 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_window)]
    pub(crate) watch: Option<u64>,
    /// Build images anew although nothing in them changed (for security updates)
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// Pull images anew
    #[arg(long)]
    pub(crate) pull: bool,
    /// Replace containers although nothing differs
    #[arg(long)]
    pub(crate) force_recreate: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The release to go back to [default: the previous good one]
    pub(crate) release: Option<u32>,
    /// These services only [default: all that hold no state]
    #[arg(long = "service", value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// How long what is gone back to is watched [default: not at all]
    #[arg(long, value_name = "TIME", value_parser = parse_window)]
    pub(crate) watch: Option<u64>,
    /// Also where the database's schema has moved past what that release can read
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReleasesArgs {
    /// One release, with its receipt
    pub(crate) release: Option<u32>,
    /// So many of the newest
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) last: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    /// SERVICE=REPLICAS
    #[arg(required = true, value_parser = parse_scale)]
    pub(crate) services: Vec<(String, u32)>,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// The images of so many of the newest good releases are kept
    #[arg(long, value_name = "RELEASES", default_value_t = 5)]
    pub(crate) keep: usize,
    /// Only images older than this, such as `30d`
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub(crate) older_than: Option<u64>,
    /// Only until what is left takes no more than this, such as `5g`
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) budget: Option<u64>,
    /// Only show what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HookAction {
    /// Put a post-receive hook into a bare repository
    Install {
        /// The bare repository
        repository: PathBuf,
        /// The branch that is deployed
        #[arg(long, default_value = "main")]
        branch: String,
        /// Where it is checked out to [default: the repository's name without `.git`, beside it]
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
        /// Over a hook that is there already
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Build images anew although nothing in them changed (for security updates)
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// Pull images anew
    #[arg(long)]
    pub(crate) pull: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Volumes too: all data and generated secrets are lost
    #[arg(short, long)]
    pub(crate) volumes: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Go on with what comes
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// So many of the last lines of each container first
    #[arg(short = 'n', long, value_name = "LINES")]
    pub(crate) tail: Option<u32>,
    /// Nothing older than this, such as `10m` or `2h`
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub(crate) since: Option<u64>,
    /// Each line with its time
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    /// These services only
    pub(crate) services: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// Which replica, from 1
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) index: u32,
    /// As this user
    #[arg(short, long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// The service
    pub(crate) service: String,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Only the names of the services
    #[arg(long)]
    pub(crate) services: bool,
    /// Only say whether the file is right
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// An age such as `90s`, `10m`, `2h` or `3d`, in seconds.
fn parse_age(text: &str) -> Result<u64, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[number.len()..] {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        other => return Err(format!("`{other}` is no unit of time; use s, m, h or d")),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no age such as `10m`"))?;
    number.checked_mul(seconds).ok_or_else(|| format!("`{text}` is too long ago"))
}

/// A window such as `10s`, `500ms` or `0`, in milliseconds.
fn parse_window(text: &str) -> Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    let window = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    u64::try_from(window.as_millis()).map_err(|_| format!("`{text}` is too long"))
}

fn parse_scale(text: &str) -> Result<(String, u32), String> {
    let parsed = text.split_once('=').and_then(|(service, number)| Some((service.to_owned(), number.parse().ok()?)));
    parsed.ok_or_else(|| format!("`{text}` is not SERVICE=REPLICAS, such as `app=4`"))
}

/// A size such as `500m` or `5g`, in bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[number.len()..].to_ascii_lowercase().trim_end_matches(['i', 'b']) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        other => return Err(format!("`{other}` is no unit of size; use k, m, g or t")),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no size such as `5g`"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ages_have_units() {
        assert_eq!(parse_age("90"), Ok(90));
        assert_eq!(parse_age("2h"), Ok(7200));
        assert!(parse_age("2w").is_err() && parse_age("h").is_err() && parse_age("99999999999999999d").is_err());
    }
    #[test]
    fn windows_sizes_and_scales_are_read() {
        assert_eq!((parse_window("0"), parse_window("1500ms")), (Ok(0), Ok(1500)));
        assert!(parse_window("5").is_err(), "a time has a unit");
        assert_eq!((parse_size("5g"), parse_size("10MiB"), parse_size("7")), (Ok(5 << 30), Ok(10 << 20), Ok(7)));
        assert!(parse_size("5x").is_err() && parse_size("99999999t").is_err());
        assert_eq!(parse_scale("app=4"), Ok(("app".to_owned(), 4)));
        assert!(parse_scale("app").is_err() && parse_scale("app=-1").is_err());
    }
}
