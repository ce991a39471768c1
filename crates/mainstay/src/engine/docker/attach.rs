//! What streams: the output of containers, and commands run in them.

use std::collections::VecDeque;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::LogsOptions;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::ProbeResult;
use super::{DockerEngine, failed};
use crate::error::{Error, Result};

/// What is kept of a probe's output; the engine itself keeps 4 KiB.
const PROBE_OUTPUT_BYTES: usize = 4096;

/// Runs a health check's command in a container.
pub(super) async fn probe(docker: &Docker, name: &str, argv: &[String], timeout_ms: u64) -> Result<ProbeResult> {
    let run = run_quietly(docker, name, argv);
    match tokio::time::timeout(Duration::from_millis(timeout_ms), run).await {
        Ok(result) => result,
        Err(_) => Ok(ProbeResult { passed: false, output: format!("no answer within {timeout_ms} ms") }),
    }
}

async fn run_quietly(docker: &Docker, name: &str, argv: &[String]) -> Result<ProbeResult> {
    let ran = run(docker, name, argv, PROBE_OUTPUT_BYTES, &format!("run the health check of `{name}`")).await?;
    let text = [ran.stdout, ran.stderr].concat();
    Ok(ProbeResult { passed: ran.code == Some(0), output: String::from_utf8_lossy(&text).trim().to_owned() })
}

