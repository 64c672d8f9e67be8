//! Exceptions that end nothing, told by the line above their traceback.
//!
//! Python drops what is raised in a destructor, in a callback of `atexit` or of C code, where nobody can catch it: the
//! process goes on, and its exit code stays what it was (CPython 3.8 to 3.14, `Python/errors.c`, `PyErr_WriteUnraisable`).
//! vLLM answers a request that it can not take with an error of HTTP, and serves the next one.

use super::{REACH, TRACEBACK, convincing, frame, last_line, plain};
use crate::line::Cursor;

/// What stands above the traceback. Python: `Exception ignored in: <repr>`, `Exception ignored in atexit callback <repr>`;
/// vLLM 0.6 on, `vllm/entrypoints/openai/serving_*.py`: `logger.exception` before it returns `create_error_response`.
const WORDS: [&str; 2] = ["Exception ignored ", "Error in preprocessing prompt inputs"];

/// What vLLM raises of a request, and of nothing else (0.12 on, `vllm/exceptions.py`).
pub(super) const REFUSALS: [&str; 1] = ["vllm.exceptions.VLLMValidationError"];

/// Lines above a header that are searched for the words: those of a writer are at times mixed with another's.
const NEAR: usize = 2;

/// Whether a line says that what follows ends nothing.
fn announces(text: &str) -> bool {
    WORDS.iter().any(|words| text.contains(words))
}

/// Whether the words stand right above the traceback that begins here.
pub(super) fn is_announced(cursor: &Cursor<'_>) -> bool {
    cursor.stream_before(REACH).take(NEAR).any(|line| announces(&line.str()))
}

/// Whether the traceback that ends here is one that Python ignored.
///
/// Ranks that end together mix the lines of theirs. So it is counted: each exception further up with frames of its own takes
/// one header, and this one is ignored where one is left for it.
pub(super) fn is_ignored(cursor: &Cursor<'_>) -> bool {
    let (mut open, mut frames, mut headers, mut since) = (1, 0, 0, usize::MAX);
    for line in cursor.stream_before(REACH * 8).take(REACH) {
        let text = line.str();
        since = since.saturating_add(1);
        if announces(&text) {
            if headers == 0 {
                return false;
            }
            (headers, open) = (headers - 1, open - 1);
            if open == 0 {
                return true;
            }
        } else if headers > 0 && since > NEAR {
            return false;
        } else if text.contains(TRACEBACK) {
            (headers, since) = (headers + 1, 0);
        } else if frame(&text).is_some() {
            frames += 1;
        } else if frames > 0 && last_line(plain(&text)).is_some_and(|(kind, _)| convincing(kind)) {
            (open, frames) = (open + 1, 0);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::IGNORED as KIND;
    use super::super::tests::exceptions as all;
    use crate::Event;

    fn exceptions(log: &str) -> Vec<Event> {
        all(log).into_iter().filter(|event| event.kind != KIND).collect()
    }

    const IGNORED: &str = "Exception ignored in atexit callback: <function flush at 0x7f2a>\n\
        Traceback (most recent call last):\n\
        \x20 File \"/srv/train/cache.py\", line 12, in flush\n";
    const MISSING: &str = "FileNotFoundError: [Errno 2] No such file or directory: 'a.tmp'\n";

    #[test]
    fn what_python_ignores_is_no_failure() {
        assert!(exceptions(&format!("{IGNORED}{MISSING}")).is_empty());
        let destructor = "Exception ignored in: <function Pool.__del__ at 0x7f2a>\n\
            Traceback (most recent call last):\n  File \"/srv/pool.py\", line 3, in __del__\n\
            AttributeError: 'Pool' object has no attribute 'workers'\n";
        assert!(exceptions(destructor).is_empty());
    }

    #[test]
    fn a_request_that_vllm_refuses_is_no_failure() {
        let tag = "(APIServer pid=4121) ERROR 05-04 03:12:44 [serving_chat.py:251] ";
        let lines = [
            "Error in preprocessing prompt inputs",
            "Traceback (most recent call last):",
            "  File \"/srv/vllm/entrypoints/openai/serving_engine.py\", line 675, in _validate_input",
            "ValueError: This model's maximum context length is 4096 tokens.",
        ];
        let log: String = lines.iter().map(|line| format!("{tag}{line}\n")).collect();
        assert!(exceptions(&log).is_empty());
        let told: Vec<u64> = all(&log).iter().map(|event| event.line).collect();
        assert_eq!(told, [2, 4], "its lines are known");
        let later = "(APIServer pid=1)   File \"/srv/vllm/renderers/params.py\", line 428, in _token_len_check\n\
            (APIServer pid=1) vllm.exceptions.VLLMValidationError: This model's maximum context length is 8192 tokens.\n";
        assert!(exceptions(later).is_empty());
    }

    #[test]
    fn what_two_processes_ignore_at_a_time_is_no_failure() {
        let frame = "  File \"/srv/train/cache.py\", line 40, in put\n";
        assert!(exceptions(&format!("{IGNORED}{IGNORED}{frame}{MISSING}{frame}{MISSING}")).is_empty());
    }

    #[test]
    fn what_is_raised_next_to_it_is_one() {
        let raised =
            "Traceback (most recent call last):\n  File \"/srv/train/main.py\", line 3, in main\nKeyError: 'loss'\n";
        for log in [format!("{IGNORED}{MISSING}{raised}"), format!("{raised}{IGNORED}{MISSING}")] {
            let told = exceptions(&log);
            assert_eq!(told.len(), 1, "{log}");
            assert_eq!(told[0].fields.get("type"), Some(&"KeyError".into()), "{log}");
        }
        let rest = format!("{IGNORED}{MISSING}  File \"/srv/train/main.py\", line 3, in main\n{MISSING}");
        assert_eq!(exceptions(&rest).len(), 1, "one header is not enough for two");
    }
}
