//! Which rank a GPU is: PCI address, index and UUID of one device, and the process on it.

use std::collections::BTreeMap;

use super::Table;

/// Fields in which a row names a GPU.
const NAMES: [&str; 7] = ["gpu", "bus", "pci", "uuid", "gpu_uuid", "index", "nvml_dev"];

/// A GPU of a host: the host, and a name of the GPU in its common form.
type Device = (String, String);

/// The PCI address that a text is: `0000:3b:00`, whatever width and function it is written with.
///
/// The driver writes `0000:3b:00` and `0000:3b:00.0`, nvidia-smi `00000000:3B:00.0`, lspci `3b:00.0`, NCCL `3b000`
/// (the digits without colons, `busIdToInt64` of `src/misc/utils.cc`).
pub fn pci(text: &str) -> Option<String> {
    let text = text.trim();
    let hex = |part: &str| (!part.is_empty()).then(|| u64::from_str_radix(part, 16).ok()).flatten();
    let parts: Vec<&str> = text.split(':').collect();
    let (domain, bus, device) = match parts.as_slice() {
        [domain, bus, device] if (4..=8).contains(&domain.len()) => (hex(domain)?, *bus, *device),
        [bus, device] => (0, *bus, *device),
        _ => return None,
    };
    let device = device.split('.').next().unwrap_or(device);
    if bus.len() != 2 || device.len() != 2 {
        return None;
    }
    Some(format!("{domain:04x}:{:02x}:{:02x}", hex(bus)?, hex(device)?))
}

/// The PCI address in NCCL's `busId 3b000`.
fn bus_id(text: &str) -> Option<String> {
    let number = u64::from_str_radix(text, 16).ok().filter(|_| text.len() >= 4)?;
    Some(format!("{:04x}:{:02x}:{:02x}", number >> 20, (number >> 12) & 0xff, (number >> 4) & 0xff))
}

/// A GPU's name in the form in which all sources agree.
pub fn common(text: &str) -> String {
    pci(text).unwrap_or_else(|| {
        let name = text.to_ascii_lowercase();
        // An index, as some tools print it.
        match name.strip_prefix("gpu ") {
            Some(index) if index.parse::<u32>().is_ok() => index.to_owned(),
            _ => name,
        }
    })
}

/// Fills the rank in on rows that tell of a GPU, where a process told which one is its own.
pub(super) fn derive(table: &mut Table) {
    let ranks = ranks(table);
    if ranks.is_empty() {
        return;
    }
    for row in table.rows.iter_mut().filter(|row| row.rank().is_none() && row.parents.is_empty()) {
        let (Some(node), Some(gpu)) = (row.node(), row.fields.text("gpu").and_then(pci)) else { continue };
        if let Some(Some(rank)) = ranks.get(&(node.to_owned(), gpu)) {
            row.fields.set("rank", *rank);
        }
    }
}

/// The rank on each PCI address; none where two ranks told the same.
fn ranks(table: &Table) -> BTreeMap<Device, Option<i64>> {
    let mut ranks: BTreeMap<Device, Option<i64>> = BTreeMap::new();
    let mut indices: BTreeMap<Device, Option<i64>> = BTreeMap::new();
    let mut same: BTreeMap<Device, String> = BTreeMap::new();
    for row in &table.rows {
        let Some(node) = row.node() else { continue };
        let address = row
            .fields
            .text("bus")
            .and_then(bus_id)
            .or_else(|| NAMES.iter().find_map(|name| pci(row.fields.text(name)?)));
        let index = row.fields.int("nvml_dev").or_else(|| row.fields.int("index"));
        if let (Some(address), Some(index)) = (&address, index) {
            same.insert((node.to_owned(), index.to_string()), address.clone());
        }
        let Some(rank) = row.rank() else { continue };
        if let Some(address) = address {
            note(&mut ranks, (node.to_owned(), address), rank);
        }
        if let Some(index) = row.fields.int("nvml_dev") {
            note(&mut indices, (node.to_owned(), index.to_string()), rank);
        }
    }
    for ((node, index), rank) in indices {
        if let Some(address) = same.get(&(node.clone(), index)) {
            ranks.entry((node, address.clone())).or_insert(rank);
        }
    }
    ranks
}

fn note(ranks: &mut BTreeMap<Device, Option<i64>>, device: Device, rank: i64) {
    let slot = ranks.entry(device).or_insert(Some(rank));
    if *slot != Some(rank) {
        *slot = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_write_an_address_are_one() {
        for text in ["0000:3b:00", "0000:3b:00.0", "00000000:3B:00.0", "3b:00.0", "3b:00"] {
            assert_eq!(pci(text).as_deref(), Some("0000:3b:00"), "{text}");
        }
        assert_eq!(bus_id("3b000").as_deref(), Some("0000:3b:00"));
        assert_eq!(bus_id("10000b000"), pci("1000:0b:00.0"));
        for text in ["3", "GPU-5c1e7a90", "12:30:45", "", "gpu-17:3"] {
            assert_eq!(pci(text), None, "{text}");
        }
    }
}
