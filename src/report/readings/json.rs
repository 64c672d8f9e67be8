//! Readings as JSON: the contract other programs read.

use super::Look;
use crate::report::guard;

/// One JSON object, indented, with a line end.
pub fn render(look: &Look) -> Vec<u8> {
    let json = serde_json::to_string_pretty(look).unwrap_or_default();
    let mut out = guard::escaped(&json).into_bytes();
    out.push(b'\n');
    out
}
