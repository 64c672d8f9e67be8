//! Slurm's way to write many hosts: `gpu[001-128,200]-ib0`, both ways.
//!
//! Shape: slurm-25-05 `src/common/hostlist.c`: names with any number of `[first-last,…]` parts, apart by commas. The
//! width of `first` is the padding of all numbers of its range.

use nom::branch::alt;
use nom::bytes::complete::take_while1;
use nom::character::complete::{char, digit1};
use nom::combinator::{all_consuming, map, opt};
use nom::multi::{many1, separated_list1};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// Why a list can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is not written as a hostlist.
    Malformed,
    /// A range ends before it begins, or has a number that is too long.
    Range,
    /// It stands for more hosts than were asked for.
    TooMany,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a hostlist",
            Self::Range => "a range that is none",
            Self::TooMany => "more hosts than are looked at",
        })
    }
}

/// A part of one name.
#[derive(Debug, Clone)]
enum Part<'a> {
    Text(&'a str),
    Numbers(Vec<(&'a str, &'a str)>),
}

/// Longest list that is read, in bytes.
const MOST_BYTES: usize = 16 << 10;

/// Most digits of a number.
const MOST_DIGITS: usize = 15;

/// The hosts that a list stands for, in its order, at most `most`.
///
/// # Errors
/// What is wrong with it; nothing is expanded beyond `most`.
pub fn expand(list: &str, most: usize) -> Result<Vec<String>, Refusal> {
    if list.len() > MOST_BYTES {
        return Err(Refusal::TooMany);
    }
    let (_, names) = all_consuming(separated_list1(char(','), name)).parse(list).map_err(|_| Refusal::Malformed)?;
    let mut hosts = Vec::new();
    for parts in &names {
        let room = most - hosts.len();
        hosts.extend(product(parts, room)?);
    }
    Ok(hosts)
}

fn name(input: &str) -> IResult<&str, Vec<Part<'_>>> {
    let text = take_while1(|c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c));
    many1(alt((map(text, Part::Text), map(numbers, Part::Numbers)))).parse(input)
}

fn numbers(input: &str) -> IResult<&str, Vec<(&str, &str)>> {
    delimited(char('['), separated_list1(char(','), range), char(']')).parse(input)
}

fn range(input: &str) -> IResult<&str, (&str, &str)> {
    map((digit1, opt(preceded(char('-'), digit1))), |(first, last): (&str, Option<&str>)| {
        (first, last.unwrap_or(first))
    })
    .parse(input)
}

/// All names that the parts of one stand for.
fn product(parts: &[Part<'_>], most: usize) -> Result<Vec<String>, Refusal> {
    let mut names = vec![String::new()];
    if most == 0 {
        return Err(Refusal::TooMany);
    }
    for part in parts {
        names = match part {
            Part::Text(text) => names.into_iter().map(|name| name + text).collect(),
            Part::Numbers(ranges) => {
                let numbers = listed(ranges, most)?;
                if names.len().saturating_mul(numbers.len()) > most {
                    return Err(Refusal::TooMany);
                }
                let with = |name: String| numbers.iter().map(move |number| format!("{name}{number}"));
                names.into_iter().flat_map(with).collect()
            }
        };
    }
    Ok(names)
}

/// The numbers of the ranges, as they are written.
fn listed(ranges: &[(&str, &str)], most: usize) -> Result<Vec<String>, Refusal> {
    let mut all = Vec::new();
    for (first, last) in ranges {
        let width = first.len();
        let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.len() <= MOST_DIGITS).ok_or(Refusal::Range);
        let (low, high) = (number(first)?, number(last)?);
        if high < low {
            return Err(Refusal::Range);
        }
        if (high - low) as usize >= most.saturating_sub(all.len()) {
            return Err(Refusal::TooMany);
        }
        all.extend((low..=high).map(|number| format!("{number:0width$}")));
    }
    Ok(all)
}

