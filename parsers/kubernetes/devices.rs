//! GPUs of a node that are there and not to be had: fewer `Allocatable` than `Capacity`.
//!
//! The kubelet counts the devices that a plug-in names as capacity and the healthy ones as allocatable; once the plug-in is gone, all
//! of them are unhealthy (kubernetes v1.10 to v1.34 `pkg/kubelet/cm/devicemanager/manager.go`: `GetCapacity`, `markResourceUnhealthy`).
//! Shapes: `kubectl describe node`, and a node's status in YAML that was cut out of its object.

use super::objects::missing_devices;
use super::subject::Subject;
use super::yaml::{self, indent};
use super::{describe, reasons};
use crate::event::{Event, Name};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// The lists of a node's resources.
#[derive(Debug)]
pub struct Allocatable;

/// Most resources of a node.
const MOST: usize = 32;

/// Lines around the lists in which a status names its host.
const NEAR: usize = 48;

impl Grammar for Allocatable {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["Allocatable:", "allocatable:"]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let (capacity, named) = match cursor.line.raw.trim_ascii() {
            b"Allocatable:" => (heading(cursor.preceding(), b"Capacity:"), describe::subject(cursor, "")),
            // A whole object is read as one.
            b"allocatable:" if yaml::lacks_its_object(cursor.block.data) => {
                (heading(cursor.following(), b"capacity:"), host(cursor))
            }
            _ => return,
        };
        let Some(capacity) = capacity else { return };
        let capacity = Cursor { block: cursor.block, line: capacity };
        let (all, healthy) = (resources(&capacity), resources(cursor));
        for (line, name, number) in healthy {
            let Some((_, _, whole)) = all.iter().find(|(_, other, _)| *other == name) else { continue };
            let Some(said) = missing_devices(&name, number, *whole) else { continue };
            out.push(named.event(cursor, &line, said));
        }
    }
}

fn heading<'a>(lines: impl Iterator<Item = Line<'a>>, key: &[u8]) -> Option<Line<'a>> {
    lines.take(MOST).find(|line| line.raw.trim_ascii() == key)
}

/// Names and numbers under a heading.
fn resources<'a>(cursor: &Cursor<'a>) -> Vec<(Line<'a>, String, i64)> {
    let deep = indent(cursor.line.raw);
    let inside = cursor.following().take(MOST).take_while(|line| indent(line.raw) > deep);
    inside
        .filter_map(|line| {
            let text = line.str().into_owned();
            let (name, rest) = text.trim().split_once(':')?;
            let number = rest.split_whitespace().next()?.trim_matches('"').parse().ok()?;
            Some((line, name.to_owned(), number))
        })
        .collect()
}

/// The host that a status in YAML names among its addresses: `- address: gpu-018` before `type: Hostname`.
fn host(cursor: &Cursor<'_>) -> Subject {
    let mut address = None;
    let mut before: Vec<String> = cursor.preceding().take(NEAR).map(|line| line.str().into_owned()).collect();
    before.reverse();
    for text in &before {
        let text = text.trim();
        match text.strip_prefix("- address: ").or_else(|| text.strip_prefix("address: ")) {
            Some(value) => address = Some(value),
            None if text == "type: Hostname" => return Subject::of("node", address.unwrap_or_default()),
            None => {}
        }
    }
    Subject::default()
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    #[test]
    fn devices_that_are_there_and_not_to_be_had_are_told() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let told = |log: &str| {
            let events = lint::read(&scanner, log).into_iter().filter(|event| event.kind == "kubernetes.device_plugin");
            let told = events.map(|event| {
                let text = |name: &str| event.fields.text(name).map(str::to_owned);
                (event.line, text("why").unwrap_or_default(), text("node"))
            });
            told.collect::<Vec<_>>()
        };
        let described = |healthy: u8| {
            format!(
                "Name:               gpu-018\nRoles:              <none>\nCapacity:\n  cpu:             128\n  nvidia.com/gpu:  8\n\
                 Allocatable:\n  cpu:             127\n  nvidia.com/gpu:  {healthy}\nSystem Info:\n"
            )
        };
        let seven = "7 of 8 nvidia.com/gpu are healthy".to_owned();
        assert_eq!(told(&described(7)), [(8, seven, Some("gpu-018".to_owned()))]);
        assert!(told(&described(8)).is_empty());
        let none = "0 of 8 nvidia.com/gpu are healthy".to_owned();
        let status = "  status:\n    addresses:\n    - address: gpu-018\n      type: Hostname\n    allocatable:\n      cpu: \"127\"\n      \
                      nvidia.com/gpu: \"0\"\n    capacity:\n      cpu: \"128\"\n      nvidia.com/gpu: \"8\"\n";
        assert_eq!(told(status), [(7, none.clone(), Some("gpu-018".to_owned()))]);
        let object = "apiVersion: v1\nkind: Node\nmetadata:\n  name: gpu-018\nstatus:\n  allocatable:\n    nvidia.com/gpu: \"0\"\n  \
                      capacity:\n    nvidia.com/gpu: \"8\"\n";
        assert_eq!(told(object), [(7, none, Some("gpu-018".to_owned()))]);
        // Memory and disk are held back by the kubelet.
        assert!(
            told("Capacity:\n  memory:  512Gi\n  pods:  110\nAllocatable:\n  memory:  500Gi\n  pods:  100\n")
                .is_empty()
        );
    }
}
