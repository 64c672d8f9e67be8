//! The types of parameters: what a value must look like before it may stand in a command.
//!
//! Values come from logs, which anybody writes. None that passes here holds a space, a quote, a control character or
//! anything else that a shell takes for more than a letter, and none begins with `-`.

use std::net::IpAddr;

use super::name::NodeName;
use crate::playbook::schema::Parameter;

/// The types, and what each takes, in words.
pub const TYPES: [(&str, &str); 13] = [
    ("node", "a host name or address"),
    ("addr", "an address or host name"),
    ("hca", "an adapter such as mlx5_3"),
    ("gpu", "a GPU's index, PCI address or UUID"),
    ("pci", "a PCI address such as 0000:3b:00.0"),
    ("iface", "a network interface such as eth0"),
    ("job", "a job's number, 4242 or 4242_7"),
    ("rank", "a rank from 0 to 9999999"),
    ("int", "a whole number within its bounds"),
    ("size", "a size such as 64M"),
    ("path", "an absolute path"),
    ("folders", "folders in which tools are looked for"),
    ("str", "a plain word: letters, digits and _ . : / @ % + = , -"),
];

/// Longest plain word.
const LONGEST: usize = 255;

/// Longest name of a network interface (IFNAMSIZ of linux/if.h, less the closing zero).
const LONGEST_INTERFACE: usize = 15;

/// Most digits of a job's number: Slurm's are of 32 bits.
const JOB_DIGITS: usize = 10;

/// The value as it may be used, or why it may not.
///
/// # Errors
/// In words, for the person who reads the plan.
pub fn check(parameter: &Parameter, text: &str) -> Result<String, String> {
    let kind = parameter.kind.as_str();
    let wrong = || format!("`{}` is not {}", shown(text), about(kind));
    if !parameter.one_of.is_empty() {
        let known = parameter.one_of.iter().any(|one| one == text);
        return if known {
            Ok(text.to_owned())
        } else {
            Err(format!("`{}` is none of those that it may be", shown(text)))
        };
    }
    let fits = match kind {
        "node" => return node(text),
        "addr" => text.parse::<IpAddr>().is_ok() || text.parse::<NodeName>().is_ok(),
        "hca" => name(text, 63),
        "gpu" => index(text, 3) || pci(text) || uuid(text),
        "pci" => pci(text),
        "iface" => name(text, LONGEST_INTERFACE),
        "job" => job(text),
        "rank" => index(text, 7),
        "int" => return int(parameter, text),
        "size" => return size(parameter, text),
        "path" => path(text),
        "folders" => text.split(':').all(path),
        "str" => word(text),
        _ => return Err(format!("`{kind}` is no type of parameter")),
    };
    if fits { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// What a type takes, in words.
#[must_use]
pub fn about(kind: &str) -> &'static str {
    TYPES.iter().find(|(known, _)| *known == kind).map_or("a value of a known type", |(_, about)| about)
}

/// A value that was refused, as it may be shown: cut, and without what acts on a terminal.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let cut: String = text.chars().take(MOST).collect();
    let more = if text.chars().count() > MOST { "…" } else { "" };
    format!("{}{more}", cut.escape_debug())
}

fn node(text: &str) -> Result<String, String> {
    let name: NodeName = text.parse().map_err(|_| format!("`{}` is not {}", shown(text), about("node")))?;
    let loopback = text.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || address.is_unspecified());
    if loopback || text.eq_ignore_ascii_case("localhost") || text.to_ascii_lowercase().starts_with("localhost.") {
        return Err(format!("`{name}` is what every host calls itself: it names none"));
    }
    Ok(name.into())
}

fn int(parameter: &Parameter, text: &str) -> Result<String, String> {
    let value: i64 = text.parse().map_err(|_| format!("`{}` is no whole number", shown(text)))?;
    match (parameter.min, parameter.max) {
        (Some(least), _) if value < least => Err(format!("{value} is less than {least}")),
        (_, Some(most)) if value > most => Err(format!("{value} is more than {most}")),
        _ => Ok(value.to_string()),
    }
}

/// A number with a power of 1024: bounds are in bytes.
fn size(parameter: &Parameter, text: &str) -> Result<String, String> {
    let bytes = bytes(text).ok_or_else(|| format!("`{}` is not {}", shown(text), about("size")))?;
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    match (parameter.min, parameter.max) {
        (Some(least), _) if bytes < least => Err(format!("{text} is less than {least} bytes")),
        (_, Some(most)) if bytes > most => Err(format!("{text} is more than {most} bytes")),
        _ => Ok(text.to_owned()),
    }
}

/// The bytes of a size such as 64M.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    let number: u64 = Some(digits).filter(|digits| index(digits, 12))?.parse().ok()?;
    number.checked_mul(1 << shift)
}

/// Absolute, of plain words, and not upwards.
pub(super) fn path(text: &str) -> bool {
    text.len() > 1 && text.starts_with('/') && word(text)
}

