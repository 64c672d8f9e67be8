//! Reading the time stamps that stand at the start of a line.

use jiff::civil::DateTime;

use crate::stamp::{Clock, Stamp};

/// A stamp at the start of the line, bracketed or not; its length includes the brackets.
pub fn leading(line: &[u8]) -> Option<(Stamp, usize)> {
    if line.first() == Some(&b'[') {
        // The kernel's time fills its column after some hours: no blank stands before it then.
        let (stamp, len) = bare(&line[1..]).or_else(|| kernel(&line[1..]))?;
        let close = line[1 + len..].iter().take(2).position(|b| *b == b']')?;
        return Some((stamp, 1 + len + close + 1));
    }
    bare(line)
}

/// Reads a stamp from a captured text.
pub fn read(text: &str) -> Option<Stamp> {
    leading(text.trim().as_bytes()).map(|(stamp, _)| stamp)
}

fn bare(line: &[u8]) -> Option<(Stamp, usize)> {
    match line.first()? {
        b'0'..=b'9' => iso(line)
            .or_else(|| time_of_day(line))
            .or_else(|| american(line))
            .or_else(|| month_day(line))
            .or_else(|| abroad(line)),
        b'A'..=b'Z' => syslog(line).or_else(|| glog(line)).or_else(|| ctime(line)).or_else(|| abroad(line)),
        b' ' => kernel(line).or_else(|| abroad(&line[1..]).map(|(stamp, len)| (stamp, len + 1))),
        b'a'..=b'z' | 0x80.. => abroad(line),
        _ => None,
    }
}

/// `n` digits at `at`.
fn digits(line: &[u8], at: usize, n: usize) -> Option<i64> {
    let part = line.get(at..at + n)?;
    part.iter().all(u8::is_ascii_digit).then(|| part.iter().fold(0, |sum, b| sum * 10 + i64::from(b - b'0')))
}

/// `hh:mm:ss[.,]fraction` at `at`: seconds of the day, microseconds, length.
fn clock(line: &[u8], at: usize) -> Option<(i64, i64, usize)> {
    let (hour, minute, second) = (digits(line, at, 2)?, digits(line, at + 3, 2)?, digits(line, at + 6, 2)?);
    if line[at + 2] != b':' || line[at + 5] != b':' || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut micros = 0;
    let mut len = 8;
    if matches!(line.get(at + 8), Some(b'.' | b',')) {
        let fraction = line[at + 9..].iter().take_while(|b| b.is_ascii_digit()).count();
        if fraction > 0 {
            let kept = fraction.min(6);
            micros = digits(line, at + 9, kept)? * 10_i64.pow(6 - kept as u32);
            len += 1 + fraction;
        }
    }
    Some((hour * 3600 + minute * 60 + second, micros, len))
}

/// `2026-05-04 03:12:41,250`, `2026-05-04T03:12:41.25+02:00`, `2026/05/04 …`.
fn iso(line: &[u8]) -> Option<(Stamp, usize)> {
    let (year, month, day) = (digits(line, 0, 4)?, digits(line, 5, 2)?, digits(line, 8, 2)?);
    let dash = *line.get(4)?;
    if !matches!(dash, b'-' | b'/') || line[7] != dash || !matches!(line.get(10)?, b' ' | b'T' | b'_' | b'-') {
        return None;
    }
    let (seconds, micros, len) = clock(line, 11)?;
    let (zone, zone_len) = zone(&line[11 + len..]);
    let stamp = date(year, month, day, seconds, micros, zone)?;
    Some((stamp, 11 + len + zone_len))
}

fn date(year: i64, month: i64, day: i64, seconds: i64, micros: i64, zone: Option<i64>) -> Option<Stamp> {
    let midnight =
        DateTime::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?, 0, 0, 0, 0).ok()?;
    Stamp::date(midnight, seconds * 1_000_000 + micros, zone)
}

/// `Z`, `+02:00`, `-0500`: seconds east, and length.
fn zone(line: &[u8]) -> (Option<i64>, usize) {
    match line.first() {
        Some(b'Z') => (Some(0), 1),
        Some(sign @ (b'+' | b'-')) => {
            let colon = usize::from(line.get(3) == Some(&b':'));
            match (digits(line, 1, 2), digits(line, 3 + colon, 2)) {
                (Some(hours), Some(minutes)) => {
                    let east = hours * 3600 + minutes * 60;
                    (Some(if *sign == b'-' { -east } else { east }), 5 + colon)
                }
                _ => (None, 0),
            }
        }
        _ => (None, 0),
    }
}

