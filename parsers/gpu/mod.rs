//! What a reading of a GPU means, whichever tool printed it: nvidia-smi as text, XML or CSV.
//!
//! A reading has a path, `ecc_errors/volatile/sram_uncorrectable`, and a value, `3` or `Yes`. Healthy readings make no
//! event.

use crate::event::{Fields, Name, Says};

/// Memory returned data that could not be corrected: since the driver was loaded (`scope` volatile), or more often than a
/// GPU may (`scope` aggregate). Fields: `memory` (sram, dram), `scope`, `count` (errors).
pub(crate) const ECC: Name = "gpu.ecc_uncorrectable";
/// The same of the GPU's whole life, within bounds.
pub(crate) const ECC_HISTORY: Name = "gpu.ecc_history";
/// A row of memory waits for a reset to be replaced.
pub(crate) const REMAP_PENDING: Name = "gpu.remap_pending";
/// A row could not be replaced: there is none left.
pub(crate) const REMAP_FAILURE: Name = "gpu.remap_failure";
/// More pages out of use for errors of two bits than a GPU may have. Fields: `errors`, `count` (pages).
pub(crate) const PAGES_RETIRED: Name = "gpu.pages_retired";
/// Pages out of use, within bounds. The same fields.
pub(crate) const PAGES_HISTORY: Name = "gpu.pages_history";
/// A page waits for a restart to be taken out of use. Field: `double_bit` (pages retired for such errors).
pub(crate) const RETIREMENT_PENDING: Name = "gpu.retirement_pending";
/// Clocks are held down. Field: `what`, the reason in nvidia-smi's words.
pub(crate) const SLOWED: Name = "nvidia_smi.slowed";
/// What the driver asks for. Field: `action`.
pub(crate) const RECOVERY: Name = "gpu.recovery_action";
/// The GPU has not joined its NVLink fabric. Field: `state`.
pub(crate) const FABRIC: Name = "gpu.fabric_state";
/// Fewer PCIe lanes than possible. Fields: `width`, `width_max` (lanes).
pub(crate) const PCIE_NARROW: Name = "gpu.pcie_narrow";
/// As many PCIe lanes as possible: what a narrow neighbour is compared with. Field: `width` (lanes).
pub(crate) const PCIE_FULL: Name = "gpu.pcie_full";
/// One process a GPU only. Field: `mode`.
pub(crate) const EXCLUSIVE: Name = "gpu.exclusive";
/// A reading that could not be taken. Fields: `what` (`ERR!`, `Unknown Error`), `reading`.
pub(crate) const UNREADABLE: Name = "gpu.unreadable";
/// The GPU is lost to the driver.
pub(crate) const LOST: Name = "gpu.lost";

/// All kinds of reading.
pub(crate) const KINDS: &[Name] = &[
    ECC,
    ECC_HISTORY,
    REMAP_PENDING,
    REMAP_FAILURE,
    PAGES_RETIRED,
    PAGES_HISTORY,
    RETIREMENT_PENDING,
    SLOWED,
    RECOVERY,
    FABRIC,
    PCIE_NARROW,
    PCIE_FULL,
    EXCLUSIVE,
    UNREADABLE,
    LOST,
];

/// SRAM errors of its whole life that a GPU may have; above, it is replaced (H100 and later: the driver's own `SRAM
/// Threshold Exceeded`; before: stas00/ml-engineering accelerator/nvidia/debug.md, 2025, after NVIDIA's RMA rules).
const MOST_SRAM: i64 = 4;

/// Pages out of use for errors of two bits from which on a GPU is to be replaced (DCGM 3 `DCGM_LIMIT_MAX_RETIRED_PAGES_SOFT_LIMIT`).
const MOST_RETIRED: i64 = 15;

