//! The report as JSON: the contract other programs read.

use super::{Report, guard};

/// One JSON object, indented, with a line end. Harmless on a terminal, and word for word once parsed.
pub fn render(report: &Report) -> Vec<u8> {
    let json = serde_json::to_string_pretty(report).unwrap_or_default();
    let mut out = guard::escaped(&json).into_bytes();
    out.push(b'\n');
    out
}
