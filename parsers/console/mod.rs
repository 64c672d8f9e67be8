//! Captured terminals: whose prompt stands before the output of a command.
//!
//! `nvidia-smi`, `ibstat` and their like don't tell their host. A captured session does, in the prompt
//! (`root@gpu-17:~# nvidia-smi`), and `uname -a` at the head of a bug report. What was typed there is an event of its own, so
//! that lines of other formats can be told to be of that host.

use memchr::memmem;

use crate::REACH;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// Most candidates before a line that are looked at.
const MOST: usize = 16;

/// The host on whose terminal the line at the cursor was printed, where its prefix or a prompt before it tells.
pub(crate) fn host(cursor: &Cursor<'_>) -> Option<String> {
    if let Some(node) = &cursor.line.context.node {
        return Some(node.clone());
    }
    let before = &cursor.block.data[cursor.line.start.saturating_sub(REACH)..cursor.line.start];
    let prompt = memmem::rfind_iter(before, b"@").take(MOST).find_map(|at| prompt(line_around(before, at)));
    prompt.or_else(|| memmem::rfind_iter(before, b"Linux ").take(MOST).find_map(|at| uname(line_around(before, at))))
}

/// The line of `text` in which `at` stands.
fn line_around(text: &[u8], at: usize) -> &str {
    let start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |found| found + 1);
    let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |found| at + found).min(start + 512);
    std::str::from_utf8(&text[start..end.max(start)]).unwrap_or_default()
}

/// The host of `root@gpu-17:~# ls`, `[root@gpu-17 ~]$ ls`, `(base) ann@gpu-17:/scratch$ ls`.
fn prompt(line: &str) -> Option<String> {
    with_user(line).map(|(host, _)| host.to_owned())
}

/// Host and command of a prompt that names a user.
fn with_user(line: &str) -> Option<(&str, &str)> {
    let (user, rest) = line.split_once('@')?;
    let user = user.rsplit_once(") ").map_or(user, |(_, user)| user).trim_start_matches('[');
    let host = rest.split([':', ' ']).next()?;
    let behind = &rest[host.len()..];
    let command = behind.find(['$', '#']).and_then(|at| after_mark(&behind[at + 1..]))?;
    (word(user, "-_.") && word(host, "-_.")).then_some((host, command))
}

/// Host and command of a prompt that names no user: `gpu-17$ sinfo`, `gpu-17:~ # dmesg`. A name without a digit, or a
/// shell's own (`bash-5.1$`), is no host.
fn without_user(line: &str) -> Option<(&str, &str)> {
    let end = line.find(['$', '#']).filter(|end| *end < LONGEST_PROMPT)?;
    let command = after_mark(&line[end + 1..])?;
    let host = line[..end].split([':', ' ', '>']).next()?;
    let place = line[host.len()..end].trim_matches([':', ' ', '>']);
    let named = host.starts_with(|c: char| c.is_ascii_alphabetic()) && host.contains(|c: char| c.is_ascii_digit());
    let shell = ["bash-", "sh-", "zsh-", "ksh-", "csh-"].iter().any(|name| host.starts_with(name));
    let path = place.is_empty() || place.starts_with(['~', '/']);
    (word(host, "-_.") && named && !shell && path).then_some((host, command))
}

/// Longest prompt without a user.
const LONGEST_PROMPT: usize = 120;

/// The command behind the mark of a prompt.
fn after_mark(text: &str) -> Option<&str> {
    if text.is_empty() { Some("") } else { text.strip_prefix(' ') }
}

/// Whether a text is one word of letters, digits and `more`.
fn word(text: &str, more: &str) -> bool {
    !text.is_empty() && text.len() < 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

/// A command that somebody typed, of a session that was captured.
#[derive(Debug)]
pub struct Commands;

/// A prompt with a command behind it.
const COMMAND: Name = "console.command";
/// A prompt behind which the log of a pod was asked for. Field: `named` (the pod).
const POD_ASKED: Name = "console.pod_asked";

impl Grammar for Commands {
    fn kinds(&self) -> &'static [Name] {
        &[COMMAND, POD_ASKED]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            COMMAND => "somebody typed a command at the prompt of a host",
            POD_ASKED => "somebody asked for the log of a pod",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["$ ", "# "]
    }

    fn in_small_documents_only(&self) -> bool {
        true
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let Ok(text) = std::str::from_utf8(&cursor.line.text) else { return };
        let bare = || text.strip_prefix("$ ").or_else(|| text.strip_prefix("# ")).map(|command| ("", command));
        let prompt = || with_user(text).or_else(|| without_user(text)).or_else(bare);
        let Some((host, command)) = Some(text).filter(|text| text.len() < 512).and_then(|_| prompt()) else { return };
        if let Some(pod) = pod(command) {
            let mut fields = Fields::default();
            fields.set("named", pod);
            out.push(Event::on(cursor, &cursor.line, POD_ASKED, Says::Info, fields));
        } else if program(command).is_some() && !host.is_empty() {
            let mut fields = Fields::default();
            // Not `node`: what it starts may run elsewhere.
            fields.set("host", host);
            fields.set("command", command.trim());
            out.push(Event::on(cursor, &cursor.line, COMMAND, Says::Info, fields));
        }
    }
}

/// Options of `kubectl logs` whose value is the next word.
const WITH_VALUE: [&str; 9] =
    ["-n", "--namespace", "-c", "--container", "--context", "--tail", "--since", "--kubeconfig", "-s"];

