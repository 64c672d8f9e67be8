//! A real sshd of our own on addresses of this machine, each a "host" with a name in a client configuration.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program, by the path that sshd wants to be started with.
const SSHD: &str = "/usr/sbin/sshd";

/// One sshd, and what a client needs to reach it; ended with all its sessions when it goes.
pub(crate) struct Sshd {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
}

/// A port on which nobody listens.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port()
}

fn keygen(file: &Path) -> String {
    let done = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file).status().unwrap();
    assert!(done.success());
    let public = fs::read_to_string(file.with_extension("pub")).unwrap();
    public.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

impl Sshd {
    /// Hosts `n0` to `n<count - 1>`.
    pub(crate) fn up(count: usize) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        let at = |name: &str| folder.path().join(name);
        let (host, client) = (keygen(&at("host")), keygen(&at("id")));
        let other = keygen(&at("other"));
        fs::write(at("authorized_keys"), format!("{client}\n")).unwrap();
        fs::write(at("sshd_config"), server(folder.path(), port)).unwrap();
        fs::write(at("known_hosts"), format!("[127.66.*]:{port} {host}\n")).unwrap();
        let listed: String = (0..count).map(|nth| format!("[{}]:{port} {host}\n", address(nth))).collect();
        fs::write(at("known_hosts.plain"), listed).unwrap();
        fs::write(at("known_hosts.changed"), format!("[{}]:{port} {other}\n", address(0))).unwrap();
        fs::write(at("known_hosts.none"), "").unwrap();
        let sshd = Self { child: start(folder.path()), folder, port };
        sshd.configure(count);
        sshd.wait();
        sshd
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.at("config")
    }

    /// The client's configuration: all hosts, and some that are not well.
    fn configure(&self, count: usize) {
        let at = |name: &str| self.at(name).display().to_string();
        let first = address(0);
        let mut text = format!(
            "Host changed\n HostName {first}\n UserKnownHostsFile {}\nHost unknown\n HostName {first}\n UserKnownHostsFile {}\n\
             Host stranger\n HostName {first}\n User no-such-user\nHost dead\n HostName 127.66.9.9\n Port {}\n\
             Host nowhere\n HostName no-such-host.invalid\nHost jumps\n HostName {first}\n ProxyJump n0\n",
            at("known_hosts.changed"),
            at("known_hosts.none"),
            free_port()
        );
        for nth in 0..count {
            text += &format!("Host n{nth}\n HostName {}\n", address(nth));
        }
        text += &format!(
            "Host *\n Port {}\n User {}\n IdentityFile {}\n IdentitiesOnly yes\n UserKnownHostsFile {}\n\
             \x20GlobalKnownHostsFile /dev/null\n KexAlgorithms curve25519-sha256\n",
            self.port,
            user(),
            at("id"),
            at("known_hosts.plain")
        );
        fs::write(self.config(), text).unwrap();
    }

    /// Adds a host to the client's configuration.
    pub(crate) fn add_host(&self, name: &str, port: u16) {
        let text = fs::read_to_string(self.config()).unwrap();
        let host = format!("Host {name}\n HostName 127.0.0.1\n Port {port}\n");
        fs::write(self.config(), host + &text).unwrap();
    }

    fn wait(&self) {
        let ends = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((address(0), self.port)).is_err() {
            let log = || fs::read_to_string(self.at("sshd.log")).unwrap_or_default();
            assert!(Instant::now() < ends, "sshd does not come up: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills the server and its sessions, as a node that goes down; what the sessions run is left alone.
    pub(crate) fn kill(&mut self) {
        let mut victims = vec![self.child.id()];
        let mut at = 0;
        while at < victims.len() {
            let children =
                |pid: u32| fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            let sshd =
                |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("sshd"));
            let below: Vec<u32> = children(victims[at]).split_whitespace().map(|pid| pid.parse().unwrap()).collect();
            victims.extend(below.iter().filter(|pid| sshd(pid)));
            at += 1;
        }
        for victim in victims {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(i32::try_from(victim).unwrap()),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        let _ = self.child.wait();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn address(nth: usize) -> String {
    format!("127.66.{}.{}", nth / 250, nth % 250 + 1)
}

fn user() -> String {
    let done = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn server(folder: &Path, port: u16) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    format!(
        "ListenAddress 0.0.0.0:{port}\nAllowUsers *@127.*\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nUsePAM no\n\
         StrictModes no\nUseDNS no\nPrintMotd no\nLogLevel ERROR\nMaxStartups 2000\nPerSourceMaxStartups none\n",
        at("host"),
        at("authorized_keys")
    )
}

/// Starts it with an empty `~/.bashrc`, which a login shell below sshd reads: what a machine has there is not under test.
fn start(folder: &Path) -> Child {
    fs::write(folder.join("empty"), "").unwrap();
    let script =
        "mkdir -p /run/sshd 2>/dev/null; f=~/.bashrc; [ -e \"$f\" ] && mount --bind \"$0/empty\" \"$f\" 2>/dev/null
                  exec \"$1\" -D -f \"$0/sshd_config\" -E \"$0/sshd.log\"";
    let mut command = if user() == "root" { Command::new("unshare") } else { Command::new("env") };
    if user() == "root" {
        command.args(["--mount", "--propagation", "private"]);
    }
    command.args(["sh", "-c", script]).arg(folder).arg(SSHD);
    command.stdin(Stdio::null()).spawn().unwrap()
}

/// A port that accepts, says something, and then nothing for good.
pub(crate) fn mute(greeting: &'static [u8], endless: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(greeting);
            if endless {
                std::thread::spawn(move || while stream.write_all(&[b'x'; 4096]).is_ok() {});
            } else {
                let mut copy = stream.try_clone().unwrap();
                std::thread::spawn(move || while copy.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {});
                held.push(stream);
            }
        }
    });
    port
}