pub(crate) fn about(kind: &str) -> Option<&'static str> {
    Some(match kind {
        ECC => "A GPU's memory returned data that could not be corrected.",
        ECC_HISTORY => "Uncorrectable errors in the life of a GPU's memory, long since dealt with.",
        REMAP_PENDING => "A row of a GPU's memory waits for a reset to be replaced.",
        REMAP_FAILURE => "A row of a GPU's memory could not be replaced.",
        PAGES_RETIRED => "More pages of a GPU's memory are out of use than a GPU may have.",
        PAGES_HISTORY => "Pages of a GPU's memory are out of use.",
        RETIREMENT_PENDING => "A page of a GPU's memory waits for a restart to be taken out of use.",
        SLOWED => "The driver holds a GPU's clocks down for its temperature or its power supply.",
        RECOVERY => "The driver says what a GPU needs before it can be used again.",
        FABRIC => "A GPU has not joined its NVLink fabric.",
        PCIE_NARROW => "A GPU uses fewer PCIe lanes than it can.",
        PCIE_FULL => "A GPU uses all the PCIe lanes it can.",
        EXCLUSIVE => "A GPU takes one process at a time.",
        UNREADABLE => "A reading of a GPU could not be taken.",
        LOST => "A GPU no longer answers on the PCIe bus.",
        _ => return None,
    })
}

/// What an event is made of.
pub(crate) type Told = (Name, Says, Fields);

/// One GPU while its readings come in.
#[derive(Debug, Default)]
pub(crate) struct Gpu {
    width_max: Option<i64>,
    double_bit: i64,
}

impl Gpu {
    /// Keeps what later readings are compared with.
    pub(crate) fn note(&mut self, path: &str, value: &str) {
        if path.contains("link_width") && path.contains("max") {
            self.width_max = lanes(value);
        }
        if path.contains("retire") && is_double(path) {
            self.double_bit = count(value).unwrap_or_default();
        }
    }

    /// What a reading means; nothing where all is well. A path is in lower case, its words joined by `_`.
    pub(crate) fn judge(&self, path: &str, value: &str) -> Option<Told> {
        if let Some(kind) = failed_to_read(value) {
            let reading = path.rsplit('/').next().unwrap_or_default();
            let says = if kind == LOST { Says::Failure } else { Says::Warning };
            return Some((kind, says, fields([("what", value.trim().into()), ("reading", reading.into())])));
        }
        if path.contains("counters") || path.contains("histogram") || path.contains("sources") {
            return None;
        }
        if path.contains("remap") {
            return remapped(path, value);
        }
        if path.contains("retire") {
            return self.retired(path, value);
        }
        if path.contains("ecc") || path.contains("repair") {
            return memory(path, value);
        }
        if path.contains("link_width") {
            return self.width(path, value);
        }
        state(path, value)
    }

    fn retired(&self, path: &str, value: &str) -> Option<Told> {
        if path.contains("pending") {
            let pages = fields([("double_bit", self.double_bit.into())]);
            return yes(value).then_some((RETIREMENT_PENDING, Says::Warning, pages));
        }
        let errors = if is_double(path) { "double-bit" } else { "single-bit" };
        let pages = count(value).filter(|count| *count > 0 && !path.contains("list"))?;
        let told = fields([("errors", errors.into()), ("count", pages.into())]);
        if errors == "double-bit" && pages >= MOST_RETIRED {
            Some((PAGES_RETIRED, Says::Warning, told))
        } else {
            Some((PAGES_HISTORY, Says::Info, told))
        }
    }

    fn width(&self, path: &str, value: &str) -> Option<Told> {
        let (most, now) = (self.width_max?, lanes(value).filter(|_| !path.contains("max"))?);
        // The slot, not the GPU, may have so few: a host of a cloud, a desktop. Neighbours tell.
        let told = fields([("width", now.into()), ("width_max", most.into())]);
        match now.cmp(&most) {
            std::cmp::Ordering::Less if now > 0 => Some((PCIE_NARROW, Says::Warning, told)),
            std::cmp::Ordering::Equal => Some((PCIE_FULL, Says::Info, told)),
            _ => None,
        }
    }
}

