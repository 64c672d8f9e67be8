//! GPUs and adapters on the PCI bus: links narrower than they can be, and errors that the bus reported.

use std::time::Duration;

use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe, whole};
use crate::reading::{Reading, Rule, Unit, Verdict};

const DEVICES: &str = "/sys/bus/pci/devices";

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "pci",
    about: "GPUs, adapters and NVMe drives on the bus: link width and speed, reported errors",
    deadline: Duration::from_secs(2),
    subjects: whole,
    read,
};

/// What a device is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Gpu,
    Adapter,
    Drive,
}

fn role(node: &Node, device: &str) -> Option<Role> {
    let class = node.number(&format!("{DEVICES}/{device}/class"))? >> 8;
    let vendor = node.number(&format!("{DEVICES}/{device}/vendor"))?;
    // Classes of the PCI Code and ID Assignment Specification 1.11: 0300 VGA, 0302 3D controller, 0207 InfiniBand,
    // 0200 Ethernet, 0108 NVMe. 10de is NVIDIA, 1002 AMD.
    match (class, vendor) {
        (0x0300 | 0x0302, 0x10de) | (0x0300 | 0x0302 | 0x0380 | 0x1200, 0x1002) => Some(Role::Gpu),
        (0x0200 | 0x0207, _) => Some(Role::Adapter),
        (0x0108, _) => Some(Role::Drive),
        _ => None,
    }
}

/// NVIDIA GPUs that the bus shows, whether or not a driver has them.
pub(super) fn nvidia_gpus(node: &Node) -> u64 {
    // Most devices are of other makers: that is asked first.
    let ours = |device: &String| {
        node.number(&format!("{DEVICES}/{device}/vendor")) == Some(0x10de)
            && role(node, device) == Some(Role::Gpu)
            && !node.has(&format!("{DEVICES}/{device}/physfn"))
    };
    node.list(DEVICES).iter().filter(|device| ours(device)).count() as u64
}

fn read(node: &Node, _: &str, _: &Expected, out: Out) {
    let devices = node.list(DEVICES);
    if devices.is_empty() {
        return out(Reading::new("pci", "devices").found(Verdict::CannotRun, "no PCI bus is shown here"));
    }
    super::acs::read(node, &devices, out);
    for device in devices {
        // Virtual functions have no link of their own.
        if node.has(&format!("{DEVICES}/{device}/physfn")) {
            continue;
        }
        let Some(role) = role(node, &device) else { continue };
        width(node, &device, role, out);
        speed(node, &device, role, out);
        errors(node, &device, role, out);
    }
}

fn reading(name: &str, device: &str, role: Role) -> Reading {
    let what = match role {
        Role::Gpu => "gpu",
        Role::Adapter => "adapter",
        Role::Drive => "drive",
    };
    Reading::new("pci", name).of(what, device)
}

/// Lanes. `0` and `255` are what an absent device says.
fn width(node: &Node, device: &str, role: Role, out: Out) {
    let at = |name: &str| node.number(&format!("{DEVICES}/{device}/{name}"));
    let (Some(now), Some(most)) = (at("current_link_width"), at("max_link_width")) else { return };
    if most == 0 || most == 255 {
        return;
    }
    let reading = reading("width", device, role).count(now, Unit::None).expect(most.to_string());
    out(match now {
        0 | 255 => reading.found(Verdict::Bad, "its PCI Express link is down"),
        now => reading.judge_by(Rule::Maximum, now >= most || role == Role::Drive, Verdict::Degraded, || {
            format!("{now} of {most} PCI Express lanes: the slot, the riser or the card")
        }),
    });
}

/// Transfers per second of a lane. An idle GPU lowers its speed, so that a GPU's is not judged here.
fn speed(node: &Node, device: &str, role: Role, out: Out) {
    let at = |name: &str| node.word(&format!("{DEVICES}/{device}/{name}")).and_then(|word| transfers(&word));
    let (Some(now), Some(most)) = (at("current_link_speed"), at("max_link_speed")) else { return };
    let reading = reading("speed", device, role).number(now, Unit::TransfersPerSecond);
    out(match role {
        Role::Adapter => reading.expect(format!("{} GT/s", most / 1e9)).judge_by(
            Rule::Maximum,
            now >= most,
            Verdict::Degraded,
            || format!("its link runs at {} of {} GT/s", now / 1e9, most / 1e9),
        ),
        Role::Gpu | Role::Drive => reading,
    });
}

/// `32.0 GT/s PCIe` of the kernel's `pci-sysfs`.
fn transfers(word: &str) -> Option<f64> {
    let (number, rest) = word.split_once(' ')?;
    rest.starts_with("GT/s").then_some(())?;
    Some(number.parse::<f64>().ok()? * 1e9)
}

/// What Advanced Error Reporting counted since the boot.
fn errors(node: &Node, device: &str, role: Role, out: Out) {
    let kinds = [
        ("errors.fatal", "aer_dev_fatal", Verdict::Bad),
        ("errors.nonfatal", "aer_dev_nonfatal", Verdict::Degraded),
        ("errors.correctable", "aer_dev_correctable", Verdict::Ok),
    ];
    for (name, file, verdict) in kinds {
        let Ok(text) = node.text(&format!("{DEVICES}/{device}/{file}")) else { continue };
        let (count, worst) = tally(&text);
        let reading = reading(name, device, role).count(count, Unit::Total);
        let reading = if verdict == Verdict::Ok { reading } else { reading.expect("0") };
        out(reading.judge(count == 0 || verdict == Verdict::Ok, verdict, || {
            format!("the bus reported {count} such errors since the boot (mostly {worst})")
        }));
    }
}

/// Sum of an `aer_dev_*` file, and what most of it is: lines of a name and a count, then `TOTAL_ERR_…`.
fn tally(text: &str) -> (u64, &str) {
    let lines = text.lines().filter_map(|line| {
        let (name, count) = line.rsplit_once(' ')?;
        Some((name.trim(), count.parse::<u64>().ok()?))
    });
    let kinds: Vec<(&str, u64)> = lines.filter(|(name, _)| !name.starts_with("TOTAL")).collect();
    let worst = kinds.iter().max_by_key(|(_, count)| *count).map_or("", |(name, _)| name);
    (kinds.iter().map(|(_, count)| count).sum(), worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_summed_and_the_worst_is_named() {
        assert_eq!(tally("Undefined 0\nDLP 2\nSDES 1\nTOTAL_ERR_FATAL 3\n"), (3, "DLP"));
        assert_eq!(transfers("32.0 GT/s PCIe"), Some(32e9));
        assert_eq!(transfers("Unknown"), None);
    }
}
