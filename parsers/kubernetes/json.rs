//! Objects and lists as `kubectl -o json`, watches and event exporters print them.

mod cut;

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::objects::{self, Told};
use super::reasons;
use super::tree::{DEEPEST, Node, Tree};
use crate::event::{Event, Name, Problem};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};
use crate::record::Record;
use crate::{MAX_LINE, time};

/// Events of the API, one a line.
#[derive(Debug)]
pub struct Lines;

impl Grammar for Lines {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        reasons::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["\"involvedObject\":", "\"containerStatuses\":", "\"regarding\":"]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        let Some(at) = text.find('{').filter(|at| text[*at..].starts_with("{\"")) else { return };
        for tree in values(&text[at..]) {
            objects::read(&tree, &mut |told| out.push(event(cursor, &cursor.line, told)));
        }
    }
}

/// Objects over several lines, anywhere in a text.
#[derive(Debug)]
pub struct Objects;

/// Lines between the opening bracket of an object and its `apiVersion`.
const NEAR: usize = 3;

impl Grammar for Objects {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["\"apiVersion\":"]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let Some(start) = cursor.raw_before(|raw| raw.trim_ascii_end() == b"{", NEAR).next() else { return };
        let text = String::from_utf8_lossy(&cursor.block.data[start.start..]);
        let mut lines = LineIndex::new(&text, start.number);
        for tree in values(&text) {
            objects::read(&tree, &mut |told| {
                let (number, begin, end) = lines.around(told.at);
                let line = Line::new(number, start.start + begin, text.as_bytes()[begin..end].as_ref());
                out.push(event(cursor, &line, told));
            });
        }
    }
}

/// What an object tells as an event on a line.
pub(super) fn event(cursor: &Cursor<'_>, line: &Line<'_>, told: Told) -> Event {
    let mut event = told.subject.event(cursor, line, told.said);
    event.at = told.when.and_then(|when| time::read(&when)).or(event.at);
    event
}

/// Large lists, and lists on one line, that are read as a whole.
#[derive(Debug)]
pub struct Documents;

/// Bytes of the head that are looked at; a smaller document is read line by line, whatever else it holds.
const LARGE: usize = 60 << 10;

impl Record for Documents {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        reasons::about(kind)
    }

    fn recognises(&self, head: &[u8], _name: &str) -> bool {
        let begin = head.trim_ascii_start();
        let first = begin.split(|byte| *byte == b'\n').next().unwrap_or(begin);
        let marks = ["\"apiVersion\"", "\"involvedObject\"", "\"containerStatuses\""];
        let marked =
            marks.iter().any(|mark| memchr::memmem::find(&begin[..begin.len().min(4096)], mark.as_bytes()).is_some());
        let whole = if first.len() > 1 { first.len() > MAX_LINE } else { head.len() > LARGE };
        begin.starts_with(b"{") && marked && whole
    }

    fn read(&self, data: &[u8], _name: &str, out: &mut Vec<Event>) -> Vec<Problem> {
        let text = String::from_utf8_lossy(data);
        let mut lines = LineIndex::new(&text, 1);
        let mut problems = Vec::new();
        let read = each(&text, &mut |tree| {
            objects::read(tree, &mut |told| {
                let (number, begin, end) = lines.around(told.at);
                out.push(by_itself(told, number, begin, &text[begin..end]));
            });
        });
        if read < text.trim_end().len() {
            let (line, ..) = LineIndex::new(&text, 1).around(read);
            problems.push(Problem { line, what: "the list breaks off here, or what follows is no JSON".to_owned() });
        }
        problems
    }
}

