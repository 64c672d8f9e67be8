//! `nvidia-smi -q -x`: one `<gpu id="…">` at a time, so that it may stand anywhere in a file.
//!
//! Shape: `nvsmi_device_v10.dtd` to `nvsmi_device_v13.dtd`.

use quick_xml::Reader;
use quick_xml::events::Event as Xml;

use crate::console;
use crate::event::{Event, Name};
use crate::gpu::{self, Gpu};
use crate::grammar::Grammar;
use crate::line::Cursor;
use crate::{REACH, Value};

/// A GPU of `nvidia-smi -q -x`.
#[derive(Debug)]
pub struct Xmls;

/// Deepest nesting that is followed.
const MOST_DEEP: usize = 24;

impl Grammar for Xmls {
    fn kinds(&self) -> &'static [Name] {
        gpu::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["<gpu id=\""]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let data = cursor.block.data;
        let text = &data[cursor.line.start..data.len().min(cursor.line.start + REACH)];
        let Some(end) = memchr::memmem::find(text, b"</gpu>") else { return };
        let id = cursor.line.str();
        let Some(id) = id.split('"').nth(1) else { return };
        Walk { cursor, id, node: console::host(cursor), text: &text[..end], path: Vec::new(), gpu: Gpu::default() }
            .go(out);
    }
}

struct Walk<'a, 'c> {
    cursor: &'c Cursor<'a>,
    id: &'c str,
    node: Option<String>,
    text: &'a [u8],
    path: Vec<String>,
    gpu: Gpu,
}

impl Walk<'_, '_> {
    fn go(mut self, out: &mut Vec<Event>) {
        let mut reader = Reader::from_reader(self.text);
        reader.config_mut().check_end_names = false;
        loop {
            let at = reader.buffer_position() as usize;
            match reader.read_event() {
                Ok(Xml::Start(tag)) if self.path.len() < MOST_DEEP => {
                    self.path.push(String::from_utf8_lossy(tag.name().as_ref()).to_ascii_lowercase());
                }
                Ok(Xml::End(_)) => _ = self.path.pop(),
                Ok(Xml::Text(value)) => {
                    let value = String::from_utf8_lossy(&value).trim().to_owned();
                    if !value.is_empty() {
                        self.take(at, &value, out);
                    }
                }
                Ok(Xml::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }

    fn take(&mut self, at: usize, value: &str, out: &mut Vec<Event>) {
        // The first element is the GPU itself.
        let path = self.path.get(1..).unwrap_or_default().join("/");
        self.gpu.note(&path, value);
        let Some((kind, says, mut fields)) = self.gpu.judge(&path, value) else { return };
        fields.set("gpu", self.id);
        if let Some(node) = &self.node {
            fields.set("node", Value::Text(node.clone()));
        }
        let line = self.cursor.line_at(self.cursor.line.start + at);
        out.push(Event::on(self.cursor, &line, kind, says, fields));
    }
}
