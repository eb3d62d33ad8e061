//! A web server on this machine that has one page and keeps what it was asked.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// The server. It is there until the test ends.
pub struct Web {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// A server whose every path is this page.
    ///
    /// # Panics
    /// When there is no port.
    pub fn serving(page: &str) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html";
        Self::answering(format!(
            "{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
            page.len()
        ))
    }

    /// A server that leads to another address, whatever it is asked.
    ///
    /// # Panics
    /// When there is no port.
    pub fn leading_to(url: &str) -> Self {
        let head = format!("HTTP/1.1 302 Found\r\nlocation: {url}");
        Self::answering(format!("{head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
    }

    fn answering(reply: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port for the page");
        let address = listener.local_addr().expect("its address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let request = answer(client, &reply);
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            }
        });
        Self { address, asked }
    }

    /// Its host and port.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers one request, and says which it was.
fn answer(mut client: TcpStream, reply: &str) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match client.read(&mut buffer) {
            Ok(n @ 1..) => request.extend(&buffer[..n]),
            _ => break,
        }
    }
    // Whoever asked may have gone.
    let _ = client.write_all(reply.as_bytes());
    String::from_utf8_lossy(&request).into_owned()
}
