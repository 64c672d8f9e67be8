//! Whether the bus lets GPUs and adapters talk to each other directly: Access Control Services, and the IOMMU.

use std::fs::File;
use std::io::Read as _;

use super::node::Node;
use super::task::Out;
use crate::reading::{Reading, Unit, Verdict};

const DEVICES: &str = "/sys/bus/pci/devices";

/// Where extended capabilities begin (PCI Express Base Specification 6.0, 7.6).
const EXTENDED: usize = 0x100;

/// Bytes of a device's configuration space.
const SPACE: usize = 4096;

/// Id of the capability (7.7.11), and the two bits of its control register that send requests and completions of peers up to the
/// root instead of across: request redirect, completion redirect.
const ACS: u16 = 0x000d;
const REDIRECT: u16 = 0x000c;

/// Tells how many bridges above the devices redirect, and whether an IOMMU translates.
pub(super) fn read(node: &Node, devices: &[String], out: Out) {
    translation(node, out);
    let spaces: Vec<Vec<u8>> = devices.iter().filter_map(|device| space(node, device)).collect();
    if spaces.is_empty() {
        return;
    }
    // Without the right to see it the kernel shows 64 bytes.
    if spaces.iter().all(|space| space.len() <= EXTENDED) {
        return out(Reading::new("pci", "acs").found(Verdict::CannotRun, "only root sees how bridges are set up"));
    }
    let redirecting = spaces.iter().filter(|space| control(space).is_some_and(|control| control & REDIRECT != 0));
    let count = redirecting.count() as u64;
    let reading = Reading::new("pci", "acs").count(count, Unit::None).expect("0");
    // A guest needs it, and it can't be turned off there.
    out(reading.judge(count == 0 || virtual_machine(node), Verdict::Degraded, || {
        format!("{count} bridges send what GPUs and adapters write to each other up to the processor (ACS): peer-to-peer is slow")
    }));
}

/// The configuration of a bridge.
fn space(node: &Node, device: &str) -> Option<Vec<u8>> {
    // 0604 is a bridge between buses, root ports included.
    if node.number(&format!("{DEVICES}/{device}/class"))? >> 8 != 0x0604 {
        return None;
    }
    let mut bytes = Vec::with_capacity(SPACE);
    let file = File::open(node.path(&format!("{DEVICES}/{device}/config"))).ok()?;
    file.take(SPACE as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The control register of Access Control Services; `None` where a bridge has none.
fn control(space: &[u8]) -> Option<u16> {
    /// More capabilities than fit: a list that is a ring ends.
    const MOST: usize = SPACE / 8;
    let word = |at: usize| Some(u16::from_le_bytes(space.get(at..at + 2)?.try_into().ok()?));
    let mut at = EXTENDED;
    for _ in 0..MOST {
        let (id, next) = (word(at)?, usize::from(word(at + 2)? >> 4));
        if id == ACS {
            return word(at + 6);
        }
        if next < EXTENDED {
            return None;
        }
        at = next;
    }
    None
}

/// `off`, `passthrough`, or `translated`.
fn translation(node: &Node, out: Out) {
    let groups = node.list("/sys/kernel/iommu_groups");
    let types = groups.iter().filter_map(|group| node.word(&format!("/sys/kernel/iommu_groups/{group}/type")));
    let translated = types.filter(|kind| kind.starts_with("DMA")).count();
    let state = match (groups.len(), translated) {
        (0, _) => "off",
        (_, 0) => "passthrough",
        _ => "translated",
    };
    out(Reading::new("pci", "iommu").text(state));
}

/// Whether this is a guest: the processor says so, or the firmware's maker is a hypervisor (ARM has no such flag).
fn virtual_machine(node: &Node) -> bool {
    let flags = node.text("/proc/cpuinfo").unwrap_or_default();
    let maker = node.word("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    flags.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"))
        || ["QEMU", "Xen", "VMware", "Amazon EC2", "Google", "Microsoft Corporation", "OpenStack"]
            .contains(&maker.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A space with an advanced error capability, then ACS with that control register.
    fn bridge(register: u16) -> Vec<u8> {
        let mut space = vec![0; SPACE];
        let mut put = |at: usize, word: u16| space[at..at + 2].copy_from_slice(&word.to_le_bytes());
        put(0x100, 0x0001);
        put(0x102, 0x1480 | 1);
        put(0x148, ACS);
        put(0x14e, register);
        space
    }

    #[test]
    fn the_register_is_found_behind_other_capabilities() {
        assert_eq!(control(&bridge(0x001d)), Some(0x001d));
        let mut ring = bridge(0);
        ring[0x148] = 1;
        ring[0x14a..0x14c].copy_from_slice(&0x1001_u16.to_le_bytes());
        assert_eq!(control(&ring), None, "a list that never ends");
        assert_eq!(control(&[0; 64]), None);
    }
}
