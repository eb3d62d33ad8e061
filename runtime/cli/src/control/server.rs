//! The runtime's end of the control socket.

use super::{
    handler::{ControlHandler, Done},
    protocol::{Asked, Hand, MAX_REQUEST, Request, Response, VERSION},
};
use crate::error::CliError;
use foureyes_ports::view::View;
use foureyes_protocol::PrincipalId;
use nix::unistd::Uid;
use std::{
    fs, io,
    os::unix::{fs::PermissionsExt as _, net::UnixStream as StdStream},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
    time::timeout,
};

/// The most commands that are served at once; more wait.
const AT_ONCE: usize = 256;
/// How long a client may take to ask.
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// How long a client may take to read a line.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// Listens at `path`, for this user alone. A socket that a dead runtime left is replaced.
///
/// # Errors
/// [`crate::exit::Exit::AlreadyRunning`] when a runtime answers there; a socket that cannot be made.
pub fn listen(path: &Path) -> Result<UnixListener, CliError> {
    let failed = |e: io::Error| CliError::file("cannot listen for commands", path, &e);
    if StdStream::connect(path).is_ok() {
        return Err(CliError::new(
            crate::exit::Exit::AlreadyRunning,
            "another runtime works on this repository",
        )
        .at(path.display())
        .hint("look at it with `agents status`, or end it with `agents down`"));
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Serves commands until it is dropped.
pub async fn serve(listener: UnixListener, handler: Arc<dyn ControlHandler>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        // The semaphore is never closed.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let handler = handler.clone();
                tokio::spawn(async move {
                    if let Err(error) = client(stream, handler.as_ref()).await {
                        tracing::debug!(%error, "a command went away");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "no command could be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Whether the other end is a process of this user.
fn is_owner(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == Uid::effective().as_raw())
}

async fn client(stream: UnixStream, handler: &dyn ControlHandler) -> io::Result<()> {
    if !is_owner(&stream) {
        return Ok(());
    }
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut read = BufReader::new(read.take(MAX_REQUEST));
    timeout(ASK_WITHIN, read.read_until(b'\n', &mut line)).await.map_err(io::Error::other)??;
    let request = match parse(&line) {
        Ok(request) => request,
        Err(why) => return send(&mut write, &Response::Failed(why)).await,
    };
    match request {
        Request::Watch => {
            let mut gone = read.into_inner().into_inner();
            tokio::select! {
                sent = watch(&mut write, handler) => sent,
                // A client says nothing more: whatever comes is its end.
                _ = gone.read_u8() => Ok(()),
            }
        }
        Request::Screen(role) => {
            let mut gone = read.into_inner().into_inner();
            tokio::select! {
                sent = screens(&mut write, handler, &role) => sent,
                _ = gone.read_u8() => Ok(()),
            }
        }
        Request::Take(role) => {
            // A client says nothing more before it is answered: nothing is lost with the buffer.
            let hands = read.into_inner().into_inner();
            take(hands, &mut write, handler, &role).await
        }
        request => send(&mut write, &answer(handler, request).await).await,
    }
}

/// Has a role taken over for as long as the client stays.
async fn take(
    hands: OwnedReadHalf,
    write: &mut OwnedWriteHalf,
    handler: &dyn ControlHandler,
    role: &PrincipalId,
) -> io::Result<()> {
    let terminal = match handler.take(role).await {
        Ok(terminal) => terminal,
        Err(reason) => return send(write, &Response::Refused(reason)).await,
    };
    let served = async {
        send(write, &Response::Taken { terminal }).await?;
        serve_hands(BufReader::new(hands), write, handler, role).await
    };
    // However the client goes away, the role is given back.
    let served = served.await;
    handler.give_back(role).await;
    served
}

async fn serve_hands(
    mut hands: BufReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
    handler: &dyn ControlHandler,
    role: &PrincipalId,
) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        if (&mut hands).take(MAX_REQUEST).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let done = match serde_json::from_slice(&line)? {
            Hand::Keys(keys) => handler.type_to(role, &keys).await,
            Hand::Say(text) => handler.say_to(role, text).await,
        };
        let answer = done.map_or_else(Response::Refused, Response::Done);
        send(write, &answer).await?;
    }
}

fn parse(line: &[u8]) -> Result<Request, String> {
    let asked: Asked = serde_json::from_slice(line).map_err(|e| {
        format!("the runtime does not understand the command ({e}): is it another version? restart it")
    })?;
    match asked.version {
        VERSION => Ok(asked.request),
        other => {
            Err(format!("the command speaks version {other}, the runtime {VERSION}: restart the runtime"))
        }
    }
}

async fn send(write: &mut OwnedWriteHalf, response: &Response) -> io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    timeout(READ_WITHIN, write.write_all(&line)).await.map_err(io::Error::other)?
}

async fn watch(write: &mut OwnedWriteHalf, handler: &dyn ControlHandler) -> io::Result<()> {
    let mut views = handler.views();
    loop {
        let newest: View = views.borrow_and_update().as_ref().clone();
        send(write, &Response::View(Box::new(newest))).await?;
        if views.changed().await.is_err() {
            return Ok(());
        }
    }
}

async fn screens(
    write: &mut OwnedWriteHalf,
    handler: &dyn ControlHandler,
    role: &PrincipalId,
) -> io::Result<()> {
    let Some(mut feed) = handler.screen(role).await else {
        return send(write, &Response::Failed(format!("there is no role {role}"))).await;
    };
    while let Some(update) = feed.next().await {
        send(write, &Response::Screen(Box::new((&update).into()))).await?;
    }
    Ok(())
}

async fn answer(handler: &dyn ControlHandler, request: Request) -> Response {
    match request {
        Request::View => Response::View(Box::new(handler.views().borrow().as_ref().clone())),
        Request::Question(which) => match handler.question(&which).await {
            Ok(question) => Response::Question(Box::new(question)),
            Err(reason) => Response::Refused(reason),
        },
        Request::UnfreezeDecision => match handler.unfreeze_decision().await {
            Ok(digest) => Response::Decision(digest),
            Err(reason) => Response::Refused(reason),
        },
        act => match do_act(handler, act).await {
            Ok(text) => Response::Done(text),
            Err(reason) => Response::Refused(reason),
        },
    }
}

async fn do_act(handler: &dyn ControlHandler, request: Request) -> Done {
    match request {
        Request::Feature { id, title, text } => handler.request(id, title, text).await,
        Request::Steer { id, action, reason } => handler.steer(id, action, reason).await,
        Request::Send { to, text, feature } => handler.send(to, text, feature).await,
        Request::Answer { which, text } => handler.answer(&which, &text).await,
        Request::Approve { which, typed } => handler.approve(&which, typed).await,
        Request::Reject { which, findings } => handler.reject(&which, &findings).await,
        Request::Freeze { reason } => handler.freeze(reason).await,
        Request::Unfreeze { report, typed } => handler.unfreeze(report, typed).await,
        Request::Role { role, action } => handler.role(&role, action).await,
        Request::Crash(path) => handler.crash(&path).await,
        Request::Down => handler.down().await,
        // Served before this is reached.
        Request::View
        | Request::Watch
        | Request::Screen(_)
        | Request::Take(_)
        | Request::Question(_)
        | Request::UnfreezeDecision => Ok(String::new()),
    }
}
