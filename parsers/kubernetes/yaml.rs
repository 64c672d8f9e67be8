//! Objects as `kubectl -o yaml` prints them: single ones, lists, several documents, among other text.

use saphyr_parser::{Event as Mark, Parser};

use super::json::{LineIndex, event};
use super::objects;
use super::reasons;
use super::tree::{DEEPEST, Node, Tree};
use crate::event::{Event, Name};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// Objects in YAML.
#[derive(Debug)]
pub struct Manifests;

/// Longest object, in lines.
const MOST_LINES: usize = 20_000;

impl Grammar for Manifests {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        reasons::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["apiVersion: "]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let first = cursor.line.raw;
        if !(first.starts_with(b"apiVersion: ") || first.starts_with(b"- apiVersion: ")) {
            return;
        }
        let begin = cursor.line.start;
        let end = end(cursor, first.starts_with(b"- "));
        let text = String::from_utf8_lossy(&cursor.block.data[begin..end]);
        if !["status:", "involvedObject:", "regarding:"].iter().any(|mark| text.contains(mark)) {
            return;
        }
        let mut lines = LineIndex::new(&text, cursor.line.number);
        for tree in trees(&text) {
            objects::read(&tree, &mut |told| {
                let (number, from, to) = lines.around(told.at);
                let line = Line::new(number, begin + from, text.as_bytes()[from..to].as_ref());
                out.push(event(cursor, &line, told));
            });
        }
    }
}

/// Conditions and states of containers without the object they stood in.
#[derive(Debug)]
pub struct Pieces;

/// Largest text, in bytes, that may be a piece of an object.
const SMALL: usize = 64 << 10;

/// Lines of a condition on either side of the time at which it changed: its message is wrapped at 80 columns.
const NEAR: usize = 32;

impl Grammar for Pieces {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["lastTransitionTime: ", "terminated:", "waiting:", "phase: Failed"]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let whole = cursor.block.data;
        if !lacks_its_object(whole) {
            return;
        }
        let status = failed_status(cursor);
        let Some(first) = status.clone().or_else(|| piece(cursor)) else { return };
        // a status has its fields beside each other, a piece of a list below its dash
        let deep = indent(first.raw).saturating_sub(usize::from(status.is_some()));
        let inside = |line: &Line<'_>| line.raw.trim_ascii().is_empty() || indent(line.raw) > deep;
        let behind = cursor.following().take(NEAR).take_while(inside).last();
        let end = behind.as_ref().map_or(cursor.line.start + cursor.line.raw.len(), |line| line.start + line.raw.len());
        let last = cursor.preceding().next().is_some_and(|line| line.raw.trim_ascii() == b"lastState:");
        let text = String::from_utf8_lossy(&whole[first.start..end]);
        let mut lines = LineIndex::new(&text, first.number);
        for tree in trees(&text) {
            let read = if status.is_some() { objects::failed } else { objects::piece };
            read(&tree, last, &mut |told| {
                let (number, from, to) = lines.around(told.at);
                let line = Line::new(number, first.start + from, text.as_bytes()[from..to].as_ref());
                out.push(event(cursor, &line, told));
            });
        }
    }
}

/// Lines of a pod's status before its phase.
const STATUS: usize = 256;

/// The first line of the status of a pod that failed, where the cursor stands on its phase.
fn failed_status<'a>(cursor: &Cursor<'a>) -> Option<Line<'a>> {
    let deep = indent(cursor.line.raw);
    if deep == 0 || cursor.line.raw.trim_ascii() != b"phase: Failed" {
        return None;
    }
    let beside = |line: &Line<'_>| indent(line.raw) >= deep && !line.raw.trim_ascii().is_empty();
    let above = cursor.preceding().take(STATUS).take_while(beside).last();
    Some(above.filter(|line| indent(line.raw) == deep).unwrap_or_else(|| cursor.line.clone()))
}

/// Whether a text may be a piece of an object: nothing in it says of which.
pub(super) fn lacks_its_object(text: &[u8]) -> bool {
    text.len() <= SMALL && memchr::memmem::find(text, b"apiVersion").is_none()
}

/// The first line of the condition or of the state that the cursor stands in.
fn piece<'a>(cursor: &Cursor<'a>) -> Option<Line<'a>> {
    let raw = cursor.line.raw.trim_ascii_start();
    if raw == b"terminated:" || raw == b"waiting:" || raw.starts_with(b"- lastTransitionTime: ") {
        return Some(cursor.line.clone());
    }
    if !raw.starts_with(b"lastTransitionTime: ") {
        return None;
    }
    cursor.preceding().take(NEAR).find(|line| line.raw.trim_ascii_start().starts_with(b"- "))
}

/// How deep a line is set in, in bytes of blanks of any kind.
pub(super) fn indent(raw: &[u8]) -> usize {
    raw.len() - raw.trim_ascii_start().len()
}

/// Where the object that begins at the cursor ends: before the next one, or before what is no YAML.
fn end(cursor: &Cursor<'_>, item: bool) -> usize {
    let mut end = cursor.line.start + cursor.line.raw.len();
    for line in cursor.following().take(MOST_LINES) {
        let raw = line.raw;
        let inside = raw.is_empty() || raw.starts_with(b" ");
        let key =
            || raw.iter().position(|b| *b == b':').is_some_and(|at| raw[..at].iter().all(u8::is_ascii_alphabetic));
        let more = inside || (!item && (raw.starts_with(b"- ") || key()) && !raw.starts_with(b"apiVersion: "));
        // The items of a list are read one by one.
        if !more || raw.starts_with(b"- apiVersion: ") {
            break;
        }
        end = line.start + raw.len();
    }
    end
}

