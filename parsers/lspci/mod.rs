//! `lspci -vv`: links that run below what both ends can do.
//!
//! Shape: pciutils 3.7 on `ls-caps.c` (`LnkSta: Speed 8GT/s (downgraded), Width x8 (downgraded)`). A GPU at rest lowers its
//! speed to save power, and a bridge follows the device below it: neither is a fault. A width never changes by itself.

use crate::console;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// States of links.
#[derive(Debug)]
pub struct Links;

const NARROW: Name = "lspci.link_degraded";

/// Lines of a device before the state of its link.
const REACH: usize = 80;

impl Grammar for Links {
    fn kinds(&self) -> &'static [Name] {
        &[NARROW]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == NARROW).then_some("The PCIe link of a GPU or adapter runs below what both ends can do.")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["(downgraded)"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str().trim().to_owned();
        let Some(state) = text.strip_prefix("LnkSta:") else { return };
        let Some((pci, device)) = cursor.preceding().take(REACH).find_map(|line| device(&line.str())) else { return };
        let of_gpu = device.contains("NVIDIA") && (device.starts_with("3D") || device.starts_with("VGA"));
        // Other adapters (a management port, say) sit in slots of fewer lanes than they could use.
        let of_network =
            device.starts_with("Infiniband") || (device.contains("Mellanox") && !device.contains("Virtual"));
        let (speed, width) = state.split_once(',').unwrap_or((state, ""));
        let degraded = (width.contains("(downgraded)") && (of_gpu || of_network))
            || (speed.contains("(downgraded)") && of_network);
        if !degraded {
            return;
        }
        let mut fields = Fields::default();
        fields.set("pci", pci);
        fields.set("link", state.trim());
        if let Some(node) = console::host(cursor) {
            fields.set("node", node);
        }
        out.push(Event::on(cursor, &cursor.line, NARROW, Says::Warning, fields));
    }
}

/// `3b:00.0 3D controller: NVIDIA Corporation …`: the address, and what it is.
fn device(text: &str) -> Option<(String, String)> {
    let (address, device) = text.split_once(' ')?;
    let (slot, function) = address.rsplit_once('.')?;
    let is_slot = slot.split(':').count() >= 2 && slot.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    (is_slot && function.len() == 1 && device.contains(": ")).then(|| (address.to_owned(), device.to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    fn told(device: &str, state: &str) -> usize {
        let log = format!("{device}\n\tControl: I/O- Mem+\n\t\tLnkSta:\t{state}\n");
        let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), &log);
        events.iter().filter(|event| event.kind == "lspci.link_degraded").count()
    }

    #[test]
    fn a_width_counts_and_the_speed_of_a_gpu_at_rest_does_not() {
        let gpu = "3b:00.0 3D controller: NVIDIA Corporation Device 2330 (rev a1)";
        assert_eq!(told(gpu, "Speed 2.5GT/s (downgraded), Width x16 (ok)"), 0);
        assert_eq!(told(gpu, "Speed 32GT/s (ok), Width x8 (downgraded)"), 1);
        let adapter = "0000:5e:00.0 Infiniband controller: Mellanox Technologies MT2910 Family [ConnectX-7]";
        assert_eq!(told(adapter, "Speed 16GT/s (downgraded), Width x16 (ok)"), 1);
        assert_eq!(
            told(
                "00:0c.0 PCI bridge: Intel Corporation Device 1bbc",
                "Speed 5GT/s (downgraded), Width x1 (downgraded)"
            ),
            0
        );
    }
}
