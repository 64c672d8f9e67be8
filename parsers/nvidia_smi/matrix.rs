//! `nvidia-smi topo -m`: how each two GPUs are connected. Where all others have NVLink among them, one that has none, or
//! fewer links, misses some.
//!
//! Legend: nvidia-smi(1), `topo`: `NV#` a bonded set of # links, `SYS NODE PHB PXB PIX` ways over PCIe, `X` itself.

use crate::console;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// The matrix.
#[derive(Debug)]
pub struct Matrix;

const INACTIVE: Name = "nvlink.inactive";

/// Fewest GPUs that can be compared.
const FEWEST: usize = 4;

/// Most rows.
const MOST: usize = 32;

impl Grammar for Matrix {
    fn kinds(&self) -> &'static [Name] {
        &[INACTIVE]
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["CPU Affinity"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let head = cursor.line.str().into_owned();
        let gpus = head.split_whitespace().take_while(|word| word.starts_with("GPU") && word.len() > 3).count();
        if gpus < FEWEST {
            return;
        }
        let rows: Vec<(Line<'_>, Vec<u32>)> =
            cursor.following().take(MOST).map_while(|line| Some((line.clone(), links(&line.str(), gpus)?))).collect();
        if rows.len() < gpus {
            return;
        }
        let best = rows.iter().flat_map(|(_, links)| links).copied().max().unwrap_or_default();
        // The most links that a GPU has to any other: a full mesh has as many everywhere.
        let most: Vec<u32> =
            rows[..gpus].iter().map(|(_, links)| links.iter().copied().max().unwrap_or_default()).collect();
        let short: Vec<usize> = (0..gpus).filter(|gpu| most[*gpu] < best).collect();
        let whole = |gpu: usize| {
            (0..gpus).filter(|other| !short.contains(other)).all(|other| other == gpu || rows[gpu].1[other] == best)
        };
        let meshed = best > 0 && (0..gpus).filter(|gpu| !short.contains(gpu)).all(whole);
        if !meshed || short.len() * 2 >= gpus {
            return;
        }
        let node = console::host(cursor);
        for gpu in short {
            let mut fields = Fields::default();
            fields.set("gpu", format!("GPU {gpu}"));
            fields.set("active", i64::from(most[gpu]));
            if let Some(node) = &node {
                fields.set("node", node.as_str());
            }
            out.push(Event::on(cursor, &rows[gpu].0, INACTIVE, Says::Warning, fields));
        }
    }
}

/// How many links a row tells to each GPU; none where it is no row of the matrix.
fn links(text: &str, gpus: usize) -> Option<Vec<u32>> {
    let mut words = text.split_whitespace();
    words.next().filter(|name| name.starts_with("GPU"))?;
    let cells: Vec<u32> = words
        .take(gpus)
        .map(|cell| cell.strip_prefix("NV").and_then(|count| count.parse().ok()).unwrap_or(0))
        .collect();
    (cells.len() == gpus).then_some(cells)
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    fn read(log: &str) -> Vec<(String, u64)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let ours = lint::read(&scanner, log).into_iter().filter(|event| event.kind == super::INACTIVE);
        ours.map(|event| (event.fields.text("gpu").unwrap().to_owned(), event.line)).collect()
    }

    const MATRIX: &str = "\tGPU0\tGPU1\tGPU2\tGPU3\tNIC0\tCPU Affinity\tNUMA Affinity\n\
        GPU0\t X \tNV18\tSYS\tNV18\tPIX\t0-47\t0\n\
        GPU1\tNV18\t X \tSYS\tNV18\tSYS\t0-47\t0\n\
        GPU2\tSYS\tSYS\t X \tSYS\tSYS\t48-95\t1\n\
        GPU3\tNV18\tNV18\tSYS\t X \tSYS\t48-95\t1\n\
        NIC0\tPIX\tSYS\tSYS\tSYS\t X \n";

    #[test]
    fn the_gpu_without_links_among_linked_ones_is_told() {
        assert_eq!(read(MATRIX), [("GPU 2".to_owned(), 4)]);
        assert!(read(&MATRIX.replace("SYS", "NV18")).is_empty());
        assert!(read(&MATRIX.replace("NV18", "PHB")).is_empty(), "no links at all: a board without");
    }

    #[test]
    fn bridges_between_pairs_are_no_fault() {
        let pairs = "\tGPU0\tGPU1\tGPU2\tGPU3\tCPU Affinity\n\
            GPU0\t X \tNV4\tSYS\tSYS\t0-47\n\
            GPU1\tNV4\t X \tSYS\tSYS\t0-47\n\
            GPU2\tSYS\tSYS\t X \tNV4\t48-95\n\
            GPU3\tSYS\tSYS\tNV4\t X \t48-95\n";
        assert!(read(pairs).is_empty());
    }
}