/// The values of a text, as far as it is YAML.
fn trees(text: &str) -> Vec<Tree> {
    let starts: Vec<usize> =
        std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
    let mut parser = Parser::new_from_str(text);
    let mut build = Build::default();
    while let Some(Ok((mark, span))) = parser.next() {
        let line = span.start.line().saturating_sub(1).min(starts.len() - 1);
        build.take(mark, starts[line]);
        if build.open.len() > DEEPEST {
            break;
        }
    }
    build.finish()
}

/// Puts the events of the parser together.
#[derive(Default)]
struct Build {
    open: Vec<Open>,
    done: Vec<Tree>,
}

/// A value that is not closed yet, and the key that waits for its value.
struct Open {
    tree: Tree,
    key: Option<String>,
}

impl Build {
    fn take(&mut self, mark: Mark<'_>, at: usize) {
        match mark {
            Mark::Scalar(text, ..) => {
                let text = if matches!(text.as_ref(), "null" | "~") { String::new() } else { text.into_owned() };
                self.put(Tree::scalar(at, text));
            }
            Mark::Alias(_) => self.put(Tree::scalar(at, "")),
            Mark::MappingStart(..) => {
                self.open.push(Open { tree: Tree { at, value: Node::Map(Vec::new()) }, key: None })
            }
            Mark::SequenceStart(..) => {
                self.open.push(Open { tree: Tree { at, value: Node::List(Vec::new()) }, key: None })
            }
            Mark::MappingEnd | Mark::SequenceEnd => self.close(),
            _ => {}
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.put(open.tree);
        }
    }

    fn put(&mut self, tree: Tree) {
        let Some(open) = self.open.last_mut() else {
            self.done.push(tree);
            return;
        };
        match (&mut open.tree.value, open.key.take()) {
            (Node::Map(fields), Some(key)) => fields.push((key, tree)),
            (Node::Map(_), None) => open.key = Some(tree.text().unwrap_or_default().to_owned()),
            (Node::List(items), _) => items.push(tree),
            (Node::Scalar(_), _) => {}
        }
    }

    /// What was read, brackets that are open closed.
    fn finish(mut self) -> Vec<Tree> {
        while !self.open.is_empty() {
            self.close();
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    const LIST: &str = "$ kubectl get pods -o yaml
apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    name: train-0
    namespace: research
  spec:
    nodeName: gpu-018
  status:
    containerStatuses:
    - name: trainer
      ready: false
      restartCount: 2
      state:
        waiting:
          message: 'Back-off pulling image \"registry.example.org/train:v9\"'
          reason: ImagePullBackOff
    phase: Pending
- apiVersion: v1
  kind: Pod
  metadata:
    name: train-1
  status:
    message: 'The node was low on resource: memory. Container trainer was using 1Gi,
      request is 0.'
    phase: Failed
    reason: Evicted
kind: List
$ kubectl get pods
";

    fn read(log: &str) -> Vec<(&'static str, u64, String)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let pod = |event: &crate::Event| event.fields.text("pod").unwrap_or_default().to_owned();
        lint::read(&scanner, log).iter().map(|event| (event.kind, event.line, pod(event))).collect()
    }

    #[test]
    fn pieces_are_read_without_their_object() {
        let node = "  - lastHeartbeatTime: \"2026-05-04T03:12:41Z\"
    lastTransitionTime: \"2026-05-04T03:13:24Z\"
    message: Kubelet stopped posting node status.
    reason: NodeStatusUnknown
    status: Unknown
    type: Ready
";
        assert_eq!(read(node), [("kubernetes.node_not_ready", 3, String::new())]);
        let status = "status:\n  message: 'Pod Allocate failed due to pod 7c1e container\n    trainer unable to find a device, which is unexpected'\n  phase: Failed\n  reason: UnexpectedAdmissionError\n";
        assert_eq!(read(status), [("kubernetes.admission_refused", 2, String::new())]);
        let state = "    state:\n      waiting:\n        message: 'couldn''t parse image reference'\n        reason: InvalidImageName\n    name: trainer\n";
        // The runtime's words, and the state that they explain.
        let told = [3, 4].map(|line| ("kubernetes.image_pull", line, String::new()));
        assert_eq!(read(state), told);
    }

    #[test]
    fn items_of_a_list_are_cited_where_their_values_stand() {
        assert_eq!(
            read(LIST),
            [
                ("kubernetes.image_pull", 18, "train-0".to_owned()),
                ("kubernetes.pending", 20, "train-0".to_owned()),
                ("kubernetes.evicted", 26, "train-1".to_owned()),
            ]
        );
    }

    #[test]
    fn several_documents_and_one_that_breaks_off_are_read() {
        let one = "apiVersion: v1\nkind: Node\nmetadata:\n  name: gpu-018\nstatus:\n  conditions:\n  - status: Unknown\n    type: Ready\n    message: Kubelet stopped posting node status.\n";
        let two = format!("{one}---\n{}", one.replace("018", "019"));
        assert_eq!(read(&two).iter().filter(|(kind, ..)| *kind == "kubernetes.node_not_ready").count(), 2);
        assert_eq!(
            read("apiVersion: v1\nkind: Pod\nmetadata: {name: train-0}\nstatus:\n  reason: Evicted\n  phase: 'Fail\n")
                .len(),
            1
        );
        assert!(read("apiVersion: v1\nkind: Pod\nmetadata: {name: train-0}\n").is_empty());
    }
}
