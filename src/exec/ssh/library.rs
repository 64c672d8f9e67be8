//! ssh by a library in this process (libssh2): no program a node. It knows agents, key files and known_hosts; whatever
//! it is unsure of goes to the system's `ssh`, which decides.

mod config;
mod pump;
mod route;

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use ssh2::{CheckResult, KnownHostFileKind, Session};
use tokio::time::Instant;

pub(super) use pump::Pumped;
pub(super) use route::{Library, Route};

use super::{REMOTE, Settings};
use crate::exec::outcome::End;

/// After so long without an acknowledgement a connection is dead, in milliseconds.
const DEAD: u32 = 20_000;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NotSo {
    /// There can't be one.
    End(End),
    /// The system's ssh is to try, and to say.
    AskSystem,
}

/// Connects, checks the host, logs in and starts a shell; in a thread, since the library waits.
pub(super) async fn connect(route: Route, settings: &Settings) -> Result<Pumped, NotSo> {
    let (connect, ready) = (settings.connect, settings.ready);
    let unanswered = || NotSo::End(End::Unreachable(format!("it did not answer within {ready:?}")));
    let until = Instant::now() + ready;
    let opened = tokio::task::spawn_blocking(move || open(&route, connect, ready));
    match tokio::time::timeout_at(until, opened).await {
        Err(_) => Err(unanswered()),
        Ok(Err(_)) => Err(NotSo::AskSystem),
        Ok(Ok(opened)) => opened.and_then(|open| pump::start(open).map_err(|_| NotSo::AskSystem)),
    }
}

fn open(route: &Route, connect: Duration, ready: Duration) -> Result<pump::Open, NotSo> {
    let socket = dial(route, connect)?;
    let stream = socket.try_clone().map_err(|_| NotSo::AskSystem)?;
    let odd = |_| NotSo::AskSystem;
    let mut session = Session::new().map_err(odd)?;
    session.set_timeout(u32::try_from(ready.as_millis()).unwrap_or(u32::MAX));
    session.set_tcp_stream(stream);
    for (method, names) in &route.methods {
        session.method_pref(*method, names).map_err(odd)?;
    }
    session.handshake().map_err(|error| match error.code() {
        // LIBSSH2_ERROR_TIMEOUT, _SOCKET_TIMEOUT (libssh2.h)
        ssh2::ErrorCode::Session(-9 | -30) => NotSo::End(End::Unreachable("it accepts and does not answer".to_owned())),
        _ => NotSo::AskSystem,
    })?;
    if !is_known(&session, route) {
        return Err(NotSo::AskSystem);
    }
    log_in(&session, route)?;
    let mut channel = session.channel_session().map_err(odd)?;
    channel.exec(REMOTE).map_err(odd)?;
    Ok(pump::Open { session, channel, socket })
}

fn dial(route: &Route, connect: Duration) -> Result<TcpStream, NotSo> {
    let away = |error: &dyn std::fmt::Display| NotSo::End(End::Unreachable(format!("{}: {error}", route.host)));
    let addresses = (route.host.as_str(), route.port).to_socket_addrs().map_err(|error| away(&error))?;
    let mut last = NotSo::AskSystem;
    for address in addresses.collect::<Vec<SocketAddr>>() {
        match TcpStream::connect_timeout(&address, connect) {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                let _ = setsockopt(&stream, TcpUserTimeout, &DEAD);
                return Ok(stream);
            }
            Err(error) => last = away(&error),
        }
    }
    Err(last)
}

/// Whether the host's key is one that known_hosts has for it. Anything else is for the system's ssh to judge and to say.
fn is_known(session: &Session, route: &Route) -> bool {
    let Some((key, _)) = session.host_key() else { return false };
    let Ok(mut known) = session.known_hosts() else { return false };
    let read =
        route.known_hosts.iter().filter(|file| known.read_file(file, KnownHostFileKind::OpenSSH).is_ok()).count();
    read > 0 && matches!(known.check_port(&route.host, route.port, key), CheckResult::Match)
}

fn log_in(session: &Session, route: &Route) -> Result<(), NotSo> {
    if route.agent && session.userauth_agent(&route.user).is_ok() && session.authenticated() {
        return Ok(());
    }
    for key in &route.keys {
        if session.userauth_pubkey_file(&route.user, None, key, None).is_ok() && session.authenticated() {
            return Ok(());
        }
    }
    Err(NotSo::AskSystem)
}
