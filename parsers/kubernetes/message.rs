//! What the text of an event, a condition or a container's state says: this format's signatures, without a line around them.

use std::sync::LazyLock;

use regex::bytes::Regex;
use regex_automata::Input;

use super::subject::Subject;
use crate::catalogue::built_in_file;
use crate::event::{Fields, Name, Says};
use crate::index::{Index, Owner};
use crate::signature::{FormatFile, Scratch, Signature, compile};

/// A statement: the kind of event that it makes, and what it tells by itself.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) kind: Name,
    pub(super) says: Says,
    pub(super) fields: Fields,
}

impl Said {
    pub(super) fn new(kind: Name, says: Says) -> Self {
        Self { kind, says, fields: Fields::default() }
    }
}

/// This format.
static OWN: LazyLock<Option<FormatFile>> = LazyLock::new(|| built_in_file("kubernetes"));

static SIGNATURES: LazyLock<Vec<Signature>> = LazyLock::new(|| {
    let events = OWN.iter().flat_map(|file| file.event.iter().map(|(name, event)| (file.id.as_str(), name, event)));
    events.filter_map(|(id, name, event)| Signature::new(0, id, name, event).ok()).collect()
});

/// Who else a message names, by the envelopes of the format: `in pod train-0_research(7c1e)`.
static ENVELOPES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let envelopes = OWN.iter().flat_map(|file| &file.envelope);
    envelopes.filter_map(|envelope| compile(&envelope.pattern).ok()).collect()
});

/// The pod that a message names, with its namespace.
pub(super) fn subject(text: &str) -> Subject {
    let Some(found) = ENVELOPES.iter().find_map(|regex| regex.captures(text.as_bytes())) else {
        return Subject::default();
    };
    let get = |name: &str| found.name(name).map(|part| String::from_utf8_lossy(part.as_bytes()).into_owned());
    Subject { pod: get("pod"), namespace: get("namespace"), ..Subject::default() }
}

/// Which of their patterns a message may match.
static INDEX: LazyLock<Index> = LazyLock::new(|| Index::plain(&SIGNATURES, &[]));

/// What a message says: one statement for each signature that knows it, in the order of the format file.
pub(super) fn read(text: &str) -> Vec<Said> {
    let mut hits = Vec::new();
    INDEX.find(text.as_bytes(), &mut hits);
    let mut owners: Vec<Owner> = hits.into_iter().flat_map(|hit| INDEX.owners(hit)).copied().collect();
    owners.sort_unstable();
    owners.dedup();
    let mut scratch = Scratch::default();
    let mut said: Vec<(u32, Said)> = Vec::new();
    for owner in owners {
        let Owner::Signature(at, pattern) = owner else { continue };
        if said.last().is_none_or(|(known, _)| *known != at) {
            said.extend(matched(&SIGNATURES[at as usize], pattern, text.as_bytes(), &mut scratch).map(|one| (at, one)));
        }
    }
    said.into_iter().map(|(_, one)| one).collect()
}

fn matched(signature: &Signature, pattern: u16, text: &[u8], scratch: &mut Scratch) -> Option<Said> {
    let groups = signature.search(pattern.into(), &Input::new(text), scratch)?;
    let fields = signature.fields(groups, text, &scratch.slots)?;
    Some(Said { kind: signature.kind, says: signature.says, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_without_the_line_around_it() {
        let kinds = |text: &str| read(text).into_iter().map(|said| said.kind).collect::<Vec<_>>();
        assert_eq!(kinds("Back-off restarting failed container"), ["kubernetes.crash_loop"]);
        assert_eq!(
            kinds("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
            ["kubernetes.unschedulable", "kubernetes.claim_unbound"]
        );
        assert!(kinds("Stopping container trainer").is_empty());
    }
}
