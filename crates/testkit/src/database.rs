//! A real PostgreSQL for tests: one throwaway server for each test process, one database for each test. A keeper, a
//! shell that waits for the test process to end, stops the server and removes its files, however the process ended.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, io, process};

const HINT: &str = "hint: apt-get install postgresql, or name the folder of `initdb` in `PG_BIN`";

/// A busy machine starts a server slowly; a broken one never.
const START_BOUND: Duration = Duration::from_secs(60);

/// Another process may take the port between choosing and using it.
const START_ATTEMPTS: u32 = 5;

/// Waits for the end of its input, which this process holds open, and then cleans up. The server also dies with the
/// keeper, should somebody kill that one.
const KEEPER: &str = r#"
folder=$1; shift
"$@" >"$folder/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

/// A database of its own, without tables, removed when dropped.
#[derive(Debug)]
pub struct Database {
    server: &'static Server,
    name: String,
}

impl Database {
    /// Makes one, and starts the server when this is the first of the process.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start: a test that needs it must not pass without it.
    pub fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let server = Server::shared();
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server.tool("createdb", &[&name]);
        Self { server, name }
    }

    /// The URL with which anybody on this machine gets in.
    pub fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// The URL of the same database behind something that listens on another port.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{}", self.name)
    }

    /// The server's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Runs SQL and returns what it says, one line for each row.
    ///
    /// # Panics
    /// When the SQL fails.
    pub fn sql(&self, sql: &str) -> String {
        let arguments = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"];
        let arguments = [&arguments[..], &["--command", sql, &self.name]].concat();
        self.server.tool("psql", &arguments).trim_end().to_owned()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A failure here must not hide the test's own; the whole server goes away soon.
        let _ = self.server.command("dropdb", &["--force", &self.name]).output();
    }
}

/// The server of this test process.
#[derive(Debug)]
struct Server {
    binaries: PathBuf,
    port: u16,
    /// Holds the keeper's input open until this process ends.
    _keeper: Child,
}

impl Server {
    fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| {
            let binaries = binaries().unwrap_or_else(|| panic!("PostgreSQL is not installed\n{HINT}"));
            for _ in 1..START_ATTEMPTS {
                if let Ok(server) = Self::start(&binaries) {
                    return server;
                }
            }
            Self::start(&binaries).unwrap_or_else(|error| panic!("PostgreSQL does not start: {error}"))
        })
    }

    fn start(binaries: &Path) -> io::Result<Self> {
        let user = ServerUser::choose();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = env::temp_dir().join(format!("testkit-postgres-{}-{port}", process::id()));
        fs::create_dir(&folder)?;
        user.give(&folder)?;
        let data = folder.join("data");
        let mut init = user.command(&binaries.join("initdb"));
        init.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]).arg(&data);
        if let Err(error) = said(&init.output()?) {
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
        let mut server = user.command(&binaries.join("postgres"));
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        for setting in SETTINGS {
            server.args(["-c", setting]);
        }
        let keeper = keep(&folder, &server)?;
        let started = Self { binaries: binaries.to_owned(), port, _keeper: keeper };
        started.wait_until_ready(&folder)?;
        Ok(started)
    }

    fn wait_until_ready(&self, folder: &Path) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START_BOUND {
            if self.command("pg_isready", &["--quiet"]).status()?.success() {
                return Ok(());
            }
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            if log.contains("FATAL:  could not") {
                return Err(io::Error::other(log));
            }
            sleep(Duration::from_millis(20));
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("not ready after {} s", START_BOUND.as_secs())))
    }

    /// Runs one of PostgreSQL's programs against this server.
    fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments).output();
        let said = output.and_then(|output| said(&output));
        said.unwrap_or_else(|error| panic!("`{program}` failed: {error}"))
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command.args(["--host=127.0.0.1", "--username=postgres", "--port", &self.port.to_string()]);
        command.args(arguments).stdin(Stdio::null());
        command
    }
}

/// Nothing has to survive, so nothing waits for the disk. Many tests at once need many connections.
const SETTINGS: [&str; 8] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=400",
    "shared_buffers=32MB",
    "fsync=off",
    "full_page_writes=off",
    "autovacuum=off",
    "log_min_messages=fatal",
];

/// Starts the keeper, in a process group of its own, so that Ctrl-C at a terminal does not end it before its work.
fn keep(folder: &Path, server: &Command) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(folder)
        .arg(server.get_program())
        .args(server.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

/// Who runs the server: this user, or, since PostgreSQL refuses root, another one.
#[derive(Debug, Clone, Copy)]
enum ServerUser {
    Myself,
    Other { user: u32, group: u32 },
}

impl ServerUser {
    fn choose() -> Self {
        // The owner of what this process makes is this process's user; the standard library has no other way to ask.
        let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        if !is_root {
            return Self::Myself;
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let ids = |name: &str| {
            let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2).map(str::parse);
            Some((fields.next()?.ok()?, fields.next()?.ok()?))
        };
        let (user, group) = ids("postgres").or_else(|| ids("nobody")).unwrap_or((65534, 65534));
        Self::Other { user, group }
    }

    fn give(self, folder: &Path) -> io::Result<()> {
        match self {
            Self::Myself => Ok(()),
            Self::Other { user, group } => chown(folder, Some(user), Some(group)),
        }
    }

    /// The program as this user. It is killed when its parent dies, where the system can do that.
    fn command(self, program: &Path) -> Command {
        let Some(setpriv) = on_path("setpriv") else { return Command::new(program) };
        let mut command = Command::new(setpriv);
        if let Self::Other { user, group } = self {
            command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups"]);
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command.current_dir("/").stdin(Stdio::null());
        command
    }
}

/// Where `initdb` is: `PG_BIN`, the newest of Debian's folders, or `PATH`.
fn binaries() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("PG_BIN") {
        return Some(folder.into());
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            folder.join("initdb").exists().then_some((version, folder))
        })
        .collect();
    versions.sort();
    versions.pop().map(|(_, folder)| folder).or_else(|| on_path("initdb")?.parent().map(Path::to_owned))
}

fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| File::open(file).is_ok())
}

/// What a program said on its standard output, or on its standard error when it failed.
fn said(output: &Output) -> io::Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}
