//! A wire between a client and a server on this machine that keeps what the client said.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// The wire. It is there until the test ends.
pub struct Tap {
    address: SocketAddr,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// A wire to this server.
    ///
    /// # Panics
    /// When there is no port.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port for the tap");
        let address = listener.local_addr().expect("its address");
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = said.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                relay(client, upstream, &kept);
            }
        });
        Self { address, said }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What clients said, of all connections together.
    pub fn said(&self) -> Vec<u8> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn relay(client: TcpStream, upstream: TcpStream, kept: &Arc<Mutex<Vec<u8>>>) {
    let (Ok(back), Ok(forth)) = (client.try_clone(), upstream.try_clone()) else { return };
    let kept = kept.clone();
    thread::spawn(move || {
        pass(client, forth, |bytes| kept.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes))
    });
    thread::spawn(move || pass(upstream, back, |_| {}));
}

fn pass(mut from: TcpStream, mut to: TcpStream, keep: impl Fn(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        keep(&buffer[..n]);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    // Either end may have gone already.
    let _ = to.shutdown(Shutdown::Write);
}
