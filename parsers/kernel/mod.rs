//! Records of several lines in the kernel's log.

use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// The driver's notice of a GPU that is gone, in three lines: the first has the address, the second the number, the third
/// says that it has fallen off the bus.
///
/// open-gpu-kernel-modules 595.45.04 `src/nvidia/arch/nvalloc/unix/src/osinit.c`.
pub struct Lost;

const LOST: Name = "kernel.gpu_lost";

/// The last line.
const GONE: &str = "fallen off the bus and is not responding";

/// How many lines before it the address stands at most.
const NOTICE: usize = 4;

impl Grammar for Lost {
    fn kinds(&self) -> &'static [Name] {
        &[LOST]
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[GONE]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        if !text.contains("NVRM: ") || address(&text).is_some() {
            return;
        }
        let mut fields = Fields::default();
        let notice = cursor.preceding().take(NOTICE).find_map(|line| address(&line.str()).map(str::to_owned));
        if let Some(gpu) = notice {
            fields.set("gpu", gpu);
        }
        if let Some((_, words)) = text.split_once("NVRM: ") {
            fields.set("what", words.trim());
        }
        if let Some((head, _)) = text.split_once(" kernel: ")
            && let Some(node) = head.split_whitespace().next_back()
        {
            fields.set("node", node);
        }
        out.push(Event::on(cursor, &cursor.line, LOST, Says::Failure, fields));
    }
}

/// The address in `NVRM: The NVIDIA GPU 0000:18:00.0`.
fn address(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("NVRM: The NVIDIA GPU ")?;
    let end = rest.find(|c: char| !(c.is_ascii_hexdigit() || matches!(c, ':' | '.'))).unwrap_or(rest.len());
    (end >= 10).then_some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Block, Catalogue, Depth, Scanner};

    #[test]
    fn the_address_stands_lines_before() {
        let log = "\
May  4 03:12:41 gpu-17 kernel: NVRM: The NVIDIA GPU 0000:18:00.0
May  4 03:12:41 gpu-17 kernel: NVRM: (PCI ID: 10de:2330) installed in this system has
May  4 03:12:41 gpu-17 kernel: NVRM: fallen off the bus and is not responding to commands.
";
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let mut found = Vec::new();
        let block = Block::whole(log.as_bytes());
        scanner.scan(block, log.len(), Depth::Every, &mut |event| found.push(event));
        let lost: Vec<_> = found.iter().filter(|event| event.kind == LOST).collect();
        assert_eq!(lost.len(), 1);
        assert_eq!((lost[0].line, lost[0].fields.text("gpu")), (3, Some("0000:18:00.0")));
        assert_eq!(lost[0].fields.text("node"), Some("gpu-17"));
    }
}
