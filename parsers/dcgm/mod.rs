//! What DCGM says of GPUs: `dcgmi diag` as a table and as JSON, `dcgmi health -c`, `dcgmi nvlink -s`.
//!
//! Shapes: DCGM 1.7 to 4.x, `dcgmi/Diag.cpp`, `dcgmi/Health.cpp`; messages `dcgmlib/dcgm_errors.h`. Events are
//! verdicts, sorted by what the message is about ([`crate::health`]).

mod diagnostic;
mod links;
mod results;
#[cfg(test)]
mod tests;
mod watches;

use crate::console;
use crate::event::{Event, Fields, Says};
use crate::health;
use crate::line::{Cursor, Line};

pub use diagnostic::Diagnostic;
pub use links::Links;
pub use results::Results;
pub use watches::Watches;

/// What a test, a system or a message is about, and of which GPU.
struct Finding<'a, 'b> {
    cursor: &'b Cursor<'a>,
    test: &'b str,
    gpus: &'b [String],
    what: &'b str,
}

impl Finding<'_, '_> {
    /// Adds an event a GPU; one without where none is named.
    fn push(&self, line: &Line<'_>, says: Says, out: &mut Vec<Event>) {
        let kind = health::sort(self.test, self.what);
        let mut fields = Fields::default();
        fields.set("test", self.test);
        if !self.what.is_empty() {
            fields.set("what", self.what);
        }
        if let Some(node) = console::host(self.cursor) {
            fields.set("node", node);
        }
        if self.gpus.is_empty() {
            out.push(Event::on(self.cursor, line, kind, says, fields));
            return;
        }
        for gpu in self.gpus {
            let mut fields = fields.clone();
            fields.set("gpu", format!("GPU {gpu}"));
            out.push(Event::on(self.cursor, line, kind, says, fields));
        }
    }
}

/// The numbers of GPUs that a text names: `GPU: 3`, `GPUs: 0, 2`, `GPU3`, `GPU 3`.
pub(crate) fn gpus(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices("GPU").take(16) {
        let rest = text[at + 3..].trim_start_matches('s').trim_start_matches([':', ' ']);
        for part in rest.split(',').take(64) {
            let digits: String = part.trim_start().chars().take_while(char::is_ascii_digit).take(4).collect();
            if digits.is_empty() {
                break;
            }
            let alone = part.trim().len() == digits.len();
            if !found.contains(&digits) {
                found.push(digits);
            }
            if !alone {
                break;
            }
        }
    }
    found
}

/// The cells of a row `| name | text |`, its line being the raw one.
fn row(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    // The last bar is lost where a line was cut.
    let inner = text.strip_prefix('|')?;
    inner.strip_suffix('|').unwrap_or(inner).split_once('|')
}
