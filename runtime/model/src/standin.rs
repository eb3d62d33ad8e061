//! A loopback server of the Messages API over a [`StandIn`]: for tests, and for people who want to see
//! the whole without an account.
//!
//! It speaks as much of the API as the real CLI uses: answers as a stream or whole, `count_tokens`,
//! the list of models, `HEAD`. Fields that it does not know it takes as they come. The agent's name
//! is the one in the path (`/a/<agent>/v1/messages`), else `agent`. Tokens are not those of any real
//! model: four bytes count as one.

mod reply;
mod request;
mod script;

use foureyes_ports::model::StandIn;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A bound server that does not serve yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    model: Arc<dyn StandIn>,
}

impl Server {
    /// Binds `addr`; port 0 takes a free one. Connections wait until [`Server::serve`].
    ///
    /// # Errors
    /// The address is not one of this machine alone, or cannot be bound.
    pub async fn bind(addr: SocketAddr, model: Arc<dyn StandIn>) -> io::Result<Self> {
        if !addr.ip().is_loopback() {
            let why = format!("{addr} is not a loopback address: the stand-in serves this machine alone");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listener = TcpListener::bind(addr).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, model })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped; its connections end with it.
    pub async fn serve(self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, Arc::clone(&self.model)));
                    }
                    // Out of descriptors, or the peer has gone: others are served on.
                    Err(error) => {
                        tracing::debug!(%error, "the stand-in could not accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn connection(stream: TcpStream, model: Arc<dyn StandIn>) {
    // Pieces are small and must not wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection of the stand-in has no TCP_NODELAY");
    }
    let service = service_fn(|request| async { Ok::<_, Infallible>(reply::to(request, &*model).await) });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection of the stand-in ended");
    }
}

#[cfg(test)]
mod tests;