/// The pod of `kubectl logs -n research train-0 -f`, `oc logs pod/train-0`.
fn pod(command: &str) -> Option<&str> {
    let mut words = command.split_ascii_whitespace().skip_while(|word| BEFORE_PROGRAM.contains(word));
    let client = words.next()?.rsplit(['/', '.']).next()?;
    if !["kubectl", "oc", "k"].contains(&client) || !words.clone().any(|word| word == "logs" || word == "log") {
        return None;
    }
    let mut named = None;
    while let Some(word) = words.next() {
        match word {
            "|" | ">" | ">>" | "2>&1" | "&&" | ";" => break,
            "logs" | "log" => {}
            _ if WITH_VALUE.contains(&word) => _ = words.next(),
            _ if word.starts_with('-') => {}
            _ => _ = named.get_or_insert(word),
        }
    }
    let name = named.map(|name| name.strip_prefix("pod/").or_else(|| name.strip_prefix("po/")).unwrap_or(name))?;
    word(name, "-.").then_some(name)
}

/// What may stand before the program of a command.
const BEFORE_PROGRAM: [&str; 7] = ["sudo", "time", "nohup", "env", "exec", "watch", "stdbuf"];

/// The program of a command line, its folder left out: `sinfo` of `sudo /usr/bin/sinfo -R`.
pub fn program(command: &str) -> Option<&str> {
    let mut words = command.split_ascii_whitespace();
    let is_program =
        |word: &&str| !BEFORE_PROGRAM.contains(word) && !word.contains('=') && !word.starts_with('-') && *word != "(";
    let found = words.find(is_program)?;
    let name = found.rsplit('/').next().unwrap_or(found);
    name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(name)
}

/// The host of `Linux gpu-17 5.15.0-91-generic #101-Ubuntu SMP …`.
fn uname(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("Linux ")?;
    let mut words = rest.split(' ');
    let (host, release, build) = (words.next()?, words.next()?, words.next()?);
    let kernel = release.starts_with(|c: char| c.is_ascii_digit()) && build.starts_with('#');
    (kernel && !host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{program, prompt, uname};
    use crate::{Catalogue, Scanner, lint};

    #[test]
    fn a_typed_command_tells_host_and_program() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        for (line, want) in [
            ("gpu-17$ sinfo", Some(("gpu-17", "sinfo"))),
            ("gpu-17:~ # dmesg -T", Some(("gpu-17", "dmesg -T"))),
            ("[ann@login-2 ~]$ srun -N 2 hostname", Some(("login-2", "srun -N 2 hostname"))),
            ("ann@gpu-17:/scratch$ ./train.sh", Some(("gpu-17", "./train.sh"))),
            ("bash-5.1$ sinfo", None),
            ("gpu-17# 1.5", None),
            ("# nvidia-smi", None),
            ("step 12 loss 3$ per token", None),
            ("mail ann@example.com costs $ more", None),
        ] {
            let found = lint::read(&scanner, line);
            let told = found.iter().find(|event| event.kind == "console.command");
            let told = told.and_then(|event| Some((event.fields.text("host")?, event.fields.text("command")?)));
            assert_eq!(told, want, "{line}");
        }
    }

    #[test]
    fn the_pod_whose_log_is_asked_for_is_told() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        for (line, want) in [
            ("$ kubectl logs -n research train-0 -f", Some("train-0")),
            ("# kubectl -n research logs pod/train-0 -c main --tail 20", Some("train-0")),
            ("ann@login-1:~$ sudo microk8s.kubectl logs train-0 | tail", Some("train-0")),
            ("$ kubectl logs deploy/train", None),
            ("$ kubectl get pods", None),
        ] {
            let found = lint::read(&scanner, line);
            let told = found.iter().find(|event| event.kind == "console.pod_asked");
            assert_eq!(told.and_then(|event| event.fields.text("named")), want, "{line}");
        }
    }

    #[test]
    fn the_program_is_found_behind_what_starts_it() {
        for (command, want) in [
            ("sudo /usr/bin/sinfo -R", Some("sinfo")),
            ("NCCL_DEBUG=INFO srun -l python3 t.py", Some("srun")),
            ("./train.sh", Some("train.sh")),
            ("  ", None),
            ("| 3", None),
        ] {
            assert_eq!(program(command), want, "{command}");
        }
    }

    #[test]
    fn prompts_name_the_host() {
        for line in [
            "root@gpu-17:~# nvidia-smi",
            "[root@gpu-17 ~]$ ibstat",
            "(base) ann@gpu-17:/scratch$ ",
            "ann@gpu-17 ~ $ ls",
        ] {
            assert_eq!(prompt(line).as_deref(), Some("gpu-17"), "{line}");
        }
        for line in ["mail ann@example.com for help", "user@host", "git@example.com:diag/diag.git"] {
            assert_eq!(prompt(line), None, "{line}");
        }
    }

    #[test]
    fn the_kernel_line_names_the_host() {
        let line =
            "uname: Linux gpu-17 5.15.0-91-generic #101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023 x86_64 GNU/Linux";
        assert_eq!(uname(line).as_deref(), Some("gpu-17"));
        assert_eq!(uname("Linux version 5.15.0-91-generic (buildd@host) (gcc 11)"), None);
    }
}
