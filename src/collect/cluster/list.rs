//! A list of objects, page by page, as a document.

use serde::Serialize as _;
use serde_json::ser::PrettyFormatter;
use serde_json::{Serializer, Value, json};

use super::Held;
use crate::error::Error;
use crate::kubernetes::{Client, Verb, encoded};

/// Objects of a page: what `kubectl` asks for (`--chunk-size`).
const PAGE: usize = 500;

/// Most objects of a list: pods of a namespace that is a cluster of its own.
pub(super) const MOST_OBJECTS: usize = 20_000;

/// Most bytes of a page: 500 pods with long histories have about 10 MB.
const MOST_ANSWER: usize = 64 << 20;

/// Most bytes of a list as a document.
const MOST_KEPT: usize = 64 << 20;

/// A list to ask for.
#[derive(Debug, Clone)]
pub(super) struct List<'a> {
    /// Path of the list, with or without a query.
    pub(super) path: String,
    /// What its items are, `Pod`.
    pub(super) kind: &'a str,
    /// The document, `research/pods.json`.
    pub(super) name: String,
    /// Most objects that are read.
    pub(super) most: usize,
}

impl List<'_> {
    /// Reads the list and keeps those that `take` wants. What is wrong is remarked; what came before is kept.
    pub(super) async fn read(
        &self,
        client: &Client,
        remarks: &mut Vec<Error>,
        take: &mut dyn FnMut(&Value) -> bool,
    ) -> Option<Held> {
        let mut sheet = Sheet::default();
        let mut token = String::new();
        loop {
            let page = match self.page(client, &token).await {
                Ok(page) => page,
                Err(refused) if refused.resume.as_ref().is_some_and(|resume| *resume != token) => {
                    // The list is from then on that of a later moment.
                    token = refused.resume.unwrap_or_default();
                    continue;
                }
                Err(refused) => {
                    remarks.push(refused.error);
                    break;
                }
            };
            token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            for item in items(page) {
                if sheet.room() && take(&item) {
                    sheet.add(item, self.kind);
                }
                sheet.seen += 1;
            }
            if token.is_empty() {
                break;
            }
            if !sheet.room() || sheet.seen >= self.most {
                let what = format!("only the first {} objects are read", sheet.seen);
                remarks.push(Error::new("k8s.many", format!("k8s:{}", self.name), what));
                break;
            }
        }
        sheet.finish(&self.name)
    }

    async fn page(&self, client: &Client, token: &str) -> Result<Value, crate::kubernetes::Refused> {
        let more = if self.path.contains('?') { '&' } else { '?' };
        let next = if token.is_empty() { String::new() } else { format!("&continue={}", encoded(token)) };
        let path = format!("{}{more}limit={PAGE}{next}", self.path);
        client.ask(Verb::Get, &path, None, MOST_ANSWER, &self.name).await
    }
}

/// What a page holds.
fn items(mut page: Value) -> Vec<Value> {
    page["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
}

/// Objects as `kubectl get -o json` prints a list of them.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    text: Vec<u8>,
    seen: usize,
}

impl Sheet {
    fn room(&self) -> bool {
        self.text.len() < MOST_KEPT
    }

    /// Adds an object of a kind.
    pub(super) fn add(&mut self, mut item: Value, kind: &str) {
        name_kind(&mut item, kind);
        lighten(&mut item);
        let open: &[u8] = b"{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n        ";
        self.text.extend_from_slice(if self.text.is_empty() { open } else { b",\n        " });
        let mut own = Vec::new();
        let look = PrettyFormatter::with_indent(b"    ");
        // Writing to memory does not fail.
        let _ = item.serialize(&mut Serializer::with_formatter(&mut own, look));
        for line in own.split_inclusive(|byte| *byte == b'\n') {
            self.text.extend_from_slice(line);
            if line.ends_with(b"\n") {
                self.text.extend_from_slice(b"        ");
            }
        }
    }

    /// The document; none of no objects.
    pub(super) fn finish(mut self, name: &str) -> Option<Held> {
        if self.text.is_empty() {
            return None;
        }
        self.text.extend_from_slice(b"\n    ],\n    \"kind\": \"List\"\n}\n");
        Some(Held { name: format!("k8s:{name}"), bytes: self.text })
    }
}

/// Items of a list leave out what they are.
fn name_kind(item: &mut Value, kind: &str) {
    if let Some(fields) = item.as_object_mut() {
        fields.entry("kind").or_insert_with(|| json!(kind));
    }
}

/// What tells nothing of an incident and may hold secrets, or words that would be taken for a log's.
const LEFT_OUT: [&str; 6] =
    ["args", "command", "env", "envFrom", "kubectl.kubernetes.io/last-applied-configuration", "managedFields"];

/// Takes out what is not looked at.
fn lighten(item: &mut Value) {
    match item {
        Value::Object(fields) => {
            fields.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
            fields.values_mut().for_each(lighten);
        }
        Value::Array(items) => items.iter_mut().for_each(lighten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_a_list_of_what_was_added_without_secrets() {
        let mut sheet = Sheet::default();
        for name in ["a", "b"] {
            let item = json!({ "metadata": { "name": name, "managedFields": [{}] },
                "spec": { "containers": [{ "name": "c", "args": ["x"], "env": [{ "name": "TOKEN", "value": "s3cret" }] }] } });
            sheet.add(item, "Pod");
        }
        let held = sheet.finish("n/pods.json").unwrap();
        let list: Value = serde_json::from_slice(&held.bytes).unwrap();
        assert_eq!((&held.name[..], &list["kind"]), ("k8s:n/pods.json", &json!("List")));
        let want = |name: &str| json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c" }] }, "kind": "Pod" });
        assert_eq!(list["items"], json!([want("a"), want("b")]));
        assert!(Sheet::default().finish("x").is_none());
    }
}
