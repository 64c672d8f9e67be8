//! The event log of a management controller (`ipmitool sel list`, `sel elist`, the table of its web pages): what sensors of a
//! server reported, and took back.
//!
//! Shape: ipmitool 1.8.18 and 1.8.19 `lib/ipmi_sel.c` (`ipmi_sel_print_std_entry`): number, date, time, sensor, event, and
//! `Asserted` or `Deasserted` in columns with ` | ` between. Web pages of AMI's firmware: number, date and time, sensor, its
//! type, and `event - Asserted`. Names of events: the IPMI specification 2.0, table 42-3.

mod redfish;

use jiff::civil::DateTime;
use memchr::memmem;

use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};
use crate::stamp::Stamp;

pub use redfish::Entries;

/// Rows of an event log.
#[derive(Debug)]
pub struct Rows;

const POWER: Name = "sel.power";
const COOLING: Name = "sel.cooling";
const MEMORY: Name = "sel.memory";
const PROCESSOR: Name = "sel.processor";
/// What a memory module corrected by itself: nothing once, and a bad module where it comes again and again. Its field `dimm` is the
/// module, or the sensor where none is told.
const CORRECTED: Name = "sel.memory_corrected";
/// What was taken back since.
const OVER: Name = "sel.over";

const KINDS: &[Name] = &[POWER, COOLING, MEMORY, PROCESSOR, CORRECTED, OVER];

/// Sensors, by words in their name, and events of them that are a failure. The loss of redundancy, a threshold below the
/// critical one and a predicted failure are none yet.
const FAILURES: [(&[&str], &[&str], Name); 5] = [
    (
        &["Power Supply", "Power Unit", "PS", "PSU"],
        &[
            "Failure detected",
            "AC lost",
            "input lost",
            "input out-of-range",
            "Power Unit Failure",
            "Soft Power Control",
        ],
        POWER,
    ),
    (
        &["Fan", "FAN", "Cooling"],
        &["Critical going low", "Non-recoverable", "Failure detected", "Device Absent"],
        COOLING,
    ),
    (&["Temp"], &["Upper Critical going high", "Upper Non-recoverable going high", "Non-recoverable"], COOLING),
    (&["Memory", "DIMM"], &["Uncorrectable", "Parity", "Critical Overtemperature"], MEMORY),
    (
        &["Processor", "CPU", "Critical Interrupt", "CATERR"],
        &[
            "IERR",
            "Thermal Trip",
            "Uncorrectable machine check",
            "PCI SERR",
            "PCI PERR",
            "Bus Uncorrectable",
            "Bus Fatal",
            "CATERR",
        ],
        PROCESSOR,
    ),
];

impl Grammar for Rows {
    fn kinds(&self) -> &'static [Name] {
        KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            POWER => "The management controller reports that a power supply failed or has no current.",
            COOLING => "The management controller reports that a fan failed, or that it is too hot.",
            MEMORY => "The management controller reports an error of a memory module that could not be corrected.",
            PROCESSOR => "The management controller reports a fatal error of a processor or of a bus.",
            CORRECTED => "The management controller reports an error of a memory module that was corrected.",
            OVER => "What the management controller reported was over later.",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["| Asserted", "| Deasserted", " - Asserted", " - Deasserted"]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kernel")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.whole();
        let Some(row) = Row::of(&text) else { return };
        if row.is_corrected() {
            let mut fields = Fields::default();
            fields.set("dimm", row.module.unwrap_or(row.name));
            let mut event = Event::on(cursor, &cursor.line, CORRECTED, Says::Info, fields);
            event.at = row.at().or(event.at);
            out.push(event);
            return;
        }
        let Some(kind) = row.kind() else { return };
        let ended = |line: Line<'_>| {
            let text = line.whole();
            let later = Row::of(&text)?;
            (later.name == row.name && later.event == row.event).then(|| later.state == "Deasserted")
        };
        let sensor = memmem::Finder::new(row.name);
        let of_sensor = |raw: &[u8]| sensor.find(raw).is_some();
        let next = match row.order {
            Order::OldestFirst => cursor.raw_after(of_sensor).find_map(ended),
            Order::NewestFirst => cursor.raw_before(of_sensor, usize::MAX).find_map(ended),
        };
        let mut fields = Fields::default();
        fields.set("sensor", row.name);
        fields.set("what", format!("{}: {}", row.name, row.event));
        // Asserted anew before it was taken back: the later row tells how it ended.
        let is_over = row.state == "Deasserted" || next == Some(true);
        let (kind, says) = if is_over { (OVER, Says::Info) } else { (kind, Says::Warning) };
        let mut event = Event::on(cursor, &cursor.line, kind, says, fields);
        event.at = row.at().or(event.at);
        out.push(event);
    }
}

