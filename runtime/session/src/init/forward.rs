//! One TCP connection on the loopback is one connection to the runtime's socket, bytes unchanged.
//! Nothing is trusted here: who an agent is follows from the socket alone.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    sync::Arc,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpStream, UnixStream},
    sync::Semaphore,
};

/// Connections at one time; more wait in the listen queue.
const CONNECTIONS: usize = 128;

/// Listens before the program starts, so that its first request cannot come too early.
pub(super) fn bind(port: u16) -> Result<TcpListener, String> {
    let fail = |e: std::io::Error| format!("listening on 127.0.0.1:{port}: {e}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    Ok(listener)
}

pub(super) async fn serve(listener: TcpListener, socket: PathBuf) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let Ok((inner, _)) = listener.accept().await else { continue };
        let socket = socket.clone();
        tokio::spawn(async move {
            join(inner, socket).await;
            drop(slot);
        });
    }
}

/// Ends with either side; a socket that is not there closes the connection.
async fn join(mut inner: TcpStream, socket: PathBuf) {
    // Streamed answers come in small pieces.
    let _ = inner.set_nodelay(true);
    if let Ok(mut outer) = UnixStream::connect(socket).await {
        let _ = copy_bidirectional(&mut inner, &mut outer).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn bytes_pass_both_ways_and_the_end_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rt.sock");
        let outside = tokio::net::UnixListener::bind(&path).unwrap();
        let listener = bind(0).unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener, path));
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut server, _) = outside.accept().await.unwrap();
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut got = String::new();
        server.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "question");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        let mut back = String::new();
        client.read_to_string(&mut back).await.unwrap();
        assert_eq!(back, "answer");
    }
}
