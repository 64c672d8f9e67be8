//! What NCCL prints of a broken connection by the thousand, and what stands in front of all its lines.

use memchr::memmem::find;
use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::digit1;
use nom::combinator::{opt, recognize};
use nom::error::{Error, ErrorKind};
use nom::sequence::{delimited, preceded, terminated};

use super::{Read, is_blank, is_word};

/// Longest name of a peer, in bytes.
const MOST_PEER: usize = 80;

/// `Got completion from peer 10.0.4.18<41022> with status=12 … vendor err 129 … hca mlx5_3` (src/transport/net_ib.cc,
/// v2.20 on).
pub(super) fn ib_completion_error(text: &[u8]) -> Read<'_> {
    if memchr::memchr(b'\n', text).is_some() {
        return fail(text);
    }
    let (begin, _) = tag("Got completion from peer ").parse(text)?;
    let (rest, peer) = peer(begin, b" with status")?;
    let (rest, _) = (opt(tag(" ")), tag("="), opt(tag(" ")), opt((take_while1(is_word), tag("(")))).parse(rest)?;
    let (rest, status) = status(rest)?;
    let (rest, vendor) = ahead(rest, b" vendor", vendor_error);
    let (rest, hca) = ahead(rest, b" hca ", adapter);
    Ok((rest, [Some(peer), Some(status), vendor, hca, None, None, None]))
}

/// `Got completion from peer 10.0.4.18<41022> with status=5 … hca mlx5_3`: status 5 only, which the lines of other
/// failures have not.
pub(super) fn ib_flushed(text: &[u8]) -> Read<'_> {
    let stands = |at: usize| at > 0 && b" =(".contains(&text[at - 1]);
    if !memchr::memchr_iter(b'5', text).any(stands) {
        return Err(nom::Err::Failure(Error::new(text, ErrorKind::Fail)));
    }
    if memchr::memchr(b'\n', text).is_some() {
        return fail(text);
    }
    let (begin, _) = tag("Got completion from peer ").parse(text)?;
    let (rest, peer) = peer(begin, b" with ")?;
    let status = (tag("status"), opt(tag(" ")), tag("="), opt(tag(" ")), opt((take_while1(is_word), tag("("))));
    let (rest, _) = alt((recognize(status), tag("error "))).parse(rest)?;
    let (rest, _) = tag("5").parse(rest)?;
    if rest.first().is_some_and(|byte| is_word(*byte)) {
        return fail(text);
    }
    let (rest, hca) = ahead(rest, b" hca ", adapter);
    Ok((rest, [Some(peer), hca, None, None, None, None, None]))
}

/// The shortest name behind which something stands, with or without a port between.
fn peer<'t>(begin: &'t [u8], behind: &[u8]) -> Result<'t> {
    if begin.first() == Some(&b'<') {
        return fail(begin);
    }
    for len in 1..=MOST_PEER.min(begin.len()) {
        let (name, rest) = begin.split_at(len);
        if rest.first() == Some(&b'<') {
            let port = delimited(tag("<"), digit1, tag(">"));
            return terminated(port, tag(behind)).parse(rest).map(|(rest, _)| (rest, name));
        }
        if let Some(rest) = rest.strip_prefix(behind) {
            return Ok((rest, name));
        }
    }
    fail(begin)
}

fn adapter(rest: &[u8]) -> Result<'_> {
    take_while1(|byte| is_word(byte) || matches!(byte, b'.' | b'-')).parse(rest)
}

/// A status of one digit other than 5, or of two.
fn status(rest: &[u8]) -> Result<'_> {
    let (behind, digits) = digit1::<_, Error<&[u8]>>(rest)?;
    let fits = matches!(digits, [one] if *one != b'5') || digits.len() == 2;
    if fits && !behind.first().is_some_and(|byte| is_word(*byte)) { Ok((behind, digits)) } else { fail(rest) }
}

fn vendor_error(rest: &[u8]) -> Result<'_> {
    let gap = |byte: u8| matches!(byte, b' ' | b'=');
    let (rest, _) = (alt((tag(" "), tag("_"))), tag("err"), take_while1(gap)).parse(rest)?;
    digit1(rest)
}

type Result<'t> = nom::IResult<&'t [u8], &'t [u8]>;

/// What `read` takes behind the first `word` that it can be read behind; nothing is taken where there is none.
fn ahead<'t>(text: &'t [u8], word: &[u8], read: impl Fn(&'t [u8]) -> Result<'t>) -> (&'t [u8], Option<&'t [u8]>) {
    let mut left = text;
    while let Some(at) = find(left, word) {
        if let Ok((rest, found)) = read(&left[at + word.len()..]) {
            return (rest, Some(found));
        }
        left = &left[at + 1..];
    }
    (text, None)
}

fn fail<T>(text: &[u8]) -> nom::IResult<&[u8], T> {
    Err(nom::Err::Error(Error::new(text, ErrorKind::Fail)))
}

/// What stands in front of NCCL's text: node, process and GPU of
/// `gpu-17:4121:4310 [3] transport/net_ib.cc:2543 NCCL WARN ` (v2.7 on); none where the regex of the format must be asked.
pub(crate) fn envelope(text: &[u8]) -> Option<[Option<&[u8]>; 3]> {
    let end = text.iter().position(|byte| is_blank(*byte) || b":[]()<>".contains(byte)).filter(|end| *end > 0)?;
    let (node, rest) = text.split_at(end);
    let (rest, pid) =
        terminated(preceded(tag(":"), digit1::<_, Error<&[u8]>>), (tag(":"), digit1, tag(" ["))).parse(rest).ok()?;
    let (rest, (sign, device)) = terminated((opt(tag("-")), digit1::<_, Error<&[u8]>>), tag("] ")).parse(rest).ok()?;
    let level = |rest: &[u8]| [&b"WARN "[..], b"INFO ", b"ERROR "].iter().any(|level| rest.starts_with(level));
    let head = memchr::memchr(b'\n', rest).map_or(rest, |line| &rest[..line]);
    memchr::memmem::find_iter(head, "NCCL ").find(|at| level(&head[at + 5..]))?;
    let gpu = Some(device).filter(|device| sign.is_none() && device.len() <= 2);
    Some([Some(node), Some(pid), gpu])
}