/// Whether a path is about errors of two bits.
fn is_double(path: &str) -> bool {
    path.contains("double") || path.contains("dbe")
}

/// What takes the place of a value that the driver could not read.
fn failed_to_read(value: &str) -> Option<Name> {
    match value.trim() {
        "GPU is lost" | "[GPU is lost]" => Some(LOST),
        "Unknown Error" | "[Unknown Error]" | "ERR!" | "GPU requires reset" | "[GPU requires reset]" => {
            Some(UNREADABLE)
        }
        _ => None,
    }
}

fn remapped(path: &str, value: &str) -> Option<Told> {
    let kind = match () {
        () if path.ends_with("pending") => REMAP_PENDING,
        () if path.contains("failure") => REMAP_FAILURE,
        () => return None,
    };
    yes(value).then(|| (kind, Says::Warning, Fields::default()))
}

/// `ecc_errors/volatile/dram_uncorrectable`, `ecc.errors.uncorrected.volatile.total`, `ecc_errors/aggregate/double_bit/total`.
fn memory(path: &str, value: &str) -> Option<Told> {
    if path.ends_with("threshold_exceeded") && yes(value) {
        return Some((ECC, Says::Warning, fields([("memory", "sram".into()), ("scope", "aggregate".into())])));
    }
    if path.contains("repair_pending") && yes(value) {
        return Some((REMAP_PENDING, Says::Warning, Fields::default()));
    }
    if path.contains("unrepairable") && yes(value) {
        return Some((REMAP_FAILURE, Says::Warning, Fields::default()));
    }
    let uncorrected = path.contains("uncorr") || is_double(path);
    let errors = count(value).filter(|count| uncorrected && *count > 0)?;
    let memory = if path.contains("sram") { "sram" } else { "dram" };
    let scope = if path.contains("aggregate") { "aggregate" } else { "volatile" };
    let told = fields([("memory", memory.into()), ("scope", scope.into()), ("count", errors.into())]);
    if scope == "volatile" || (memory == "sram" && errors > MOST_SRAM) {
        Some((ECC, Says::Warning, told))
    } else {
        Some((ECC_HISTORY, Says::Info, told))
    }
}

/// Reasons for lowered clocks that are no normal operation, and what nvidia-smi calls them.
const SLOWDOWNS: [(&str, &str); 5] = [
    ("hw_thermal_slowdown", "HW Thermal Slowdown"),
    ("hw_power_brake", "HW Power Brake Slowdown"),
    ("sw_thermal_slowdown", "SW Thermal Slowdown"),
    ("hw_slowdown", "HW Slowdown"),
    ("thermal_violation", "Thermal Violation"),
];

fn state(path: &str, value: &str) -> Option<Told> {
    let value = value.trim();
    let known =
        !matches!(value, "" | "N/A" | "[N/A]" | "None" | "Not Supported" | "[Not Supported]" | "No" | "Unknown");
    let key = path.rsplit(['/', '.']).next().unwrap_or_default();
    if value == "Active" {
        let (_, what) = SLOWDOWNS.iter().find(|(part, _)| key.contains(part))?;
        return Some((SLOWED, Says::Warning, fields([("what", (*what).into())])));
    }
    if path.contains("fabric") && matches!(key, "state" | "status") {
        let up = matches!(value, "Completed" | "Success");
        return (known && !up).then(|| (FABRIC, Says::Warning, fields([("state", value.into())])));
    }
    if key.contains("recovery_action") {
        return known.then(|| (RECOVERY, Says::Warning, fields([("action", value.into())])));
    }
    if matches!(key, "reset_required" | "drain_and_reset_recommended") && yes(value) {
        return Some((RECOVERY, Says::Warning, fields([("action", "GPU Reset Required".into())])));
    }
    let exclusive = key == "compute_mode" && value.to_ascii_lowercase().contains("exclusive");
    exclusive.then(|| (EXCLUSIVE, Says::Info, fields([("mode", value.into())])))
}