/// A command that ran in a container.
pub(super) struct Ran {
    pub(super) code: Option<i64>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Runs a command in a container to its end, and keeps so much of what it writes.
pub(super) async fn run(docker: &Docker, name: &str, argv: &[String], most_bytes: usize, doing: &str) -> Result<Ran> {
    let options = CreateExecOptions {
        cmd: Some(argv.to_vec()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..Default::default()
    };
    let exec = docker.create_exec(name, options).await.map_err(failed(doing))?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    if let StartExecResults::Attached { mut output, .. } =
        docker.start_exec(&exec.id, None::<StartExecOptions>).await.map_err(failed(doing))?
    {
        while let Some(part) = output.try_next().await.map_err(failed(doing))? {
            let kept = if matches!(part, LogOutput::StdErr { .. }) { &mut stderr } else { &mut stdout };
            let room = most_bytes.saturating_sub(kept.len());
            kept.extend(part.into_bytes().iter().take(room));
        }
    }
    let result = docker.inspect_exec(&exec.id).await.map_err(failed(doing))?;
    Ok(Ran { code: result.exit_code, stdout, stderr })
}

/// The last lines of a container's output.
pub(super) async fn last_logs(docker: &Docker, name: &str, lines: u32) -> Result<Vec<String>> {
    let options = LogsOptions { stdout: true, stderr: true, tail: lines.to_string(), ..Default::default() };
    let mut kept = VecDeque::new();
    let mut splitter = Lines::default();
    let mut stream = docker.logs(name, Some(options));
    while let Some(part) = stream.try_next().await.map_err(failed(&format!("read the output of `{name}`")))? {
        for line in splitter.push(&part.into_bytes()) {
            if kept.len() == lines as usize {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }
    kept.extend(splitter.rest());
    Ok(kept.into())
}

/// What a person asked of `logs`.
#[derive(Debug, Clone)]
pub(crate) struct LogQuery {
    /// Goes on with what comes.
    pub(crate) follow: bool,
    /// How many of the last lines first; all when absent.
    pub(crate) tail: Option<u32>,
    /// Not what is older than this, in seconds since 1970.
    pub(crate) since_s: Option<i32>,
    /// Each line with the engine's time of it.
    pub(crate) timestamps: bool,
}

/// One line of a container's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// The container.
    pub(crate) name: String,
    /// It was written to standard error.
    pub(crate) is_stderr: bool,
    /// The line, without its end.
    pub(crate) text: String,
}

impl DockerEngine {
    /// A container's output, line by line.
    pub(crate) fn logs(&self, name: &str, query: &LogQuery) -> impl Stream<Item = Result<LogLine>> + use<> {
        let options = LogsOptions {
            follow: query.follow,
            stdout: true,
            stderr: true,
            since: query.since_s.unwrap_or(0),
            timestamps: query.timestamps,
            tail: query.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
            ..Default::default()
        };
        // A quiet container is no broken connection.
        let docker = self.docker.clone().with_timeout(Duration::from_secs(24 * 3600));
        let name = name.to_owned();
        let (mut out, mut err) = (Lines::default(), Lines::default());
        let raw: Vec<_> = Vec::from([docker.logs(&name, Some(options)).boxed()]);
        futures_util::stream::iter(raw).flatten().flat_map(move |part| {
            let lines = match part {
                Ok(part) => {
                    let is_stderr = matches!(part, LogOutput::StdErr { .. });
                    let splitter = if is_stderr { &mut err } else { &mut out };
                    let of = |text| Ok(LogLine { name: name.clone(), is_stderr, text });
                    splitter.push(&part.into_bytes()).into_iter().map(of).collect()
                }
                Err(error) => vec![Err(failed(&format!("read the output of `{name}`"))(error))],
            };
            futures_util::stream::iter(lines)
        })
    }

    /// Runs a command in a container with this process's own input and output.
    /// The answer is its exit code.
    pub(crate) async fn exec(
        &self,
        name: &str,
        argv: &[String],
        tty: bool,
        stdin: bool,
        user: Option<&str>,
    ) -> Result<i64> {
        let doing = format!("run `{}` in `{name}`", argv.join(" "));
        let options = CreateExecOptions {
            cmd: Some(argv.to_vec()),
            attach_stdin: Some(stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(tty),
            user: user.map(str::to_owned),
            ..Default::default()
        };
        let docker = self.docker.clone().with_timeout(Duration::from_secs(24 * 3600));
        let exec = docker.create_exec(name, options).await.map_err(failed(&doing))?;
        let start = StartExecOptions { tty, ..Default::default() };
        let started = docker.start_exec(&exec.id, Some(start)).await.map_err(failed(&doing))?;
        let StartExecResults::Attached { output, input } = started else {
            return Err(Error::new(format!("{doing}: the engine did not attach")));
        };
        let copy_in = async {
            if stdin {
                forward_stdin(input).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = copy_out(output, &doing) => done?,
            () = copy_in => {}
        }
        let result = docker.inspect_exec(&exec.id).await.map_err(failed(&doing))?;
        Ok(result.exit_code.unwrap_or(-1))
    }

    /// The ports of the host that containers hold.
    pub(crate) async fn port_holders(&self) -> Result<Vec<super::PortHolder>> {
        super::containers::port_holders(&self.docker).await
    }
}

async fn forward_stdin(mut input: std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>) {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; 8192];
    while let Ok(read @ 1..) = stdin.read(&mut buffer).await {
        if input.write_all(&buffer[..read]).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    // The end of the input is told by closing, or the command waits for ever.
    let _ = input.shutdown().await;
}

async fn copy_out(
    mut output: std::pin::Pin<Box<dyn Stream<Item = std::result::Result<LogOutput, bollard::errors::Error>> + Send>>,
    doing: &str,
) -> Result<()> {
    let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
    while let Some(part) = output.try_next().await.map_err(failed(doing))? {
        let written = match part {
            LogOutput::StdErr { message } => write_through(&mut err, &message).await,
            other => write_through(&mut out, &other.into_bytes()).await,
        };
        // Nobody reads any more: a closed pipe ends it quietly.
        if written.is_err() {
            break;
        }
    }
    Ok(())
}

async fn write_through<W: tokio::io::AsyncWrite + Unpin>(to: &mut W, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// Cuts a stream of pieces into lines.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &Bytes) -> Vec<String> {
        self.partial.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            lines.push(text(&line[..end]));
        }
        lines
    }

    fn rest(self) -> Option<String> {
        (!self.partial.is_empty()).then(|| text(&self.partial))
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}
