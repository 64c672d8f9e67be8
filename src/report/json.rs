//! The report as JSON: the contract other programs read.

use super::Report;

/// One JSON object, indented, with a line end.
pub fn render(report: &Report) -> Vec<u8> {
    let mut out = serde_json::to_vec_pretty(report).unwrap_or_default();
    out.push(b'\n');
    out
}
