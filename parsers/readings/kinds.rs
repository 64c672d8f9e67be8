//! The kinds of event that readings make.

use crate::event::Name;

pub(super) const LOOK: Name = "probe.look";
pub(super) const UNKNOWN: Name = "probe.unknown";
pub(super) const CANNOT_RUN: Name = "probe.cannot_run";
/// A look in which nothing could be read.
pub(super) const NOTHING: Name = "probe.nothing_read";
/// A node that could not be reached for a look.
pub(super) const UNREACHABLE: Name = "probe.unreachable";
/// A node that was reached and is not who it should be, or does not let us in.
pub(super) const NOT_TRUSTED: Name = "probe.not_trusted";
/// A number that is compared with those of other nodes.
pub(super) const MEASURED: Name = "probe.measured";
/// An Xid in the kernel's log.
pub(super) const XID: Name = "probe.kernel.xid";
/// A reading that this release does not know by name.
pub(super) const OTHER: Name = "probe.other";
/// A GPU that the driver says to have fallen off the bus.
pub(super) const GPU_LOST: Name = "probe.gpu.lost";
/// A GPU of which the driver tells an error instead of a value.
pub(super) const GPU_ANSWERS: Name = "probe.gpu.answers";
pub(super) const REFUSED: Name = "hook.refused";
pub(super) const HELD_BACK: Name = "hook.held_back";
pub(super) const PASSED_LOUDLY: Name = "hook.passed_loudly";

/// All of them: those that stand for many readings, then one a reading that can be bad or degraded.
pub(super) static ALL: &[Name] = &[
    LOOK,
    UNKNOWN,
    CANNOT_RUN,
    NOTHING,
    UNREACHABLE,
    NOT_TRUSTED,
    MEASURED,
    OTHER,
    REFUSED,
    HELD_BACK,
    PASSED_LOUDLY,
    GPU_LOST,
    GPU_ANSWERS,
    "probe.gpu.driver",
    "probe.gpu.count",
    "probe.gpu.name",
    "probe.gpu.mig",
    "probe.gpu.compute_mode",
    "probe.gpu.recovery_action",
    "probe.gpu.memory.used",
    "probe.gpu.ecc.enabled",
    "probe.gpu.ecc.dram.uncorrected.volatile",
    "probe.gpu.ecc.sram.uncorrected.volatile",
    "probe.gpu.remap.pending",
    "probe.gpu.remap.failed",
    "probe.gpu.retired_pages",
    "probe.gpu.retired_pages.pending",
    "probe.gpu.temperature",
    "probe.gpu.power.limit",
    "probe.gpu.clock.sm.max",
    "probe.gpu.throttle",
    "probe.gpu.pcie.width",
    "probe.gpu.pcie.generation",
    "probe.gpu.nvlink.active",
    "probe.gpu.fabric",
    XID,
    "probe.kernel.gpu_lost",
    "probe.kernel.machine_check",
    "probe.kernel.pcie_fatal",
    "probe.kernel.lockup",
    "probe.kernel.link_flaps",
    "probe.pci.width",
    "probe.pci.speed",
    "probe.pci.errors.fatal",
    "probe.pci.errors.nonfatal",
    "probe.pci.acs",
    "probe.fabric.ports.active",
    "probe.fabric.state",
    "probe.fabric.rate",
    "probe.fabric.addresses",
    "probe.fabric.flaps",
    "probe.fabric.errors.rising",
    "probe.ethernet.carrier",
    "probe.ethernet.shaper",
    "probe.limits.memlock",
    "probe.limits.nofile",
    "probe.cgroup.memory",
    "probe.cgroup.pids",
    "probe.cgroup.cpus",
    "probe.memory.total",
    "probe.memory.available",
    "probe.memory.ecc.uncorrected",
    "probe.memory.hugepages.free",
    "probe.memory.hugepages.reserved",
    "probe.disks.free",
    "probe.disks.inodes.free",
    "probe.disks.shm.size",
    "probe.disks.shm.free",
    "probe.disks.read_only",
    "probe.drives.health",
    "probe.drives.wear",
    "probe.drives.media_errors",
    "probe.mounts.mounted",
    "probe.mounts.answers",
    "probe.services.running",
    "probe.services.slurmd",
    "probe.services.munge",
    "probe.services.peermem",
    "probe.config.sysctl",
    "probe.config.cmdline",
    "probe.config.kernel",
    "probe.config.module",
    "probe.config.driver",
    "probe.leftovers.shm.bytes",
    "probe.leftovers.sysv.bytes",
    "probe.leftovers.job.processes",
    "probe.leftovers.job.shm",
    "probe.clock.synchronised",
];