/// `3a | 05/04/2026 | 03:12:41 | Power Supply PS2 Status | Power Supply AC lost | Asserted`.
#[derive(Debug)]
struct Row<'t> {
    date: &'t str,
    time: &'t str,
    /// Of the sensor.
    name: &'t str,
    /// What says what the sensor measures: its name as a rule, else its type.
    sensor: &'t str,
    event: &'t str,
    state: &'t str,
    /// `CPU 0 DIMM 8` behind the state.
    module: Option<&'t str>,
    order: Order,
}

/// In which order rows stand.
#[derive(Debug, Clone, Copy)]
enum Order {
    OldestFirst,
    NewestFirst,
}

impl<'t> Row<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let cells: Vec<&str> = text.split('|').map(str::trim).collect();
        if let [number, at, name, sensor, told] = cells.as_slice()
            && number.chars().all(|c| c.is_ascii_digit())
            && let Some((date, time)) = at.split_once(',')
            && let Some((event, state)) = told.rsplit_once(" - ")
        {
            let is_row = ["Asserted", "Deasserted"].contains(&state);
            return is_row.then_some(Self {
                date,
                time,
                name,
                sensor,
                event,
                state,
                module: None,
                order: Order::NewestFirst,
            });
        }
        let (date, time, sensor, rest) = match cells.as_slice() {
            // a transcript may stand in comments
            [number, date, time, sensor, rest @ ..]
                if number.trim_start_matches(['#', ' ']).chars().all(|c| c.is_ascii_hexdigit()) =>
            {
                (date, time, sensor, rest)
            }
            // copied without its number and time
            [sensor, rest @ ..] if rest.len() == 2 => (&"", &"", sensor, rest),
            _ => return None,
        };
        // an event may have a bar of its own: `Uncorrectable ECC (UnCorrectable ECC |  DIMMD7)`
        let at = rest.iter().position(|cell| ["Asserted", "Deasserted"].contains(cell)).filter(|at| *at > 0)?;
        Some(Self {
            date,
            time,
            name: sensor,
            sensor,
            event: rest[0],
            state: rest[at],
            module: rest.get(at + 1).copied().filter(|module| !module.is_empty()),
            order: Order::OldestFirst,
        })
    }

    /// Whether it tells of a correction.
    fn is_corrected(&self) -> bool {
        let of_memory = ["Memory", "DIMM"].iter().any(|word| self.sensor.contains(word));
        of_memory && self.state == "Asserted" && self.event.starts_with("Correctable")
    }

    fn kind(&self) -> Option<Name> {
        let told = |(sensors, events, _): &&(&[&str], &[&str], Name)| {
            sensors.iter().any(|word| self.sensor.contains(word)) && events.iter().any(|word| self.event.contains(word))
        };
        FAILURES.iter().find(told).map(|(_, _, kind)| *kind)
    }

    /// `%x` of most locales: month first, two or four digits of the year. The zone behind the time has no fixed form.
    fn at(&self) -> Option<Stamp> {
        let mut date = self.date.split('/').map(|part| part.parse::<i16>().ok());
        let (first, second, year) = (date.next()??, date.next()??, date.next()??);
        let (month, day) = if first > 12 { (second, first) } else { (first, second) };
        let mut words = self.time.split_whitespace();
        let mut clock = words.next()?.split(':').map(|part| part.parse::<i8>().ok());
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        let hour = match words.next() {
            Some("PM") if hour < 12 => hour + 12,
            Some("AM") if hour == 12 => 0,
            _ => hour,
        };
        let year = if year < 100 { year + 2000 } else { year };
        let date = DateTime::new(year, month.try_into().ok()?, day.try_into().ok()?, hour, minute, second, 0).ok()?;
        Stamp::date(date, 0, None)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    fn told(log: &str) -> Vec<(&'static str, String)> {
        let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), log);
        let of_sel = events.into_iter().filter(|event| event.kind.starts_with("sel."));
        of_sel.map(|event| (event.kind, event.at.map(|at| at.to_string()).unwrap_or_default())).collect()
    }

    #[test]
    fn what_failed_is_told_with_its_time() {
        let log = "   1 | 05/04/2026 | 03:12:41 | Power Supply PS1 Status | Power Supply AC lost | Asserted\n";
        let [(kind, at)] = told(log).try_into().unwrap();
        assert_eq!(kind, "sel.power");
        assert!(at.contains("03:12:41"), "{at}");
        let evening = "  34 | 13/05/26 | 04:50:09 PM EST | Memory #0x02 | Uncorrectable ECC (UnCorrectable ECC |  DIMMD7) | Asserted\n";
        let [(kind, at)] = told(evening).try_into().unwrap();
        assert_eq!(kind, "sel.memory");
        assert!(at.contains("16:50:09"), "{at}");
        assert_eq!(
            told("   2 | 05/04/2026 | 03:12:41 | Fan FAN3 | Lower Critical going low  | Asserted\n")[0].0,
            "sel.cooling"
        );
        assert_eq!(told("   2 | 05/04/2026 | 03:12:41 | Processor CPU1 | IERR | Asserted\n")[0].0, "sel.processor");
        assert_eq!(told("# 2 | 05/04/2026 | 03:12:41 | Processor | IERR | Asserted\n")[0].0, "sel.processor");
        let page = " 36   | 04/13/2026, 03:08:16 | BIOS             | Critical Interrupt                 | PCI SERR - Asserted\n";
        let [(kind, at)] = told(page).try_into().unwrap();
        assert_eq!(kind, "sel.processor");
        assert!(at.contains("03:08:16"), "{at}");
        assert_eq!(told("Power Supply PSU2 | Power Supply AC lost | Asserted\n")[0].0, "sel.power");
    }

    #[test]
    fn what_was_taken_back_is_over() {
        let row = |at: u8, state: &str| {
            format!("   {at} | 05/04/2026 | 03:1{at}:41 | Power Supply PS1 Status | Power Supply AC lost | {state}\n")
        };
        let kinds = |log: &str| told(log).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
        assert_eq!(kinds(&(row(1, "Asserted") + &row(2, "Deasserted"))), ["sel.over", "sel.over"]);
        let again = row(1, "Asserted") + &row(2, "Deasserted") + &row(3, "Asserted");
        assert_eq!(kinds(&again), ["sel.over", "sel.over", "sel.power"]);
        let page = |at: u8, state: &str| {
            format!(" {at} | 05/04/2026, 03:1{at}:41 | PSU1 Status | Power Supply | Power Supply AC lost - {state}\n")
        };
        assert_eq!(kinds(&(page(2, "Deasserted") + &page(1, "Asserted"))), ["sel.over", "sel.over"]);
        assert_eq!(kinds(&(page(3, "Asserted") + &page(2, "Deasserted"))), ["sel.power", "sel.over"]);
    }

    #[test]
    fn what_was_corrected_is_told_with_the_module() {
        let log = "   1 | 05/04/2026 | 03:12:41 | Memory | Correctable ECC | Asserted | CPU 0 DIMM 8\n\
                   \x20  2 | 05/04/2026 | 03:12:42 | Memory #0x88 | Correctable ECC (CPU0_G1) | Asserted\n\
                   \x20  3 | 05/04/2026 | 03:12:43 | Memory #0x88 | Correctable ECC (CPU0_G1) | Deasserted\n";
        let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), log);
        let of_sel = events.iter().filter(|event| event.kind == super::CORRECTED);
        let modules: Vec<_> = of_sel.filter_map(|event| event.fields.text("dimm")).collect();
        assert_eq!(modules, ["CPU 0 DIMM 8", "Memory #0x88"]);
    }

    #[test]
    fn what_is_no_failure_is_not_told() {
        assert!(
            told("   1 | 05/04/2026 | 03:12:41 | Power Supply PS1 Status | Presence detected | Asserted\n").is_empty()
        );
        assert!(told("   1 | 05/04/2026 | 03:12:41 | Power Supply #0x3e | Redundancy Lost | Asserted\n").is_empty());
    }
}
