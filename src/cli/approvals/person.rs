//! Who agrees: by what this machine knows of whoever types, and not by what they say.

use std::fs;
use std::path::Path;

use nix::unistd::{Uid, User, getuid};

/// The login id of a session that began with no login (`include/linux/audit.h`, AUDIT_UID_UNSET).
const NOBODY: u32 = u32::MAX;

/// Longest word that is taken over, in characters.
const LONGEST: usize = 64;

/// Name and id of the user, the login behind it, the terminal, where the connection comes from, and the machine.
pub(super) fn person() -> String {
    let uid = getuid().as_raw();
    let mut more = vec![format!("uid {uid}")];
    // The kernel keeps who logged in, whatever su and sudo did since.
    let login = read("/proc/self/loginuid").parse().ok().filter(|login| *login != NOBODY && *login != uid);
    more.extend(login.map(|login: u32| format!("logged in as {}, uid {login}", user(login))));
    more.extend(word("SUDO_USER").filter(|_| login.is_none()).map(|name| format!("by sudo from {name}")));
    more.extend(terminal().map(|terminal| format!("on {terminal}")));
    more.extend(word("SSH_CONNECTION").or_else(|| word("SSH_CLIENT")).map(|from| format!("by ssh from {from}")));
    format!("{}@{} ({})", user(uid), plain(&read("/proc/sys/kernel/hostname")), more.join(", "))
}

fn user(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| "somebody".to_owned(), |user| plain(&user.name))
}

fn terminal() -> Option<String> {
    let name = fs::read_link("/proc/self/fd/0").ok()?.display().to_string();
    let terminal = name.starts_with("/dev/pts/") || name.starts_with("/dev/tty");
    terminal.then(|| plain(name.trim_start_matches("/dev/")))
}

/// The first word of a variable.
fn word(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    value.split_whitespace().next().map(plain)
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Characters of names and addresses.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "._:/%-".contains(*c)).take(LONGEST).collect()
}
