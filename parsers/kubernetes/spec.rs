//! Lines that say what a container is to run, and nothing of what happened: the command of a pod in JSON, YAML and
//! `describe`. A script that echoes an error there has not failed.

use crate::event::Event;
use crate::line::Cursor;

/// Most lines of a command, and most levels of lists and strings in it.
const MOST_LINES: usize = 300;
const MOST_LEVELS: usize = 4;

/// Takes away what was read of a line that is part of a command.
pub(crate) fn unsay(cursor: &Cursor<'_>, events: &mut Vec<Event>) {
    let raw = cursor.line.raw;
    if is_object(raw) {
        // An object on one line: its readers tell what its status says.
        events.retain(|event| event.kind.starts_with("kubernetes."));
    } else if raw.starts_with(b" ") && is_command(cursor) {
        events.clear();
    }
}

/// Whether a line is a whole object of Kubernetes.
fn is_object(raw: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(raw, word).is_some();
    raw.starts_with(b"{") && has(b"\"apiVersion\":") && has(b"\"kind\":") && has(b"\"spec\":")
}

/// Whether the keys above a line, each further left than the one before, lead to a command.
fn is_command(cursor: &Cursor<'_>) -> bool {
    let mut margin = indent(cursor.line.raw);
    if key(cursor.line.raw).is_some_and(is_command_key) {
        return true;
    }
    let mut item = is_item(cursor.line.raw);
    let mut levels = 0;
    for raw in cursor.bytes_before().take(MOST_LINES) {
        // YAML lets a list stand as far left as its key.
        let key = key(raw);
        let left = indent(raw) < margin || item && key.is_some() && !is_item(raw) && indent(raw) == margin;
        if raw.trim_ascii().is_empty() || !left {
            continue;
        }
        if key.is_some_and(is_command_key) {
            return true;
        }
        levels += 1;
        (margin, item) = (indent(raw), is_item(raw));
        if margin == 0 || levels == MOST_LEVELS {
            return false;
        }
    }
    false
}

/// Bytes of space in front of a line.
pub(super) fn indent(raw: &[u8]) -> usize {
    raw.iter().take_while(|byte| **byte == b' ').count()
}

/// Whether a line is an item of a list in YAML.
fn is_item(raw: &[u8]) -> bool {
    raw.trim_ascii_start().starts_with(b"- ")
}

/// The key that a line of JSON, YAML or `describe` begins with.
fn key(raw: &[u8]) -> Option<&[u8]> {
    let text = raw.trim_ascii_start();
    let text = text.strip_prefix(b"- ").unwrap_or(text);
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    let len = text.iter().take(64).take_while(|byte| byte.is_ascii_alphanumeric() || b"./-_".contains(byte)).count();
    let rest = &text[len..];
    (len > 0 && (rest.starts_with(b":") || rest.starts_with(b"\":"))).then(|| &text[..len])
}

fn is_command_key(key: &[u8]) -> bool {
    matches!(key, b"command" | b"args" | b"Command" | b"Args" | b"kubectl.kubernetes.io/last-applied-configuration")
}

#[cfg(test)]
mod tests {
    use crate::{Block, Catalogue, Depth, Scanner};

    fn kinds(text: &str) -> Vec<&'static str> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let block = Block::whole(text.as_bytes());
        let mut kinds = Vec::new();
        scanner.scan(block, text.len(), Depth::Every, &mut |event| kinds.push(event.kind));
        kinds
    }

    #[test]
    fn what_a_container_is_to_run_has_not_happened() {
        const OOM: &str = "torch.OutOfMemoryError: CUDA out of memory.";
        for text in [
            format!("      \"command\": [\n        \"sh\",\n        \"-c\",\n        \"grep '{OOM}' log\"\n      ]\n"),
            format!("    command:\n    - sh\n    - -c\n    - |\n      grep '{OOM}' log\n      sleep 1\n"),
            format!("    - name: main\n      args: [\"{OOM}\"]\n"),
            format!("    Command:\n      sh\n      -c\n      grep '{OOM}' log\n    State: Running\n"),
            format!(
                "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{{\"containers\":[{{\"args\":[\"{OOM}\"]}}]}},\"status\":{{}}}}\n"
            ),
        ] {
            assert!(!kinds(&text).iter().any(|kind| kind.starts_with("cuda.")), "{text}");
        }
    }

    #[test]
    fn a_message_beside_a_command_is_told() {
        const OOM: &str = "torch.OutOfMemoryError: CUDA out of memory.";
        for text in [
            format!("    Args:\n      train.py\n    State: Terminated\n      Message: {OOM}\n"),
            format!("    command:\n    - sh\n    message: |\n      {OOM}\n"),
            format!("  Args: 3\nSomething else\n  {OOM}\n"),
        ] {
            assert!(kinds(&text).iter().any(|kind| kind.starts_with("cuda.")), "{text}");
        }
    }
}