/// An event of a document that has no cursor.
fn by_itself(told: Told, line: u64, offset: usize, text: &str) -> Event {
    let (said, fields) = told.subject.told(told.said);
    let at = told.when.and_then(|when| time::read(&when));
    let end = (0..=text.len().min(MAX_LINE)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Event { kind: said.kind, says: said.says, line, offset: offset as u64, text: text[..end].to_owned(), at, fields }
}

/// Hands on each object of a text, those of a list one by one; returns how many bytes were read.
fn each(text: &str, take: &mut dyn FnMut(&Tree)) -> usize {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let mut read = 0;
    while let Some(Ok(raw)) = stream.next() {
        read = stream.byte_offset();
        elements(raw, text, take);
    }
    if text[read..].trim_start().starts_with('{')
        && let Some(mended) = cut::mend(&text[read..])
        && let Ok(raw) = serde_json::from_str::<&RawValue>(&mended)
    {
        elements(raw, &mended, &mut |tree| take(&moved(tree.clone(), read)));
    }
    read
}

/// The objects of a value: the items of a list, or the value itself.
fn elements(raw: &RawValue, base: &str, take: &mut dyn FnMut(&Tree)) {
    let fields = serde_json::from_str::<IndexMap<String, &RawValue>>(raw.get()).unwrap_or_default();
    let items = fields.get("items").and_then(|items| serde_json::from_str::<Vec<&RawValue>>(items.get()).ok());
    match items {
        Some(items) => items.into_iter().for_each(|item| take(&tree(item, base, 0))),
        None => take(&tree(raw, base, 0)),
    }
}

/// The same tree, its places counted from further before.
fn moved(mut tree: Tree, by: usize) -> Tree {
    tree.at += by;
    tree.value = match tree.value {
        Node::Map(fields) => Node::Map(fields.into_iter().map(|(key, value)| (key, moved(value, by))).collect()),
        Node::List(items) => Node::List(items.into_iter().map(|item| moved(item, by)).collect()),
        scalar @ Node::Scalar(_) => scalar,
    };
    tree
}

/// The first value of a text, as objects; of one that breaks off, what is whole.
fn values(text: &str) -> Vec<Tree> {
    let mut all = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    match stream.next() {
        Some(Ok(raw)) => elements(raw, text, &mut |tree| all.push(tree.clone())),
        _ => {
            if let Some(mended) = cut::mend(text)
                && let Ok(raw) = serde_json::from_str::<&RawValue>(&mended)
            {
                elements(raw, &mended, &mut |tree| all.push(tree.clone()));
            }
        }
    }
    all
}

/// A value that stands within `base`, with all that is in it.
fn tree(raw: &RawValue, base: &str, depth: usize) -> Tree {
    let text = raw.get();
    let at = (text.as_ptr() as usize).saturating_sub(base.as_ptr() as usize);
    let value = match text.as_bytes().first() {
        Some(b'{') if depth < DEEPEST => {
            let fields = serde_json::from_str::<IndexMap<String, &RawValue>>(text).unwrap_or_default();
            Node::Map(fields.into_iter().map(|(key, value)| (key, tree(value, base, depth + 1))).collect())
        }
        Some(b'[') if depth < DEEPEST => {
            let items = serde_json::from_str::<Vec<&RawValue>>(text).unwrap_or_default();
            Node::List(items.into_iter().map(|item| tree(item, base, depth + 1)).collect())
        }
        Some(b'"') => Node::Scalar(serde_json::from_str(text).unwrap_or_default()),
        Some(b'n' | b'{' | b'[') | None => Node::Scalar(String::new()),
        Some(_) => Node::Scalar(text.to_owned()),
    };
    Tree { at, value }
}

/// Finds the lines of places that come in rising order, or nearly.
pub(super) struct LineIndex<'t> {
    text: &'t str,
    number: u64,
    at: usize,
    first: u64,
}

impl<'t> LineIndex<'t> {
    pub(super) fn new(text: &'t str, first: u64) -> Self {
        Self { text, number: first, at: 0, first }
    }

