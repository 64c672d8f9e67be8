//! Events in which diag itself has told a cause: an opinion, and no witness of anything.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::spec::indent;
use crate::event::Event;
use crate::line::Cursor;

/// The reason of such events, as `diag watch` writes them.
pub const OUR_REASON: &str = "DiagFoundCause";

/// Most lines of an event in JSON or YAML.
const MOST_LINES: usize = 60;

/// Takes away what was read of a line that tells such an event.
pub(crate) fn unsay(cursor: &Cursor<'_>, events: &mut Vec<Event>) {
    let raw = cursor.line.raw;
    if is_ours(raw) && is_list(raw) {
        // A list on one line: its readers leave out what is ours.
        events.retain(|event| event.kind.starts_with("kubernetes."));
    } else if is_ours(raw) || is_note(raw) && stands_with_our_reason(cursor) {
        events.clear();
    }
}

fn is_ours(raw: &[u8]) -> bool {
    // Asked of every line that tells something.
    static OURS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(OUR_REASON));
    OURS.find(raw).is_some()
}

fn is_list(raw: &[u8]) -> bool {
    memchr::memmem::find(raw, b"\"items\":").is_some()
}

/// Whether a line begins with what an event in JSON or YAML says.
fn is_note(raw: &[u8]) -> bool {
    let text = without_quote(raw.trim_ascii_start());
    text.starts_with(b"note") || text.starts_with(b"message")
}

/// Whether the object that a line is a value of has our reason.
fn stands_with_our_reason(cursor: &Cursor<'_>) -> bool {
    let margin = indent(cursor.line.raw);
    let within = |raw: &[u8]| indent(raw) >= margin || without_quote(raw.trim_ascii_start()).starts_with(b"- ");
    let above = cursor.bytes_before().take(MOST_LINES).take_while(|raw| within(raw));
    let below = cursor.following().take(MOST_LINES).map(|line| line.raw).take_while(|raw| within(raw));
    above.chain(below).any(|raw| indent(raw) <= margin && is_ours(raw))
}

fn without_quote(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::OUR_REASON;
    use crate::lint;
    use crate::{Catalogue, Scanner};

    /// Kinds that are read of a log, but for those that say nothing of a failure.
    fn kinds(text: &str) -> Vec<&'static str> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let events = lint::read(&scanner, text).into_iter();
        events.filter(|event| event.says != crate::Says::Info).map(|event| event.kind).collect()
    }

    /// The ways in which kubectl prints an event.
    fn printed(reason: &str) -> [String; 5] {
        const NOTE: &str = "The image can't be pulled: ImagePullBackOff, No space left on device";
        let pod = r#""regarding":{"kind":"Pod","name":"train-0","namespace":"ml"}"#;
        [
            format!("30s         Warning   {reason}   pod/train-0   {NOTE}\n"),
            format!(
                "Events:\n  Type     Reason   Age   From  Message\n  ----  ----  ----  ----  ----\n  Warning  {reason}  30s   kubelet  {NOTE}\n"
            ),
            format!(
                r#"{{"apiVersion":"events.k8s.io/v1","kind":"Event","type":"Warning","reason":"{reason}","note":"{NOTE}",{pod}}}"#
            ),
            format!(
                "{{\n    \"apiVersion\": \"events.k8s.io/v1\",\n    \"kind\": \"Event\",\n    \"note\": \"{NOTE}\",\n    \"reason\": \"{reason}\",\n    {pod},\n    \"type\": \"Warning\"\n}}\n"
            ),
            format!(
                "apiVersion: events.k8s.io/v1\nkind: Event\nnote: '{NOTE}'\nreason: {reason}\nregarding:\n  kind: Pod\n  name: train-0\ntype: Warning\n"
            ),
        ]
    }

    #[test]
    fn others_of_a_list_are_told() {
        let event = |reason: &str, pod: &str| {
            let about = format!(r#""involvedObject":{{"kind":"Pod","name":"{pod}"}}"#);
            format!(
                r#"{{"kind":"Event","type":"Warning","reason":"{reason}","message":"Error: ImagePullBackOff",{about}}}"#
            )
        };
        let (ours, failed) = (event(OUR_REASON, "train-0"), event("Failed", "train-1"));
        let list = format!(r#"{{"apiVersion":"v1","items":[{ours},{failed}],"kind":"List"}}"#);
        assert_eq!(kinds(&list), ["kubernetes.image_pull"], "{list}");
    }

    #[test]
    fn what_diag_told_is_no_witness() {
        for text in printed(OUR_REASON) {
            assert_eq!(kinds(&text), [""; 0], "{text}");
        }
        for text in printed("Failed") {
            assert!(!kinds(&text).is_empty(), "{text}");
        }
    }
}
