//! What the kernel's ring buffer, journald and syslog put in front of a line.

use super::{Context, number};
use crate::stamp::{Clock, Stamp};
use crate::time;

/// Most bytes of a host's name, or of a program's.
const LONGEST_NAME: usize = 80;

/// `/dev/kmsg`'s `6,8812,9421180230,-;` (priority, number, microseconds since boot, flags), netconsole's with a release
/// in front of it.
///
/// Linux 6.6 `kernel/printk/printk.c` (`info_print_ext_header`), `drivers/net/netconsole.c` (`release_append`).
pub(super) fn kmsg(line: &[u8], context: &mut Context) -> Option<usize> {
    let release = match line.first()? {
        b'0'..=b'9' => line.iter().take(LONGEST_NAME).position(|b| *b == b',')? + 1,
        _ => return None,
    };
    // A priority has at most three digits and no dot.
    let start = if release > 4 { release } else { 0 };
    let end = start + line[start..].iter().take(64).position(|b| *b == b';')?;
    let mut parts = std::str::from_utf8(&line[start..end]).ok()?.split(',');
    let mut next = || parts.next().filter(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let (_, _, micros) = (next()?, next()?, next()?.parse().ok()?);
    parts.next().filter(|flags| matches!(*flags, "-" | "c" | "+"))?;
    context.at.get_or_insert(Stamp { micros, clock: Clock::Monotonic });
    Some(end + 1)
}

/// syslog's `<14>`, and the version behind it where RFC 5424 is spoken: `<14>1 2026-05-04T03:12:41Z gpu-17 …`.
pub(super) fn priority(line: &[u8], _: &mut Context) -> Option<usize> {
    let (value, len) = number(line.strip_prefix(b"<")?)?;
    let rest = line[1 + len..].strip_prefix(b">")?;
    let version = rest.starts_with(b"1 ") && time::leading(&rest[2..]).is_some();
    (len <= 3 && value < 192).then_some(2 + len + 2 * usize::from(version))
}

/// Names of facilities (`dmesg --decode`, util-linux 2.39 `sys-utils/dmesg.c`).
const FACILITIES: [&str; 12] =
    ["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"];

/// Names of levels, likewise.
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

/// `kern  :warn  : ` of `dmesg --decode`.
pub(super) fn decoded(line: &[u8], _: &mut Context) -> Option<usize> {
    let (facility, rest) = padded_word(line)?;
    let (level, tail) = padded_word(&line[rest..])?;
    let known = FACILITIES.contains(&facility) || facility.starts_with("local") || facility.starts_with("res");
    (known && LEVELS.contains(&level)).then_some(rest + tail)
}

/// A word of lower-case letters and digits that is padded to a colon: the word, and the length with the colon.
fn padded_word(line: &[u8]) -> Option<(&str, usize)> {
    let len = line.iter().take(9).take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
    let pad = line[len..].iter().take(8).take_while(|b| **b == b' ').count();
    let colon = line.get(len + pad) == Some(&b':');
    (len > 2 && colon).then_some((std::str::from_utf8(&line[..len]).ok()?, len + pad + 1))
}

/// `[ T1234]`, `[   C12]` behind the kernel's time: the thread or processor that printed (CONFIG_PRINTK_CALLER).
pub(super) fn caller(line: &[u8], context: &mut Context) -> Option<usize> {
    context.at?;
    let rest = line.strip_prefix(b"[")?;
    let pad = rest.iter().take(12).take_while(|b| **b == b' ').count();
    let digits = rest.get(pad).filter(|b| matches!(b, b'T' | b'C')).and_then(|_| number(&rest[pad + 1..]))?.1;
    (rest.get(pad + 1 + digits) == Some(&b']')).then_some(pad + digits + 3)
}

/// `- 1777864361 2026.05.04 gpu-17 ` of logs that a cluster archived: alert, seconds since 1970, date, node.
pub(super) fn archived(line: &[u8], context: &mut Context) -> Option<usize> {
    // Most lines begin otherwise.
    let alert = line.iter().take_while(|b| matches!(b, b'-' | b'_' | b'A'..=b'Z')).count();
    let seconds = line.get(alert..alert + 2)?;
    if alert == 0 || seconds[0] != b' ' || !seconds[1].is_ascii_digit() || context.at.is_some() {
        return None;
    }
    let text = std::str::from_utf8(&line[..line.len().min(120)]).ok()?;
    let mut words = text.splitn(5, ' ');
    let (alert, seconds, date, node) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let label = alert == "-" || (alert.len() > 1 && alert.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    let dated = date.len() == 10 && date.as_bytes()[4] == b'.' && date.as_bytes()[7] == b'.';
    if !label || !dated || seconds.len() != 10 || node.is_empty() {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    context.at = Some(Stamp { micros: seconds.checked_mul(1_000_000)?, clock: Clock::Utc });
    context.node.get_or_insert_with(|| node.to_owned());
    Some(alert.len() + 10 + 10 + node.len() + 3)
}

/// How sure it is that a host stands behind a time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sure {
    /// syslog's own time: whatever program follows.
    Syslog,
    /// A time that other writers print as well: only before the kernel, or a program with its number.
    Other,
}

/// ` host program[pid]: ` behind the time of syslog and journald; the program stays.
pub(super) fn host(rest: &[u8], sure: Sure, context: &mut Context) -> Option<usize> {
    let text = match std::str::from_utf8(&rest[..rest.len().min(200)]) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).ok()?,
    };
    let (host, tail) = text.strip_prefix(' ')?.split_once(' ')?;
    // RFC 5424 parts program, process and message by blanks, and has no colon.
    let program = match tail.split_once(": ") {
        Some((program, _)) if plain(program) => program,
        _ => tail.strip_prefix("kernel - ").map(|_| "kernel")?,
    };
    let numbered = program.strip_suffix(']').and_then(|text| text.rsplit_once('[')?.1.parse::<i64>().ok());
    let surely = sure == Sure::Syslog || ((program == "kernel" || numbered.is_some()) && !is_level(host));
    if !plain(host) || !surely {
        return None;
    }
    context.pid = context.pid.or(numbered);
    // Old relays write `sender/host`.
    let name = host.rsplit('/').next().unwrap_or(host);
    context.node.get_or_insert_with(|| name.to_owned());
    // The program stays for those formats that look for it; the kernel's own lines are told by it.
    let job = numbered.is_some() && runs_a_job(program.split('[').next().unwrap_or_default());
    Some(1 + host.len() + if job { 1 + program.len() + 1 } else { 0 })
}