fn yes(value: &str) -> bool {
    matches!(value.trim(), "Yes" | "yes" | "1")
}

fn count(value: &str) -> Option<i64> {
    value.trim().parse().ok()
}

/// `16x` or `16`.
fn lanes(value: &str) -> Option<i64> {
    value.trim().trim_end_matches('x').parse().ok()
}

fn fields<const N: usize>(list: [(Name, crate::Value); N]) -> Fields {
    list.into_iter().collect()
}

/// A title as a word of a path: `Remapping Failure Occurred` is `remapping_failure_occurred`.
pub(crate) fn word(title: &str) -> String {
    let joined: String =
        title.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    joined.replace("__", "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(readings: &[(&str, &str)]) -> Vec<(Name, Fields)> {
        let mut gpu = Gpu::default();
        readings.iter().for_each(|(path, value)| gpu.note(path, value));
        readings
            .iter()
            .filter_map(|(path, value)| gpu.judge(path, value))
            .map(|(kind, _, fields)| (kind, fields))
            .collect()
    }

    #[test]
    fn what_is_well_makes_no_event() {
        let well = [
            ("ecc_errors/volatile/sram_uncorrectable", "0"),
            ("ecc_errors/volatile/dram_correctable", "177"),
            ("retired_pages/pending_page_blacklist", "No"),
            ("remapped_rows/uncorrectable_error", "2"),
            ("clocks_event_reasons/sw_power_cap", "Active"),
            ("clocks_event_reasons/hw_slowdown", "Not Active"),
            ("fabric/state", "Completed"),
            ("fabric/status", "N/A"),
            ("gpu_recovery_action", "None"),
            ("compute_mode", "Default"),
        ];
        assert_eq!(judged(&well), []);
    }

    #[test]
    fn lifetime_errors_count_only_beyond_the_bound() {
        let kinds = |reading| judged(&[reading]).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
        assert_eq!(kinds(("ecc_errors/aggregate/sram_uncorrectable", "4")), [ECC_HISTORY]);
        assert_eq!(kinds(("ecc_errors/aggregate/sram_uncorrectable", "5")), [ECC]);
        assert_eq!(kinds(("ecc_errors/aggregate/dram_uncorrectable", "40")), [ECC_HISTORY]);
        assert_eq!(kinds(("ecc.errors.uncorrected.volatile.total", "1")), [ECC]);
    }

    #[test]
    fn lanes_are_compared_with_the_most_that_are_possible() {
        let full = [("link_width/max", "16x"), ("link_width/current", "16x")];
        assert_eq!(judged(&full)[0].0, PCIE_FULL);
        let narrow = [("pcie.link.width.max/link_width_max", "16"), ("pcie.link.width.current/link_width", "8")];
        let told = judged(&narrow);
        assert_eq!(told[0].0, PCIE_NARROW);
        assert_eq!((told[0].1.int("width"), told[0].1.int("width_max")), (Some(8), Some(16)));
    }

    #[test]
    fn a_page_that_waits_tells_of_double_bit_errors_before_it() {
        let pages = [("retired_pages/double_bit_ecc", "61"), ("retired_pages/pending_page_blacklist", "Yes")];
        let told = judged(&pages);
        assert_eq!(told.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [PAGES_RETIRED, RETIREMENT_PENDING]);
        assert_eq!(told[1].1.int("double_bit"), Some(61));
    }

    #[test]
    fn a_reading_that_fails_is_one() {
        assert_eq!(
            judged(&[("product_name", "Unknown Error"), ("fan_speed", "GPU is lost")])
                .iter()
                .map(|(kind, _)| *kind)
                .collect::<Vec<_>>(),
            [UNREADABLE, LOST]
        );
    }
}
