//! Running one command to its end inside a sandbox, with bounded output.

use super::{
    child::{Child, Exit},
    spawner::Spawner,
    usage::{Ceilings, watch},
};
use foureyes_ports::sandbox::{
    Launch, RunRequest, RunResult, Sandbox, SandboxError, SandboxRunner, SandboxSpec,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe,
    time::Instant,
};

/// Time that a command has after its timeout between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_millis(500);
/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// Runs commands through a [`Sandbox`] and a [`Spawner`].
#[derive(Clone)]
pub struct Runner {
    sandbox: Arc<dyn Sandbox>,
    spawner: Spawner,
    ceilings: Option<Ceilings>,
}

impl Runner {
    /// A runner; with `ceilings` each run's memory and disk are watched.
    pub fn new(sandbox: Arc<dyn Sandbox>, spawner: Spawner, ceilings: Option<Ceilings>) -> Self {
        Self { sandbox, spawner, ceilings }
    }

    /// Everything that may block: directories, the start itself and the ceiling of processes.
    async fn start(&self, spec: SandboxSpec) -> Result<Streams, SandboxError> {
        let this = self.clone();
        let owner = spec.owner.to_string();
        let started = tokio::task::spawn_blocking(move || {
            this.sandbox.prepare(&spec)?;
            let launch: Launch = this.sandbox.launch(&spec)?;
            let child = this.spawner.spawn_piped(&launch).map_err(|e| prepare(spec.owner.as_str(), &e))?;
            this.sandbox.finish(&spec, child.child.pid())?;
            Ok(child)
        });
        let child = started.await.map_err(|e| prepare(&owner, &e))??;
        child.into_async().map_err(|e| prepare(&owner, &e))
    }

    async fn excess(&self, pid: u32, spec: &SandboxSpec) -> String {
        match self.ceilings {
            Some(ceilings) => {
                watch(pid, vec![spec.home.clone(), spec.work.clone()], ceilings).await.to_string()
            }
            None => std::future::pending().await,
        }
    }
}

type Streams = (Child, pipe::Sender, pipe::Receiver, pipe::Receiver);

#[async_trait::async_trait]
impl SandboxRunner for Runner {
    async fn run(&self, request: RunRequest) -> Result<RunResult, SandboxError> {
        let began = Instant::now();
        let RunRequest { spec, stdin, timeout, output_cap } = request;
        if spec.tty {
            return Err(prepare(spec.owner.as_str(), &"a command that runs to its end has no terminal"));
        }
        let (mut child, input, output, errors) = self.start(spec.clone()).await?;
        let pid = child.pid();
        let streams =
            async { tokio::join!(feed(input, stdin), keep(output, output_cap), keep(errors, output_cap)) };
        let ended = async {
            let mut result = RunResult::default();
            let exit = tokio::select! {
                exit = child.wait() => exit,
                () = tokio::time::sleep(timeout) => {
                    result.timed_out = true;
                    child.stop(GRACE).await
                }
                why = self.excess(pid, &spec) => {
                    result.stderr = format!("ended by the runtime: {why}\n").into_bytes();
                    child.kill();
                    child.wait().await
                }
            };
            exit.map(|exit| (exit, result))
        };
        let (((), (stdout, out_more), (stderr, err_more)), ended) = tokio::join!(streams, ended);
        let (exit, mut result) = ended.map_err(|e| prepare(spec.owner.as_str(), &e))?;
        match exit {
            Exit::Code(code) => result.exit = Some(code),
            Exit::Signal(signal) => result.signal = Some(signal),
        }
        result.stdout = stdout;
        result.stderr.splice(0..0, stderr);
        result.truncated = out_more || err_more;
        result.millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(result)
    }
}

fn prepare(owner: &str, why: &dyn std::fmt::Display) -> SandboxError {
    SandboxError::Prepare { owner: owner.to_owned(), why: why.to_string() }
}

/// A command that does not read its input is no error.
async fn feed(mut pipe: pipe::Sender, bytes: Vec<u8>) {
    let _ = pipe.write_all(&bytes).await;
}

/// Reads to the end and keeps the first `cap` bytes; whether there were more.
async fn keep(mut pipe: pipe::Receiver, cap: usize) -> (Vec<u8>, bool) {
    let (mut kept, mut more) = (Vec::new(), false);
    let mut chunk = vec![0; CHUNK];
    while let Some(bytes) = read(&mut pipe, &mut chunk).await {
        let room = cap - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        more |= bytes.len() > room;
    }
    (kept, more)
}

async fn read<'a>(pipe: &mut pipe::Receiver, chunk: &'a mut [u8]) -> Option<&'a [u8]> {
    match pipe.read(chunk).await {
        Ok(0) | Err(_) => None,
        Ok(n) => Some(&chunk[..n]),
    }
}