    /// Number of the line around a place, and where it begins and ends.
    pub(super) fn around(&mut self, at: usize) -> (u64, usize, usize) {
        let bytes = self.text.as_bytes();
        let at = at.min(bytes.len());
        if at < self.at {
            (self.number, self.at) = (self.first, 0);
        }
        self.number += memchr::memchr_iter(b'\n', &bytes[self.at..at]).count() as u64;
        self.at = at;
        let begin = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |found| found + 1);
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |found| at + found);
        (self.number, begin, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, Scanner, lint};

    const POD: &str = r#"$ kubectl get pod train-0 -o json
{
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "train-0",
        "namespace": "research"
    },
    "spec": { "nodeName": "gpu-018" },
    "status": {
        "containerStatuses": [
            {
                "name": "trainer",
                "ready": false,
                "restartCount": 4,
                "state": {
                    "waiting": {
                        "message": "back-off 5m0s restarting failed container=trainer pod=train-0_research(7c1e)",
                        "reason": "CrashLoopBackOff"
                    }
                },
                "lastState": { "terminated": { "exitCode": 137,
                    "reason": "OOMKilled" } }
            }
        ],
        "phase": "Running"
    }
}
$ echo done
"#;

    fn read(log: &str) -> Vec<(&'static str, u64, Option<String>, Option<String>)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let text = |event: &Event, name: &str| event.fields.text(name).map(str::to_owned);
        lint::read(&scanner, log).iter().map(|e| (e.kind, e.line, text(e, "pod"), text(e, "node"))).collect()
    }

    #[test]
    fn an_object_within_a_text_is_read_and_cited_where_its_values_stand() {
        let who = || (Some("train-0".to_owned()), Some("gpu-018".to_owned()));
        let told = read(POD);
        let lines: Vec<_> = told.iter().map(|(kind, line, ..)| (*kind, *line)).collect();
        assert_eq!(lines, [("kubernetes.crash_loop", 18), ("kubernetes.oom_killed", 23), ("kubernetes.pending", 26)]);
        assert!(told.iter().all(|(_, _, pod, node)| (pod.clone(), node.clone()) == who()), "{told:?}");
    }

    #[test]
    fn why_an_image_was_not_got_is_told_by_the_runtime() {
        let words = "rpc error: code = Unknown desc = certificate signed by unknown authority";
        let pod = POD
            .replace("back-off 5m0s restarting failed container=trainer pod=train-0_research(7c1e)", words)
            .replace("CrashLoopBackOff", "ErrImagePull");
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let told = lint::read(&scanner, &pod);
        let pull = told.iter().find(|event| event.kind == "kubernetes.image_pull").unwrap();
        assert_eq!((pull.line, pull.fields.text("why")), (18, Some(words)));
    }

    #[test]
    fn each_item_of_a_list_within_a_text_is_read() {
        let pod = POD.split_once('{').unwrap().1.rsplit_once("}\n$").unwrap().0;
        let list = format!(
            "$ kubectl get pods -o json\n{{\n\"apiVersion\": \"v1\",\n\"items\": [\n    {{{pod}}},\n    {{{pod}}}\n]}}\n"
        );
        assert_eq!(read(&list).iter().filter(|(kind, ..)| *kind == "kubernetes.oom_killed").count(), 2);
    }

    #[test]
    fn an_object_that_breaks_off_tells_what_it_has() {
        let cut = POD.split("\"phase\"").next().unwrap();
        let kinds: Vec<_> = read(cut).into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(kinds[..2], ["kubernetes.crash_loop", "kubernetes.oom_killed"]);
    }

    #[test]
    fn a_line_of_an_event_exporter_is_one_event() {
        let line = r#"{"metadata":{"name":"train-0.17ef","namespace":"research","creationTimestamp":"2026-05-04T03:12:41Z"},"reason":"Failed","message":"Error: InvalidImageName","source":{"component":"kubelet","host":"gpu-018"},"lastTimestamp":"2026-05-04T03:12:44Z","count":3,"type":"Warning","involvedObject":{"kind":"Pod","namespace":"research","name":"train-0"}}"#;
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let events = lint::read(&scanner, line);
        assert_eq!(events.len(), 1, "{events:?}");
        let fields = &events[0].fields;
        assert_eq!(
            (fields.text("pod"), fields.text("node"), fields.int("times")),
            (Some("train-0"), Some("gpu-018"), Some(3))
        );
        assert!(events[0].at.is_some());
    }

    #[test]
    fn a_large_list_is_read_as_a_whole() {
        let pod = POD.split_once('{').unwrap().1.rsplit_once("}\n$").unwrap().0;
        let list = format!("{{\n\"apiVersion\": \"v1\",\n\"items\": [\n{{{pod}}},\n{{{pod}}}\n]}}\n");
        let mut events = Vec::new();
        let problems = Documents.read(list.as_bytes(), "pods.json", &mut events);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(events.len(), 6);
        let lines: Vec<&str> = list.lines().collect();
        for event in &events {
            assert_eq!(event.text, lines[usize::try_from(event.line).unwrap() - 1]);
        }
        assert!(Documents.recognises(format!("{list}{}", " ".repeat(LARGE)).as_bytes(), ""));
        assert!(!Documents.recognises(list.as_bytes(), ""), "what is short may stand among other text");
    }
}
