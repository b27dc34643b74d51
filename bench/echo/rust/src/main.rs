//! The bench's echo service on tonic: a server without options on one thread, nothing between.
//!
//!     echo SOCKET
//!
//! SIGUSR2 makes it print how many calls it has answered.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status, transport::Server};

tonic::include_proto!("bench.Echo");

#[derive(Clone, PartialEq, prost::Message)]
pub struct EchoMessage {
    #[prost(bytes = "vec", tag = "1")]
    pub payload: Vec<u8>,
}

struct Echo {
    answered: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl echo_server::Echo for Echo {
    async fn echo(&self, request: Request<EchoMessage>) -> Result<Response<EchoMessage>, Status> {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let EchoMessage { payload } = request.into_inner();
        Ok(Response::new(EchoMessage { payload }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let socket = std::env::args().nth(1).ok_or("which socket?")?;
    let answered = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&answered);
    let mut asked = signal(SignalKind::user_defined2())?;
    tokio::spawn(async move {
        while asked.recv().await.is_some() {
            println!("{}", count.load(Ordering::Relaxed));
        }
    });
    Server::builder()
        .add_service(echo_server::EchoServer::new(Echo { answered }))
        .serve_with_incoming(UnixListenerStream::new(UnixListener::bind(socket)?))
        .await?;
    Ok(())
}