/// Whether what a program prints is a job's own output: an interpreter, a launcher, or a container, whose name for
/// docker's `journald` driver is the start of its number.
fn runs_a_job(program: &str) -> bool {
    const LAUNCHERS: [&str; 8] = ["torchrun", "accelerate", "deepspeed", "mpirun", "ray", "bash", "sh", "conmon"];
    let python = program.strip_prefix("python");
    let container = program.len() == 12 && program.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    python.is_some_and(|version| version.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
        || LAUNCHERS.contains(&program)
        || container
}

fn plain(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._/[]()@".contains(&b);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(known)
}

/// Whether a word is a logger's level, and no host.
fn is_level(word: &str) -> bool {
    let word = word.trim_matches(['[', ']', '(', ')']).to_ascii_lowercase();
    LEVELS.contains(&word.as_str())
        || ["warning", "error", "critical", "fatal", "trace", "i", "w", "e"].contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use crate::prefix::peel;
    use crate::stamp::Clock;

    #[test]
    fn each_form_tells_time_and_host() {
        for (line, clock, node, rest) in [
            ("6,8812,9421180230,-;NVRM: x", Clock::Monotonic, None, "NVRM: x"),
            ("4,12,9000000,-,caller=T41;NVRM: x", Clock::Monotonic, None, "NVRM: x"),
            ("6.6.12,6,12,9000000,-;NVRM: x", Clock::Monotonic, None, "NVRM: x"),
            ("<6>[   12.345678] NVRM: x", Clock::Monotonic, None, "NVRM: x"),
            (
                "<14>1 2026-05-04T03:12:41Z gpu-17 kernel - - - NVRM: x",
                Clock::Utc,
                Some("gpu-17"),
                "kernel - - - NVRM: x",
            ),
            ("<4>May  4 03:12:41 gpu-17 kernel: NVRM: x", Clock::Yearless, Some("gpu-17"), "kernel: NVRM: x"),
            ("kern  :warn  : [   12.345678] NVRM: x", Clock::Monotonic, None, "NVRM: x"),
            ("kern  :err   : 2026-05-04T03:12:41,283575+00:00 NVRM: x", Clock::Utc, None, "NVRM: x"),
            ("[   12.345678] [   T4121] NVRM: x", Clock::Monotonic, None, "NVRM: x"),
            ("[   12.345678][    C12] NVRM: x", Clock::Monotonic, None, "NVRM: x"),
            ("[   12.345678] gpu-17 kernel: NVRM: x", Clock::Monotonic, Some("gpu-17"), "kernel: NVRM: x"),
            ("2026-05-04T03:12:41+0200 gpu-17 kernel: NVRM: x", Clock::Utc, Some("gpu-17"), "kernel: NVRM: x"),
            ("2026-05-04T03:12:41.250000-05:00 gpu-17 kernel: NVRM: x", Clock::Utc, Some("gpu-17"), "kernel: NVRM: x"),
            ("Mon 2026-05-04 03:12:41 UTC gpu-17 kernel: NVRM: x", Clock::Local, Some("gpu-17"), "kernel: NVRM: x"),
            ("May 04 03:12:41.250000 gpu-17 kernel: NVRM: x", Clock::Yearless, Some("gpu-17"), "kernel: NVRM: x"),
            (
                "- 1777864361 2026.05.04 gpu-17 May 4 03:12:41 gpu-17/gpu-17 kernel: x",
                Clock::Utc,
                Some("gpu-17"),
                "kernel: x",
            ),
        ] {
            let (context, at) = peel(line.as_bytes());
            let seen = (context.at.map(|at| at.clock), context.node.as_deref(), &line[at..]);
            assert_eq!(seen, (Some(clock), node, rest), "{line}");
        }
    }

    #[test]
    fn what_is_no_host_is_left_alone() {
        for line in [
            "2026-05-04T03:12:41Z INFO trainer[41]: x",
            "2026-05-04T03:12:41Z worker done: x",
            "[   12.345678] systemd[1]: x",
            "[   12.345678] traps: python3[41] x: y",
        ] {
            assert_eq!(peel(line.as_bytes()).0.node, None, "{line}");
        }
    }
}
