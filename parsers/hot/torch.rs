//! What every rank prints when a collective hangs or fails (torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp).

use nom::Parser as _;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::digit1;
use nom::combinator::{opt, recognize};
use nom::error::{Error, ErrorKind};
use nom::sequence::{delimited, preceded, terminated};

use super::{Read, is_blank, is_word};

/// `Watchdog caught collective operation timeout: WorkNCCL(SeqNum=…, OpType=…, …) ran for … milliseconds`.
pub(super) fn watchdog_timeout(text: &[u8]) -> Read<'_> {
    let is_shape = |byte: u8| byte.is_ascii_digit() || matches!(byte, b',' | b' ');
    let begin = (tag("Watchdog caught collective operation timeout: Work"), take_while1(is_word), tag("("));
    let (rest, seq) = preceded(begin, opt(delimited(tag("SeqNum="), digit1, tag(", ")))).parse(text)?;
    let (rest, op) = preceded(tag("OpType="), take_while1(is_word)).parse(rest)?;
    let (rest, shape) = opt(delimited(tag(", TensorShape=["), take_while(is_shape), tag("]"))).parse(rest)?;
    let counts = (preceded(tag(", NumelIn="), digit1), preceded(tag(", NumelOut="), digit1));
    let (rest, counts) = opt(counts).parse(rest)?;
    let (rest, timeout) = delimited(tag(", Timeout(ms)="), digit1, tag(") ran for ")).parse(rest)?;
    let (rest, ran) = terminated(digit1, tag(" milliseconds")).parse(rest)?;
    let (numel_in, numel_out) = counts.unzip();
    Ok((rest, [seq, Some(op), shape, numel_in, numel_out, Some(timeout), Some(ran)]))
}

/// `failure detected by watchdog at work sequence id: 4 PG status: last enqueued work: 6, last completed work: 3`.
pub(super) fn pg_status(text: &[u8]) -> Read<'_> {
    let number = || recognize((opt(tag("-")), digit1));
    let (rest, seq) = preceded(tag("failure detected by watchdog at work sequence id: "), number()).parse(text)?;
    let (rest, enqueued) = preceded(tag(" PG status: last enqueued work: "), number()).parse(rest)?;
    let (rest, completed) = preceded(tag(", last completed work: "), number()).parse(rest)?;
    Ok((rest, [Some(seq), Some(enqueued), Some(completed), None, None, None, None]))
}

/// `Some NCCL operations have failed or timed out`.
pub(super) fn taken_down(text: &[u8]) -> Read<'_> {
    let (rest, what) = tag("Some NCCL operations have failed or timed out").parse(text)?;
    Ok((rest, [Some(what), None, None, None, None, None, None]))
}

/// `NCCL error in: FILE:LINE, WHAT, NCCL version 2.21.5`.
pub(super) fn nccl_error(text: &[u8]) -> Read<'_> {
    let (begin, _) = (tag("NCCL error in:"), opt(tag(" "))).parse(text)?;
    let file = begin.iter().position(|byte| is_blank(*byte)).unwrap_or(begin.len());
    for colon in memchr::memchr_iter(b':', &begin[..file]).filter(|colon| *colon > 0) {
        if let Ok((rest, line)) = terminated(digit1::<_, Error<&[u8]>>, tag(", ")).parse(&begin[colon + 1..]) {
            let (rest, what) = take_while1(|byte| !matches!(byte, b',' | b'\n')).parse(rest)?;
            if what.len() >= 3 {
                let is_version = |byte: u8| byte.is_ascii_digit() || byte == b'.';
                let (rest, version) = opt(preceded(tag(", NCCL version "), take_while1(is_version))).parse(rest)?;
                let place = &begin[..colon + 1 + line.len()];
                return Ok((rest, [Some(place), Some(what), version, None, None, None, None]));
            }
        }
    }
    Err(nom::Err::Error(Error::new(text, ErrorKind::Fail)))
}
