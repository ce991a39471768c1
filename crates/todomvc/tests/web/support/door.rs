//! A door in front of the database: a relay that can be shut, which cuts every connection and refuses new ones, as when
//! the server is gone, and opened again on the same port.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub(crate) struct Door {
    pub(crate) port: u16,
    behind: u16,
    relay: Option<JoinHandle<()>>,
}

impl Door {
    /// An open door to this port.
    pub(crate) async fn to(behind: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, behind, relay: Some(tokio::spawn(relay(listener, behind))) }
    }

    pub(crate) async fn shut(&mut self) {
        let relay = self.relay.take().unwrap();
        relay.abort();
        // Wait until the port is free.
        let _ = relay.await;
    }

    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], self.port))).await.unwrap();
        self.relay = Some(tokio::spawn(relay(listener, self.behind)));
    }
}

/// Ends all connections when it is dropped.
async fn relay(listener: TcpListener, behind: u16) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        connections.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(("127.0.0.1", behind)).await {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