/// `08:11:40` or `08:11:40.250`.
fn time_of_day(line: &[u8]) -> Option<(Stamp, usize)> {
    let (seconds, micros, len) = clock(line, 0)?;
    Some((Stamp { micros: seconds * 1_000_000 + micros, clock: Clock::TimeOfDay }, len))
}

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// `May  4 03:12:41` of syslog.
fn syslog(line: &[u8]) -> Option<(Stamp, usize)> {
    let month = MONTHS.iter().position(|name| line.starts_with(name))? as i64 + 1;
    let (day, from) = match (line.get(3)?, line.get(4)?, line.get(5)?) {
        (b' ', b' ', _) => (digits(line, 5, 1)?, 7),
        // Archives have the day without its blank.
        (b' ', _, b' ') => (digits(line, 4, 1)?, 6),
        (b' ', ..) => (digits(line, 4, 2)?, 7),
        _ => return None,
    };
    let (seconds, micros, len) = clock(line, from)?;
    yearless(month, day, seconds, micros).map(|stamp| (stamp, from + len))
}

/// Months as `strftime` shortens them in other languages, all but those that begin as the English ones do: by their first
/// letters, which tell them apart in all of these languages (glibc 2.39 `localedata/locales/`: de, es, fr, it, nl, pl, pt,
/// ru, sv).
const MONTHS_ABROAD: [&[&str]; 12] = [
    &["jan", "ene", "gen", "sty", "янв"],
    &["feb", "fév", "fev", "lut", "фев"],
    &["mar", "mär", "Mär", "mrt", "мар"],
    &["apr", "avr", "abr", "kwi", "апр"],
    &["mai", "Mai", "may", "mag", "mei", "maj", "мая", "май"],
    &["jun", "juin", "giu", "cze", "июн"],
    &["jul", "juil", "lug", "lip", "июл"],
    &["aug", "aoû", "ago", "sie", "авг"],
    &["sep", "set", "wrz", "сен"],
    &["oct", "Okt", "okt", "ott", "out", "paź", "окт"],
    &["nov", "lis", "ноя"],
    &["dec", "Dez", "déc", "dic", "dez", "gru", "дек"],
];

/// Most letters of a month so shortened: `sept.`, `нояб.`. Longer words are none: `output 10 03:12:41`.
const LONGEST_MONTH: usize = 5;

/// `août 25 19:38:04` and `11月 16 04:38:20`: what `journalctl` prints where the user's language is another than English.
fn abroad(line: &[u8]) -> Option<(Stamp, usize)> {
    let blank = line.iter().take(2 * LONGEST_MONTH + 1).position(|b| *b == b' ')?;
    let pad = usize::from(line.get(blank + 1) == Some(&b' '));
    let len = if pad == 1 { 1 } else { 2 };
    let from = blank + 1 + pad;
    let day = digits(line, from, len)?;
    let (seconds, micros, clock_len) = clock(line, from + len + 1).filter(|_| line[from + len] == b' ')?;
    let month = month_abroad(std::str::from_utf8(&line[..blank]).ok()?)?;
    yearless(month, day, seconds, micros).map(|stamp| (stamp, from + len + 1 + clock_len))
}

fn month_abroad(name: &str) -> Option<i64> {
    if let Some(number) = name.strip_suffix('月').or_else(|| name.strip_suffix('월')) {
        return number.parse().ok().filter(|month| (1..=12).contains(month));
    }
    if name.chars().count() > LONGEST_MONTH {
        return None;
    }
    let is = |names: &&[&str]| names.iter().any(|month| name.starts_with(month));
    MONTHS_ABROAD.iter().position(is).map(|at| at as i64 + 1)
}

