//! Connections: so many at a time, none for ever, and none that dawdles over its headers.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Settings;
use super::desk::Desk;
use super::routes::{Office, router};
use crate::error::Error;

/// Most connections at a time.
const CONNECTIONS: usize = 256;

/// How long a client may take over the headers of a request.
const HEADERS: Duration = Duration::from_secs(10);

/// How long answers may take to be read, beside what the body and the diagnosis may take.
const READING: Duration = Duration::from_secs(60);

/// How long it is waited at the end for answers that are on their way.
const GRACE: Duration = Duration::from_secs(3);

/// Largest headers, in bytes.
const HEAD: usize = 16 << 10;

/// Serves until somebody stops it.
///
/// # Errors
/// It is to be open to a network without a token, or can't listen.
pub fn serve(desk: Arc<dyn Desk>, settings: Settings) -> Result<(), Error> {
    let at = settings.listen;
    if settings.tokens.is_empty() && !at.ip().is_loopback() {
        let error = Error::new("serve.token", format!("--listen {at}"), "others could reach it, and no token is set");
        return Err(error.with_way_on("name a --token-file, set DIAG_SERVE_TOKEN, or listen on 127.0.0.1"));
    }
    let failed = |error: std::io::Error| Error::new("serve.listen", at.to_string(), error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let lifetime = settings.body + settings.patience + READING;
    let app = router(&Arc::new(Office::new(desk, settings)));
    let ended = runtime.block_on(async {
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        let at = listener.local_addr().map_err(failed)?;
        // A closed pipe is the reader's choice.
        let _ = writeln!(std::io::stderr(), "diag serve: http://{at}/");
        tokio::select! {
            () = accept(listener, app, lifetime) => {}
            () = crate::exec::asked_to_stop() => tokio::time::sleep(Duration::ZERO).await,
        }
        Ok(())
    });
    runtime.shutdown_timeout(GRACE);
    ended
}

async fn accept(listener: TcpListener, app: Router, lifetime: Duration) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(tokio::time::timeout(lifetime, speak(stream, app.clone(), place)))),
            // Out of files, or a client that is gone already: others may do better.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// One connection to its end; what goes wrong with it is its client's to notice.
async fn speak(stream: TcpStream, app: Router, place: OwnedSemaphorePermit) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HEAD);
    let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await;
    drop(place);
}
