//! A connection of the library as a wire: a thread that waits for it and for us.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::{BlockDirections, Channel, Session};
use tokio::sync::mpsc;

use crate::exec::shell::Stream;
use crate::exec::wire::{Came, Wire};

/// Most bytes read at a time.
const CHUNK: usize = 32 * 1024;

/// Chunks that may wait to be listened to.
const WAITING: usize = 4;

/// The longest wait, in milliseconds; then a sign of life is sent.
const TICK: u16 = 5_000;

/// Seconds between signs of life.
const ALIVE: u32 = 5;

/// What the thread is told.
enum Told {
    Send(Vec<u8>),
    HangUp,
}

/// The end of the wire that is ours.
pub(in super::super) struct Pumped {
    tell: std::sync::mpsc::Sender<Told>,
    /// One byte wakes the thread; closing it ends the thread.
    wake: UnixStream,
    came: mpsc::Receiver<(Stream, Vec<u8>)>,
}

impl Wire for Pumped {
    fn send(&mut self, bytes: &[u8]) {
        self.tell(Told::Send(bytes.to_vec()));
    }

    fn hang_up(&mut self) {
        self.tell(Told::HangUp);
    }

    async fn next(&mut self, into: &mut Vec<u8>) -> Came {
        match self.came.recv().await {
            Some((stream, bytes)) => {
                into.extend(bytes);
                Came::Bytes(stream)
            }
            None => Came::Closed(None),
        }
    }
}

impl Pumped {
    fn tell(&mut self, told: Told) {
        if self.tell.send(told).is_ok() {
            let _ = self.wake.write(&[0]);
        }
    }
}

/// A connection on which a shell listens.
pub(super) struct Open {
    pub(super) session: Session,
    pub(super) channel: Channel,
    /// The same socket that the session has, to wait for.
    pub(super) socket: TcpStream,
}

/// Hands a connection to a thread.
pub(super) fn start(open: Open) -> io::Result<Pumped> {
    let Open { session, channel, socket } = open;
    let (wake, woken) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    let (tell, told) = std::sync::mpsc::channel();
    let (say, came) = mpsc::channel(WAITING);
    let pump = Pump { session, channel, socket, woken, told, say, pending: Vec::new(), hang_up: false };
    std::thread::Builder::new().name("ssh".to_owned()).stack_size(256 * 1024).spawn(move || drop(pump.run()))?;
    Ok(Pumped { tell, wake, came })
}

struct Pump {
    session: Session,
    channel: Channel,
    socket: TcpStream,
    woken: UnixStream,
    told: std::sync::mpsc::Receiver<Told>,
    say: mpsc::Sender<(Stream, Vec<u8>)>,
    pending: Vec<u8>,
    hang_up: bool,
}

impl Pump {
    /// Until the node closes, or nobody listens any more.
    fn run(mut self) -> io::Result<()> {
        self.session.set_blocking(false);
        self.session.set_keepalive(true, ALIVE);
        let mut chunk = vec![0; CHUNK];
        loop {
            self.write()?;
            let busy = self.read(Stream::Out, &mut chunk)? | self.read(Stream::Err, &mut chunk)?;
            if self.say.is_closed() {
                return Ok(());
            }
            if !busy {
                if self.channel.eof() {
                    return Ok(());
                }
                self.wait()?;
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while let Ok(told) = self.told.try_recv() {
            match told {
                Told::Send(bytes) => self.pending.extend(bytes),
                Told::HangUp => self.hang_up = true,
            }
        }
        while !self.pending.is_empty() {
            match self.channel.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if self.hang_up {
            let sent = self.channel.send_eof().map_err(io::Error::from);
            self.hang_up = sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        }
        Ok(())
    }

    /// Reads what there is of a stream; says whether there was something.
    fn read(&mut self, stream: Stream, chunk: &mut [u8]) -> io::Result<bool> {
        let number = if stream == Stream::Out { 0 } else { 1 };
        match self.channel.stream(number).read(chunk) {
            Ok(0) => Ok(false),
            // Where nobody listens any more, the loop ends by itself.
            Ok(count) => Ok(self.say.blocking_send((stream, chunk[..count].to_vec())).is_ok()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        let mut wanted = PollFlags::POLLIN;
        let directions = self.session.block_directions();
        if !self.pending.is_empty() || matches!(directions, BlockDirections::Outbound | BlockDirections::Both) {
            wanted |= PollFlags::POLLOUT;
        }
        let closed = {
            let mut both =
                [PollFd::new(self.socket.as_fd(), wanted), PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
            let ready = match poll(&mut both, PollTimeout::from(TICK)) {
                // A signal, as that of a child that ended: nothing to do with us.
                Err(Errno::EINTR) => return Ok(()),
                ready => ready?,
            };
            if ready == 0 {
                self.session.keepalive_send().map_err(io::Error::from).map(drop).or_else(is_waiting)?;
            }
            both[1].any().unwrap_or(false)
        };
        if closed && self.woken.read(&mut [0; 64])? == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

fn is_waiting(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) }
}
