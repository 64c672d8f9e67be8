//! Lines that processes tear which write into one pipe: Python writes an exception's name, the colon and the message one by one.

use super::{HEADER, last_line, plain};
use crate::line::Cursor;

/// Lines behind a torn one in which the same exception stands whole.
const REACH: usize = 8;

/// Whether an exception whose name stands alone on its line is told again with its message, in no traceback of its own.
pub(super) fn is_torn(cursor: &Cursor<'_>, kind: &str) -> bool {
    let behind = cursor.following().take(REACH).map(|line| line.str().into_owned());
    behind
        .take_while(|text| !text.trim_end().ends_with(HEADER))
        .any(|text| last_line(plain(&text)).is_some_and(|(other, message)| other == kind && !message.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::exceptions;

    fn messages(log: &str) -> Vec<String> {
        exceptions(log).iter().map(|event| event.fields.text("message").unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn of_torn_lines_the_whole_one_tells() {
        let torn = "Traceback (most recent call last):\nTraceback (most recent call last):\n  File \"t.py\", line 8, in main\n  \
                    File \"t.py\", line 8, in main\nImportError\n: ImportErrorcannot import name 'a' from 'b'\n: \nImportError: \
                    cannot import name 'a' from 'b'\n";
        assert_eq!(messages(torn), ["cannot import name 'a' from 'b'"]);
    }

    #[test]
    fn one_without_a_message_stays_where_the_next_is_anothers() {
        let two = "Traceback (most recent call last):\n  File \"t.py\", line 8, in main\nAssertionError\nTraceback (most recent \
                   call last):\n  File \"t.py\", line 9, in main\nAssertionError: shapes differ\n";
        assert_eq!(messages(two), ["", "shapes differ"]);
    }
}
