//! Captured terminals: whose prompt stands before the output of a command.
//!
//! `nvidia-smi`, `ibstat` and their like don't tell their host. A captured session does, in the prompt
//! (`root@gpu-17:~# nvidia-smi`), and `uname -a` at the head of a bug report.

use memchr::memmem;

use crate::REACH;
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
    let (user, rest) = line.split_once('@')?;
    let user = user.rsplit_once(") ").map_or(user, |(_, user)| user).trim_start_matches('[');
    let host = rest.split([':', ' ']).next()?;
    let behind = &rest[host.len()..];
    let name = |text: &str, more: &str| {
        !text.is_empty() && text.len() < 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let ends =
        behind.find(['$', '#']).is_some_and(|at| behind[at + 1..].is_empty() || behind[at + 1..].starts_with(' '));
    (name(user, "-_.") && name(host, "-_.") && ends).then(|| host.to_owned())
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
    use super::{prompt, uname};

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
