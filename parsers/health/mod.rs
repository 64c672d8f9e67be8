//! Verdicts of health checks: what a tool that tests nodes complains of, sorted by what it is about.
//!
//! Checkers word their complaints as they like; what they are about they say plainly (a row remap, an NVLink, a PCIe
//! width). Fields of all kinds: `test`, `what` (the complaint), `node`, `gpu`, `hca`.

mod autopilot;
mod node_check;
#[cfg(test)]
mod tests;

use crate::event::Name;

pub use autopilot::Autopilot;
pub use node_check::Nhc;

pub(crate) const MEMORY: Name = "health.memory";
pub(crate) const NVLINK: Name = "health.nvlink";
const THROTTLED: Name = "health.throttled";
pub(crate) const PCIE: Name = "health.pcie";
const HOST_BANDWIDTH: Name = "health.host_bandwidth";
pub(crate) const LOST: Name = "health.lost";
const INFOROM: Name = "health.inforom";
pub(crate) const FABRIC: Name = "health.fabric";
pub(crate) const IB_LINK: Name = "health.ib_link";
const IB_SLOW: Name = "health.ib_slow";
const COLLECTIVE_SLOW: Name = "health.collective_slow";
pub(crate) const FAILED: Name = "health.failed";

/// All kinds of verdict.
pub(crate) const KINDS: &[Name] = &[
    MEMORY,
    NVLINK,
    THROTTLED,
    PCIE,
    HOST_BANDWIDTH,
    LOST,
    INFOROM,
    FABRIC,
    IB_LINK,
    IB_SLOW,
    COLLECTIVE_SLOW,
    FAILED,
];

/// Words of a complaint, in lower case, and what it is about; the first that fits counts.
const WORDS: [(&str, Name); 52] = [
    ("fallen off the bus", LOST),
    (" corrected memory error", FAILED), // of the host's modules: nhc's check_hw_edac and check_hw_mcelog
    ("infiniband link", IB_LINK),
    ("link flapping", IB_LINK),
    ("ib link", IB_LINK),
    ("check_hw_ib", IB_LINK),
    ("no ib port", IB_LINK),
    ("check_ib_bw", IB_SLOW),
    ("ib bw", IB_SLOW),
    ("ib loopback", IB_SLOW),
    ("bus bw", COLLECTIVE_SLOW),
    ("double-bit", MEMORY),
    ("double bit", MEMORY),
    ("row remap", MEMORY),
    ("row_remap", MEMORY),
    ("remapped", MEMORY),
    ("page retirement", MEMORY),
    ("retired page", MEMORY),
    ("pages have been", MEMORY),
    ("retirement table", MEMORY),
    ("uncorrectable memory", MEMORY),
    ("uncorrectable ecc", MEMORY),
    ("uncorrectable/correctable ecc", MEMORY),
    ("faulty memory", MEMORY),
    ("faulty_memory", MEMORY),
    ("contained error", MEMORY),
    ("uncontained error", MEMORY),
    ("sram threshold", MEMORY),
    ("ecc error", MEMORY),
    ("(dbe)", MEMORY),
    ("fabric manager", FABRIC),
    ("fabric state", FABRIC),
    ("imex", FABRIC),
    ("nvlink", NVLINK),
    ("nvswitch", NVLINK),
    ("xgmi", NVLINK),
    ("thermal", THROTTLED),
    ("throttl", THROTTLED),
    ("clocks event", THROTTLED),
    ("slowdown", THROTTLED),
    ("temperature", THROTTLED),
    ("reach desired power", THROTTLED), // of DCGM's loads: the board draws or computes less than it is to
    ("reach desired stress", THROTTLED),
    ("pcie replay", PCIE),
    ("pcie link", PCIE),
    ("pcie gen", PCIE),
    ("link width", PCIE),
    ("check_gpu_bw", HOST_BANDWIDTH),
    ("bandwidth of gpu", HOST_BANDWIDTH),
    ("inforom", INFOROM),
    // DCGM's DCGM_FR_CUDA_API and DCGM_FR_MEMORY_ALLOC: the test did not run, whatever it is called
    ("error using cuda api", FAILED),
    ("couldn't allocate at least", FAILED),
];

/// What a complaint is about: as its words say, else as the name of the test does.
pub(crate) fn sort(test: &str, what: &str) -> Name {
    let by_words = |text: &str| {
        let text = text.to_ascii_lowercase();
        WORDS.iter().find(|(words, _)| text.contains(words)).map(|(_, kind)| *kind)
    };
    by_words(what).or_else(|| by_words(test)).or_else(|| by_test(test)).unwrap_or(FAILED)
}

/// Tests of DCGM whose name says what is wrong where no message does.
fn by_test(test: &str) -> Option<Name> {
    Some(match test.to_ascii_lowercase().as_str() {
        "gpu memory" | "memory" | "memtest" => MEMORY,
        "pcie" => HOST_BANDWIDTH,
        _ => return None,
    })
}

pub(crate) fn about(kind: &str) -> Option<&'static str> {
    Some(match kind {
        MEMORY => "A health check finds fault with a GPU's memory.",
        NVLINK => "A health check finds fault with the links between GPUs.",
        THROTTLED => "A health check finds a GPU slowed down or too hot.",
        PCIE => "A health check finds a PCIe link narrow, slow or full of errors.",
        HOST_BANDWIDTH => "A health check measures too little bandwidth between a GPU and its host.",
        LOST => "A health check finds that a GPU no longer answers.",
        INFOROM => "A health check finds the store of a GPU's own data damaged.",
        FABRIC => "A health check finds that the NVLink fabric is not up.",
        IB_LINK => "A health check finds an InfiniBand link down or flapping.",
        IB_SLOW => "A health check measures too little bandwidth of an adapter.",
        COLLECTIVE_SLOW => "A health check measures too little bandwidth of a collective.",
        FAILED => "A health check failed.",
        _ => return None,
    })
}
