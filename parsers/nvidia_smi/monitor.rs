//! `nvidia-smi dmon`: readings of all GPUs, a line a GPU and second. Clocks are compared among GPUs that are as busy.
//!
//! Shape: nvidia-smi(1), `dmon`: a heading of names and one of units, both behind `#`, again every few lines.

use std::collections::BTreeMap;

use crate::console;
use crate::event::{Event, Fields, Name, Says};
use crate::gpu;
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// The readings.
#[derive(Debug)]
pub struct Monitor;

/// A GPU runs at lower clocks than others that are as busy. Fields: `gpu`, `clock`, `clock_best` (MHz), `what`, `node`.
const CLOCK_LOW: Name = "nvidia_smi.clock_low";

/// Most lines that are read.
const MOST: usize = 4096;

/// A GPU is busy from this many percent of its time on.
const BUSY: f64 = 60.0;

/// Fewest busy GPUs that can be compared.
const FEWEST: usize = 3;

/// Share of the middle clock below which one is low: a power cap costs less, a thermal or power brake more.
const LOW: f64 = 0.7;

impl Grammar for Monitor {
    fn kinds(&self) -> &'static [Name] {
        &[CLOCK_LOW, gpu::ECC]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        if kind == CLOCK_LOW {
            Some("A GPU runs at lower clocks than others that are as busy.")
        } else {
            gpu::about(kind)
        }
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["# gpu "]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let head = cursor.line.str().into_owned();
        let Some(names) = heading(&head) else { return };
        // The heading comes again; the table is read from the first one on.
        if cursor.preceding().take(64).any(|line| heading(&line.str()).is_some_and(|other| other == names)) {
            return;
        }
        let column = |name: &str| names.iter().position(|known| known == name);
        let Some(index) = column("gpu") else { return };
        let mut gpus: BTreeMap<String, Readings<'_>> = BTreeMap::new();
        for line in cursor.following().take(MOST) {
            let text = line.str().into_owned();
            if text.trim_start().starts_with('#') {
                continue;
            }
            let cells: Vec<&str> = text.split_whitespace().collect();
            let Some(gpu) =
                cells.get(index).filter(|gpu| cells.len() == names.len() && gpu.bytes().all(|b| b.is_ascii_digit()))
            else {
                break;
            };
            let number = |name: &str| column(name).and_then(|at| cells.get(at)?.parse::<f64>().ok());
            let readings = gpus.entry((*gpu).to_owned()).or_insert_with(|| Readings::new(line.clone()));
            readings.add(line, number("sm"), number("pclk"), number("dbecc"));
        }
        judge(cursor, &gpus, out);
    }
}

/// The readings of one GPU.
struct Readings<'a> {
    line: Line<'a>,
    lowest: f64,
    clocks: Vec<f64>,
    errors: Option<(Line<'a>, f64)>,
}

impl<'a> Readings<'a> {
    fn new(line: Line<'a>) -> Self {
        Self { line, lowest: f64::MAX, clocks: Vec::new(), errors: None }
    }

    fn add(&mut self, line: Line<'a>, busy: Option<f64>, clock: Option<f64>, errors: Option<f64>) {
        if let Some(errors) = errors.filter(|errors| *errors > 0.0) {
            self.errors.get_or_insert((line.clone(), errors));
        }
        if let Some(clock) = clock.filter(|_| busy.is_some_and(|busy| busy >= BUSY)) {
            self.clocks.push(clock);
            if clock < self.lowest {
                self.lowest = clock;
                self.line = line;
            }
        }
    }

    fn clock(&self) -> Option<f64> {
        middle(self.clocks.clone())
    }
}

fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn judge(cursor: &Cursor<'_>, gpus: &BTreeMap<String, Readings<'_>>, out: &mut Vec<Event>) {
    let clocks: Vec<f64> = gpus.values().filter_map(Readings::clock).collect();
    let usual = middle(clocks.clone()).filter(|_| clocks.len() >= FEWEST);
    let node = console::host(cursor);
    let mut push = |line: &Line<'_>, kind, mut fields: Fields, gpu: &str| {
        fields.set("gpu", format!("GPU {gpu}"));
        if let Some(node) = &node {
            fields.set("node", node.as_str());
        }
        out.push(Event::on(cursor, line, kind, Says::Warning, fields));
    };
    for (gpu, readings) in gpus {
        if let Some((line, errors)) = &readings.errors {
            let mut fields = Fields::default();
            fields.set("scope", "volatile");
            fields.set("count", *errors as i64);
            push(line, gpu::ECC, fields, gpu);
        }
        if let (Some(clock), Some(usual)) = (readings.clock(), usual)
            && clock < LOW * usual
        {
            let mut fields = Fields::default();
            fields.set("clock", clock as i64);
            fields.set("clock_best", usual as i64);
            fields.set("what", format!("{clock:.0} MHz under load, others {usual:.0}"));
            push(&readings.line, CLOCK_LOW, fields, gpu);
        }
    }
}

/// The names of `# gpu    pwr  gtemp …`, `#Time        gpu    pwr …`, in lower case; none on the line of units.
fn heading(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = text
        .trim()
        .strip_prefix('#')?
        .split_whitespace()
        .map(|name| name.trim_start_matches('#').to_ascii_lowercase())
        .collect();
    (names.iter().any(|name| name == "gpu") && names.len() > 2).then_some(names)
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    fn read(log: &str) -> Vec<(&'static str, String, u64)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let ours = lint::read(&scanner, log).into_iter().filter(|event| super::Monitor.kinds().contains(&event.kind));
        ours.map(|event| (event.kind, event.fields.text("gpu").unwrap().to_owned(), event.line)).collect()
    }
    use crate::grammar::Grammar as _;

    const TABLE: &str = "\
# gpu    pwr  gtemp     sm   mclk   pclk  sbecc  dbecc
# Idx      W      C      %    MHz    MHz   errs   errs
    0    612     62     98   2619   1755      0      0
    1    608     60     97   2619   1740      0      0
    2    188     84     99   2619    345      0      0
    3    611     61     98   2619   1755      0      0
";

    #[test]
    fn a_busy_gpu_at_a_low_clock_is_told() {
        assert_eq!(read(TABLE), [("nvidia_smi.clock_low", "GPU 2".to_owned(), 5)]);
        assert!(
            read(&TABLE.replace("     99   2619    345", "      0   2619    345")).is_empty(),
            "an idle one is not"
        );
    }

    #[test]
    fn errors_of_memory_are_told() {
        let log = TABLE.replace("345      0      0", "1755      0      2");
        assert_eq!(read(&log), [("gpu.ecc_uncorrectable", "GPU 2".to_owned(), 5)]);
    }
}
