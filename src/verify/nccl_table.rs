//! The table that nccl-tests prints, size by size. Its average is not read: it mixes sizes that latency and bandwidth rule.
//!
//! Shape: nccl-tests v2.13.8 to v2.17.6, `src/common.cu`: after size and count come two to four words, then time (µs),
//! algorithm and bus bandwidth (GB/s) and wrong values, out of place and in place; `N/A` where nothing was measured.

use nom::Parser as _;
use nom::character::complete::{digit1, space0, space1};
use nom::combinator::map_res;
use nom::sequence::{delimited, preceded};

use super::reads::{Printed, Value};

/// Columns at the end: time, two bandwidths and wrong values, twice.
const TAIL: usize = 8;

/// One size.
#[derive(Debug, PartialEq)]
struct Row {
    bytes: u64,
    /// GB/s, out of place, or in place where that is all there is.
    busbw: Option<f64>,
    wrong: Option<f64>,
}

fn row(line: &str) -> Option<Row> {
    let size = map_res(digit1::<&str, nom::error::Error<&str>>, str::parse::<u64>);
    let mut head = (delimited(space0, size, space1), digit1, preceded(space1, nom::combinator::rest));
    let (_, (bytes, _count, rest)) = head.parse(line).ok()?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let tail = words.get(words.len().checked_sub(TAIL)?..)?;
    let cell = |at: usize| tail[at].parse::<f64>().ok().filter(|number| number.is_finite());
    let known = |at: usize| tail[at] == "N/A" || cell(at).is_some();
    if !(0..TAIL).all(known) {
        return None;
    }
    let wrong = match (cell(3), cell(7)) {
        (None, None) => None,
        (out, inside) => Some(out.unwrap_or(0.0) + inside.unwrap_or(0.0)),
    };
    Some(Row { bytes, busbw: cell(2).or_else(|| cell(6)), wrong })
}

/// Reads the table: `busbw@SIZE` for each size, `busbw` and `bytes` of the largest, `wrong`, `ranks`, `hosts`, `gpu`.
pub(super) fn read(text: &str, world: usize, printed: &mut Printed) {
    let (mut ranks, mut hosts, mut heads, mut gpu) = (Vec::new(), Vec::new(), 0, None);
    let (mut largest, mut wrong): (Option<Row>, Option<f64>) = (None, None);
    for line in text.lines() {
        heads += usize::from(line.contains("# nThread "));
        if let Some((rank, host, model)) = device(line) {
            ranks.push(rank);
            hosts.push(host);
            gpu.get_or_insert(model);
            continue;
        }
        let Some(row) = row(line) else { continue };
        if let Some(count) = row.wrong {
            *wrong.get_or_insert(0.0) += count;
        }
        if let Some(busbw) = row.busbw {
            printed.readings.insert(format!("busbw@{}", row.bytes), Value::Number(busbw));
        }
        if row.busbw.is_some() && largest.as_ref().is_none_or(|known| row.bytes >= known.bytes) {
            largest = Some(row);
        }
    }
    let lines = ranks.len();
    ranks.sort_unstable();
    ranks.dedup();
    hosts.sort_unstable();
    hosts.dedup();
    if heads > 1 && ranks.len() == 1 && lines > 1 {
        printed.cannot = Some(format!(
            "nccl-tests is built without MPI: {heads} processes printed a table each, with one rank; build it with MPI=1"
        ));
        return;
    }
    if ranks.len() == 1 && world > 1 {
        printed.cannot =
            Some("only one rank took part: nccl-tests is built without MPI, or started without it".to_owned());
        return;
    }
    let number = |count: usize| Value::Number(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    if !ranks.is_empty() {
        printed.readings.insert("ranks".to_owned(), number(ranks.len()));
        printed.readings.insert("hosts".to_owned(), number(hosts.len()));
    }
    if let Some(gpu) = gpu {
        printed.readings.insert("gpu".to_owned(), Value::Text(gpu.to_owned()));
    }
    if let Some(wrong) = wrong {
        printed.readings.insert("wrong".to_owned(), Value::Number(wrong));
    }
    if let Some(Row { bytes, busbw: Some(busbw), .. }) = largest {
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
        printed.readings.insert("bytes".to_owned(), Value::Number(bytes as f64));
        printed.readings.insert("busbw".to_owned(), Value::Number(busbw));
    }
}

/// Rank, host and model of `#  Rank  3 Group  0 Pid 4121 on gpu-17 device  3 [0000:4f:00] NVIDIA H100 80GB HBM3`.
fn device(line: &str) -> Option<(u32, &str, &str)> {
    let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("Rank ")?;
    let rank = rest.split_whitespace().next()?.parse().ok()?;
    let host = rest.split_once(" on ")?.1.split_whitespace().next()?;
    Some((rank, host, rest.split_once("] ")?.1.trim()))
}

#[cfg(test)]
mod tests {
    use super::{Row, row};

    #[test]
    fn rows_are_read_from_both_ends() {
        let all_reduce = "  1073741824     268435456     float     sum      -1   4512.1  237.97  446.19      0   4508.8  238.14  446.52      0";
        assert_eq!(row(all_reduce), Some(Row { bytes: 1 << 30, busbw: Some(446.19), wrong: Some(0.0) }));
        let alltoall = "  1048576         32768     float    none      -1    61.20   17.13   14.99      0      N/A     N/A     N/A    N/A";
        assert_eq!(row(alltoall), Some(Row { bytes: 1 << 20, busbw: Some(14.99), wrong: Some(0.0) }));
        let unchecked = " 8 2 float sum -1 20.1 0.00 0.00 N/A 20.0 0.00 0.00 N/A";
        assert_eq!(row(unchecked), Some(Row { bytes: 8, busbw: Some(0.0), wrong: None }));
        for other in [
            "",
            "#       size         count",
            "# Avg bus bandwidth    : 146.2",
            "12 apples",
            "8 2 float sum -1 nan 1 1 0 1 1 1 0",
        ] {
            assert_eq!(row(other), None, "{other}");
        }
    }
}