/// glog's `E0504 03:12:41.250000`, and torch's `E504 03:12:41.250000000`, with what follows left alone.
fn glog(line: &[u8]) -> Option<(Stamp, usize)> {
    if !matches!(line.first()?, b'I' | b'W' | b'E' | b'F' | b'V') {
        return None;
    }
    let len = line[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let (month, day) = match len {
        3 => (digits(line, 1, 1)?, digits(line, 2, 2)?),
        4 => (digits(line, 1, 2)?, digits(line, 3, 2)?),
        _ => return None,
    };
    let (seconds, micros, clock_len) = clock(line, 2 + len)?;
    yearless(month, day, seconds, micros).map(|stamp| (stamp, 2 + len + clock_len))
}

/// `Mon May  4 03:12:41 2026` of ctime and `dmesg -T`, and `Mon 2026-05-04 03:12:41 UTC` of journald's full form.
fn ctime(line: &[u8]) -> Option<(Stamp, usize)> {
    const DAYS: [&[u8]; 7] = [b"Mon ", b"Tue ", b"Wed ", b"Thu ", b"Fri ", b"Sat ", b"Sun "];
    DAYS.iter().find(|day| line.starts_with(day))?;
    if line.get(4)?.is_ascii_digit() {
        let (stamp, len) = iso(&line[4..])?;
        let zone = line[4 + len..].iter().take(6).skip(1).take_while(|b| b.is_ascii_uppercase()).count();
        return Some((stamp, 4 + len + if zone > 1 { 1 + zone } else { 0 }));
    }
    let month = MONTHS.iter().position(|name| line[4..].starts_with(name))? as i64 + 1;
    let day = digits(line, 8, 2).or_else(|| digits(line, 9, 1))?;
    let (seconds, micros, len) = clock(line, 11)?;
    let year = digits(line, 12 + len, 4)?;
    Some((date(year, month, day, seconds, micros, None)?, 16 + len))
}

/// `05/04/2026 03:12:41`, month first, and Spark's `26/05/04 03:12:41`.
fn american(line: &[u8]) -> Option<(Stamp, usize)> {
    if line.get(2) != Some(&b'/') || line.get(5) != Some(&b'/') {
        return None;
    }
    let (first, second) = (digits(line, 0, 2)?, digits(line, 3, 2)?);
    if let Some(year) = digits(line, 6, 4) {
        let (seconds, micros, len) = clock(line, 11)?;
        return Some((date(year, first, second, seconds, micros, None)?, 11 + len));
    }
    let (seconds, micros, len) = clock(line, 9)?;
    Some((date(2000 + first, second, digits(line, 6, 2)?, seconds, micros, None)?, 9 + len))
}

/// vLLM's `05-04 03:12:41`, with no year.
fn month_day(line: &[u8]) -> Option<(Stamp, usize)> {
    if line.get(2) != Some(&b'-') || line.get(5) != Some(&b' ') {
        return None;
    }
    let (seconds, micros, len) = clock(line, 6)?;
    yearless(digits(line, 0, 2)?, digits(line, 3, 2)?, seconds, micros).map(|stamp| (stamp, 6 + len))
}

fn yearless(month: i64, day: i64, seconds: i64, micros: i64) -> Option<Stamp> {
    let stamp = date(2000, month, day, seconds, micros, None)?;
    Some(Stamp { clock: Clock::Yearless, ..stamp })
}

/// `[  942.180230]` of dmesg, without the brackets.
fn kernel(line: &[u8]) -> Option<(Stamp, usize)> {
    let pad = line.iter().take_while(|b| **b == b' ').count();
    let whole = line[pad..].iter().take_while(|b| b.is_ascii_digit()).count();
    if whole == 0 || whole > 9 || line.get(pad + whole) != Some(&b'.') {
        return None;
    }
    let micros = digits(line, pad + whole + 1, 6)?;
    let seconds = digits(line, pad, whole)?;
    Some((Stamp { micros: seconds * 1_000_000 + micros, clock: Clock::Monotonic }, pad + whole + 7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_every_kind() {
        for (text, clock, len) in [
            ("2026-05-04 03:12:41,250 x", Clock::Local, 23),
            ("2026-05-04T03:12:41.250+02:00 x", Clock::Utc, 29),
            ("[2026-05-04 03:12:41] x", Clock::Local, 21),
            ("May  4 03:12:41 host", Clock::Yearless, 15),
            ("E504 03:12:41.250000001 f", Clock::Yearless, 23),
            ("03:12:41 x", Clock::TimeOfDay, 8),
            ("[  942.180230] x", Clock::Monotonic, 14),
            ("[Mon May  4 03:12:41 2026] x", Clock::Local, 26),
            ("05/04/2026 03:12:41 x", Clock::Local, 19),
            ("26/05/04 03:12:41 x", Clock::Local, 17),
            ("05-04 03:12:41 x", Clock::Yearless, 14),
            ("[14711.786065] x", Clock::Monotonic, 14),
            ("May 4 03:12:41 host", Clock::Yearless, 14),
            ("Mon 2026-05-04 03:12:41 UTC host", Clock::Local, 27),
            ("mai 04 03:12:41 host", Clock::Yearless, 15),
            ("août 04 03:12:41 host", Clock::Yearless, 17),
            ("Okt 04 03:12:41 host", Clock::Yearless, 15),
            ("11月 16 04:38:20 host", Clock::Yearless, 17),
            (" 5月  4 04:38:20 host", Clock::Yearless, 17),
        ] {
            let (stamp, taken) = leading(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((stamp.clock, taken), (clock, len), "{text}");
        }
    }

    #[test]
    fn a_word_before_a_time_is_no_month() {
        for text in [
            "took 04 03:12:41 host",
            "output 10 03:12:41",
            "13月 16 04:38:20 host",
            "mai 04:03:12 host",
            "node-5 04 03:12:41",
        ] {
            assert_eq!(leading(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn zones_are_taken_off() {
        let east = read("2026-05-04T03:12:41+02:00").unwrap();
        let utc = read("2026-05-04T01:12:41Z").unwrap();
        assert_eq!(east.micros, utc.micros);
    }
}