/// Digits only, at most so many.
fn index(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A device's name: a letter, then letters, digits, `_`, `.`, `-`.
fn name(text: &str, most: usize) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=most).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(rest)
        && !text.contains("..")
}

/// `0000:3b:00.0`, with a domain of 4 to 8 digits or none.
fn pci(text: &str) -> bool {
    let hex = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (domain, bus, rest) = match parts[..] {
        [domain, bus, rest] => (domain, bus, rest),
        [bus, rest] => ("0000", bus, rest),
        _ => return false,
    };
    let Some((device, function)) = rest.split_once('.') else { return false };
    hex(domain, 4, 8) && hex(bus, 2, 2) && hex(device, 2, 2) && hex(function, 1, 1)
}

/// `GPU-` or `MIG-` and a UUID (RFC 9562).
fn uuid(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("GPU-").or_else(|| text.strip_prefix("MIG-")) else { return false };
    let groups: Vec<&str> = rest.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && rest.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// `4242`, a task of an array `4242_7`, a part of a heterogeneous job `4242+1`.
fn job(text: &str) -> bool {
    let (job, part) = text.split_once(['_', '+']).unwrap_or((text, "0"));
    index(job, JOB_DIGITS) && index(part, JOB_DIGITS)
}

fn word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/@%+=,-".contains(&byte);
    (1..=LONGEST).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.bytes().all(plain)
        && text.split('/').all(|part| part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str) -> Parameter {
        Parameter { kind: kind.to_owned(), ..Parameter::default() }
    }

    #[test]
    fn each_type_takes_what_clusters_print() {
        let good = [
            ("node", "gpu-17"),
            ("node", "gpu_017.cluster.example"),
            ("addr", "10.0.4.18"),
            ("addr", "fe80::1"),
            ("hca", "mlx5_3"),
            ("hca", "bnxt_re0"),
            ("gpu", "0"),
            ("gpu", "0000:3b:00.0"),
            ("gpu", "GPU-8f3a1c2e-0b1d-4e5f-8a9b-0c1d2e3f4a5b"),
            ("pci", "00000000:3B:00.0"),
            ("pci", "3b:00.0"),
            ("iface", "enp94s0np0"),
            ("job", "4242_7"),
            ("rank", "1023"),
            ("int", "-3"),
            ("str", "/scratch/run-17/model.pt"),
            ("size", "64M"),
            ("path", "/opt/nccl-tests/build"),
            ("folders", "/opt/a/bin:/opt/b/bin"),
        ];
        for (kind, text) in good {
            assert_eq!(check(&of(kind), text).as_deref(), Ok(text), "{kind} {text}");
        }
    }

    /// Whatever the type, nothing passes that a shell, an option parser or a path would take for more than it is.
    #[test]
    fn nothing_hostile_passes_any_type() {
        let hostile = [
            "",
            " ",
            "-rf",
            "--help",
            "a b",
            "a;id",
            "$(id)",
            "`id`",
            "a|b",
            "a&b",
            "a>b",
            "a<b",
            "a\nb",
            "a\rb",
            "a\tb",
            "a\0b",
            "a'b",
            "a\"b",
            "a\\b",
            "a*",
            "a?",
            "a[1]",
            "a{1,2}",
            "~root",
            "!x",
            "#x",
            "../etc",
            "a/../b",
            "\u{202e}gpu",
            "gpu\u{200b}",
            "g\u{440}u-17",
            "\u{ff41}",
            "10.0.4.18<41022>",
            "\u{1b}[2J",
            "$IFS",
            "${HOME}",
            "%s%n\n",
            "a\u{a0}b",
            "０",
            "gpu-17\u{0}",
        ];
        for (kind, _) in TYPES {
            for text in hostile {
                assert!(check(&of(kind), text).is_err(), "{kind} takes {text:?}");
            }
            assert!(check(&of(kind), &"a".repeat(300)).is_err(), "{kind} takes any length");
            let why = check(&of(kind), "\u{1b}[2J\n\u{202e}").unwrap_err();
            assert!(!why.chars().any(|c| c.is_control() || c == '\u{202e}'), "{why:?} acts on a terminal");
        }
    }

    #[test]
    fn numbers_keep_their_bounds_and_a_host_is_not_oneself() {
        let bounded = Parameter { min: Some(20), max: Some(22), ..of("int") };
        assert_eq!(check(&bounded, "022"), Ok("22".to_owned()));
        assert!(check(&bounded, "19").unwrap_err().contains("less than 20"));
        assert!(check(&bounded, "23").is_err() && check(&bounded, "99999999999999999999").is_err());
        for oneself in ["localhost", "LOCALHOST.localdomain", "127.0.0.1", "::1", "0.0.0.0"] {
            assert!(check(&of("node"), oneself).is_err(), "{oneself}");
        }
    }
}