/// The kind of a reading.
pub(super) fn of(probe: &str, name: &str) -> Name {
    let parts = |kind: &&Name| {
        let rest = kind.strip_prefix("probe.").and_then(|rest| rest.strip_prefix(probe));
        rest.and_then(|rest| rest.strip_prefix('.')) == Some(name)
    };
    ALL.iter().find(parts).copied().unwrap_or(OTHER)
}

/// What a kind means, in one sentence.
pub(super) fn about(kind: &str) -> Option<&'static str> {
    Some(match kind {
        LOOK => "a node was looked at",
        UNKNOWN => "a reading of a node did not come in time, or made no sense",
        CANNOT_RUN => "a reading of a node can't be taken there",
        NOTHING => "nothing could be read of a node",
        UNREACHABLE => "a node can't be reached",
        NOT_TRUSTED => "a node is not trusted, or does not trust us: its host key or our login",
        MEASURED => "a number that is alike on nodes of one type",
        XID => "the kernel's log of a node holds an Xid that is a fault of the GPU",
        "probe.kernel.gpu_lost" => "the kernel's log says that a GPU has fallen off the bus",
        "probe.kernel.machine_check" => "the processor or the memory reported a hardware error",
        "probe.kernel.pcie_fatal" => "the bus reported a fatal error",
        "probe.kernel.lockup" => "a processor was stuck in the kernel",
        "probe.kernel.link_flaps" | "probe.fabric.flaps" => "a link of a node went down and came back",
        "probe.fabric.errors.rising" => "a port counts more and more errors",
        "probe.drives.health" => "a drive says that it fails",
        "probe.gpu.throttle" => "a GPU is slowed down",
        "probe.gpu.pcie.width" | "probe.pci.width" => "a link of the bus has fewer lanes than it can",
        "probe.disks.free" => "a file system of a node is full",
        "probe.disks.shm.size" => "a node has little shared memory",
        "probe.disks.shm.free" => "the shared memory of a node is full",
        "probe.ethernet.carrier" => "an interface of a node has lost its link",
        "probe.ethernet.shaper" => "an interface of a node holds traffic back",
        "probe.disks.read_only" => "a file system of a node can't be written",
        OTHER => "a reading of a node is not as it should be",
        REFUSED => "a hook kept a job from a node",
        HELD_BACK => "a hook would have kept a job from a node, but was held back",
        PASSED_LOUDLY => "a hook let a job pass on a node that somebody should look at",
        GPU_LOST => "a GPU has fallen off the bus",
        GPU_ANSWERS => "a GPU does not answer the driver",
        "probe.gpu.driver" => "no driver answers for the GPUs of a node",
        "probe.gpu.count" => "a node has fewer GPUs than it should",
        "probe.gpu.recovery_action" => "the driver asks for a GPU to be reset, or for more",
        "probe.gpu.remap.pending" | "probe.gpu.retired_pages.pending" => "a repair of a GPU's memory waits for a reset",
        "probe.gpu.fabric" => "a GPU has not joined the NVLink fabric",
        "probe.gpu.nvlink.active" => "NVLinks of a GPU are down",
        "probe.limits.memlock" => "jobs of a node may lock too little memory",
        "probe.mounts.answers" => "a file system of a node answers with an error",
        "probe.services.slurmd" => "the daemon of a node that starts jobs is stopped",
        "probe.services.munge" => "the daemon of a node by which Slurm's daemons know each other is stopped",
        "probe.services.running" => "a daemon of a node does not run",
        _ => return None,
    })
}
