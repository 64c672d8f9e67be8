//! The system's `ssh`: whatever its configuration needs (`ProxyJump`, GSSAPI, certificates, agents) it can do.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use super::{REMOTE, Settings};
use crate::error::Error;
use crate::plan::NodeName;

/// What holds whatever the configuration says: nobody is asked anything, no unknown host is trusted, nothing is forwarded
/// or run here, a dead connection is noticed, errors are told.
const ALWAYS: [&str; 16] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "NoHostAuthenticationForLocalhost=no",
    "UpdateHostKeys=no",
    "ConnectionAttempts=1",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=4",
    "TCPKeepAlive=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RequestTTY=no",
    "RemoteCommand=none",
    "EscapeChar=none",
    "LogLevel=ERROR",
];

/// How long a kept connection waits for the next task, in seconds.
const PERSIST: &str = "ControlPersist=120";

/// Starts `ssh`.
#[derive(Debug)]
pub(super) struct System {
    args: Vec<String>,
    /// Holds the sockets of kept connections.
    sockets: Option<TempDir>,
}

impl System {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let mut args: Vec<String> = vec!["-T".to_owned(), "-x".to_owned(), "-a".to_owned()];
        if let Some(config) = &settings.config {
            args.extend(["-F".to_owned(), config.display().to_string()]);
        }
        let mut option = |text: &str| args.extend(["-o".to_owned(), text.to_owned()]);
        ALWAYS.iter().for_each(|text| option(text));
        option(&format!("ConnectTimeout={}", settings.connect.as_secs().max(1)));
        let mut sockets = None;
        if settings.keep {
            // A socket's path is at most 107 bytes long (unix(7)), and ssh adds 17 to its own: near the root.
            let folder = tempfile::Builder::new().prefix("diag-").tempdir_in("/tmp");
            let folder = folder.map_err(|error| Error::new("exec.sockets", "/tmp", error.to_string()))?;
            option("ControlMaster=auto");
            option(&format!("ControlPath={}/%C", folder.path().display()));
            option(PERSIST);
            sockets = Some(folder);
        }
        Ok(Self { args, sockets })
    }

    /// The command that leads to a shell on a node. A name can be no option: it begins with a letter or digit, and
    /// stands behind `--`.
    pub(super) fn command(&self, node: &NodeName) -> Command {
        let mut command = Command::new("ssh");
        // Messages in the words that we know.
        command.env("LC_ALL", "C").args(&self.args).args(["--", node.as_str(), REMOTE]);
        command
    }
}

impl Drop for System {
    /// Ends the kept connections.
    fn drop(&mut self) {
        let Some(folder) = &self.sockets else { return };
        let Ok(entries) = std::fs::read_dir(folder.path()) else { return };
        for socket in entries.flatten() {
            let path = format!("ControlPath={}", socket.path().display());
            let mut command = std::process::Command::new("ssh");
            command.args(["-F", "/dev/null", "-o", &path, "-O", "exit", "--", "kept"]);
            let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Settings, System};

    #[test]
    fn a_host_stands_behind_all_options_and_before_a_constant_command() {
        let system = System::new(&Settings { config: Some("/etc/x y".into()), ..Settings::default() }).unwrap();
        let command = system.command(&"gpu-17".parse().unwrap());
        let args: Vec<_> = command.as_std().get_args().map(|arg| arg.to_str().unwrap()).collect();
        assert_eq!(args[args.len() - 3..], ["--", "gpu-17", "exec /bin/sh -s"]);
        for wanted in ["BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=10", "/etc/x y"] {
            assert!(args.contains(&wanted), "{wanted}");
        }
    }
}