/// Hosts as Slurm writes them: names that differ in their first number share one bracket, sorted.
pub fn compress<S: AsRef<str>>(hosts: &[S]) -> String {
    let mut groups: Vec<(&str, usize, &str, Vec<u64>)> = Vec::new();
    let mut plain: Vec<&str> = Vec::new();
    for host in hosts.iter().map(AsRef::as_ref) {
        let Some((head, digits, tail)) = own_number(host) else {
            plain.push(host);
            continue;
        };
        let Ok(number) = digits.parse::<u64>() else {
            plain.push(host);
            continue;
        };
        let width = digits.len();
        let known = groups.iter_mut().find(|(h, w, t, _)| *h == head && *t == tail && *w == width);
        match known {
            Some(group) => group.3.push(number),
            None => groups.push((head, width, tail, vec![number])),
        }
    }
    plain.sort_unstable();
    plain.dedup();
    let mut parts: Vec<String> = plain.into_iter().map(str::to_owned).collect();
    parts.extend(groups.into_iter().map(|(head, width, tail, numbers)| bracket(head, width, tail, numbers)));
    parts.sort();
    parts.join(",")
}

/// `gpu` `001` `-ib0`: the first number is the host's own, one behind it belongs to an interface, a rack's chassis or a
/// domain. Names that differ elsewhere are simply listed apart.
fn own_number(host: &str) -> Option<(&str, &str, &str)> {
    let start = host.find(|c: char| c.is_ascii_digit())?;
    let len = host[start..].bytes().take_while(u8::is_ascii_digit).count();
    (len <= MOST_DIGITS).then(|| (&host[..start], &host[start..start + len], &host[start + len..]))
}

fn bracket(head: &str, width: usize, tail: &str, mut numbers: Vec<u64>) -> String {
    numbers.sort_unstable();
    numbers.dedup();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let written = |(low, high): &(u64, u64)| match low == high {
        true => format!("{low:0width$}"),
        false => format!("{low:0width$}-{high:0width$}"),
    };
    match ranges.as_slice() {
        [(low, high)] if low == high => format!("{head}{low:0width$}{tail}"),
        ranges => format!("{head}[{}]{tail}", ranges.iter().map(written).collect::<Vec<_>>().join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_expanded() {
        assert_eq!(
            expand("gpu[001-003,200]-ib0", 9).unwrap(),
            ["gpu001-ib0", "gpu002-ib0", "gpu003-ib0", "gpu200-ib0"]
        );
        assert_eq!(expand("n[8-10]", 9).unwrap(), ["n8", "n9", "n10"]);
        assert_eq!(expand("r[1-2]c[0-1],login", 9).unwrap(), ["r1c0", "r1c1", "r2c0", "r2c1", "login"]);
        assert_eq!(expand("gpu-17.example.org", 1).unwrap(), ["gpu-17.example.org"]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", "gpu[", "gpu[1-]", "gpu[]", "gpu]", "a,,b", "gpu[1,2", "(null)", "a b"] {
            assert_eq!(expand(text, 9), Err(Refusal::Malformed), "{text}");
        }
        assert_eq!(expand("gpu[9-1]", 9), Err(Refusal::Range));
        assert_eq!(expand("gpu[1-99999999999999999999]", 9), Err(Refusal::Range));
    }

    #[test]
    fn bombs_are_not_expanded() {
        for bomb in ["n[0-99999999]", "n[0-9][0-9][0-9][0-9][0-9][0-9][0-9]", "a[1-5],b[1-5]"] {
            assert_eq!(expand(bomb, 9), Err(Refusal::TooMany), "{bomb}");
        }
    }

    #[test]
    fn hosts_are_compressed() {
        let hosts = ["gpu003", "gpu001", "gpu002", "gpu010", "login", "gpu9"];
        assert_eq!(compress(&hosts), "gpu9,gpu[001-003,010],login");
        assert_eq!(compress(&["gpu001-ib0", "gpu002-ib0"]), "gpu[001-002]-ib0");
        assert_eq!(compress(&["gpu-17"]), "gpu-17");
    }

    /// Whatever the bytes, nothing panics and nothing grows; and what is compressed expands to the same hosts.
    #[test]
    fn any_text_is_survived_and_any_hosts_come_back() {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        const LETTERS: &[u8] = b"gn019-,[] .\xc3(";
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..next(24)).map(|_| LETTERS[next(LETTERS.len() as u64) as usize]).collect();
            if let Ok(hosts) = expand(&String::from_utf8_lossy(&bytes), 64) {
                assert!(hosts.len() <= 64);
            }
        }
        for _ in 0..500 {
            let width = next(4) as usize + 1;
            let mut hosts: Vec<String> = (0..next(40) + 1).map(|_| format!("gpu{:0width$}-ib0", next(300))).collect();
            let mut back = expand(&compress(&hosts), 1000).unwrap();
            hosts.sort();
            hosts.dedup();
            back.sort();
            assert_eq!(back, hosts);
        }
    }
}
