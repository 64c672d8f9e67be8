//! The faults that are staged, and how each has to end.

/// How a case has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// A test failed, something was done, and the test passes.
    Fixed,
    /// No software mends it from afar: the node is drained, and its hand-over written.
    Contained,
    /// Somebody else answers there: nothing is changed, and a person is told.
    Refused,
}

/// A fault of one host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// As `hosts.sh fault` takes it.
    pub(super) what: &'static str,
    /// The host that it befalls.
    pub(super) host: &'static str,
    /// The cause that has to be named first.
    pub(super) cause: &'static str,
    /// What is agreed to beforehand.
    pub(super) approve: &'static str,
    /// What else is said on the command line.
    pub(super) more: &'static [&'static str],
    /// Whether the host has a management controller that the site names.
    pub(super) bmc: bool,
    /// How it has to end.
    pub(super) want: Want,
}

const fn fault(
    what: &'static str,
    host: &'static str,
    cause: &'static str,
    approve: &'static str,
    want: Want,
) -> Fault {
    Fault { what, host, cause, approve, more: &[], bmc: false, want }
}

impl Fault {
    const fn with(mut self, more: &'static [&'static str]) -> Self {
        self.more = more;
        self
    }

    const fn with_bmc(mut self) -> Self {
        self.bmc = true;
        self
    }

    /// Whether a job is left on the node that Slurm asks it to end again only minutes later; until then no other is started.
    pub(super) fn leaves_a_job(&self) -> bool {
        self.more == BUSY
    }

    /// Whether it befalls the network that jobs use, beside the one by which the host is reached.
    pub(super) fn on_data(&self) -> bool {
        self.what.ends_with("/eth1")
    }
}

/// The job that could not be started is still being torn down on the node.
const BUSY: &[&str] = &["--on-busy"];

/// Faults of the way to a host, which no look at one host shows: those that a sweep has to find.
pub(super) const SWEPT: &[&str] = &["lossy", "far"];

/// An attack, and no fault to be mended.
pub(super) const IMPOSTOR: Fault =
    fault("impostor", "gpu-006", "node-unreachable", "destructive", Want::Refused).with(RENEW);

/// That trust is changed is agreed to by name.
const RENEW: &[&str] = &["--name", "renew-host-key"];

/// The slow ones first, so that the last to end are short.
pub(super) const FAULTS: &[Fault] = &[
    fault("mute", "gpu-006", "node-unreachable", "disruptive", Want::Fixed),
    // A cable that is cut stays so, whatever power does: it is drained in the end.
    fault("link-down", "gpu-003", "node-unreachable", "disruptive", Want::Contained)
        .with(&["--set", "wait=10"])
        .with_bmc(),
    fault("dead", "gpu-005", "node-unreachable", "disruptive", Want::Fixed).with_bmc(),
    fault("interface-down", "gpu-004", "node-unreachable", "disruptive", Want::Fixed).with_bmc(),
    fault("slurmd-hangs", "gpu-007", "slurmd-down", "disruptive", Want::Fixed).with(BUSY),
    fault("slurmd-killed", "gpu-002", "slurmd-down", "disruptive", Want::Fixed).with(BUSY),
    fault("munge-dead", "gpu-005", "slurm-auth", "disruptive", Want::Fixed).with(BUSY),
    fault("interface-down/eth1", "gpu-003", "net-link-down", "disruptive", Want::Fixed),
    fault("link-down/eth1", "gpu-005", "net-link-down", "reversible", Want::Contained),
    fault("slow-link", "gpu-004", "net-slow", "disruptive", Want::Fixed),
    fault("sshd-stopped", "gpu-008", "node-unreachable", "disruptive", Want::Fixed),
    fault("mtu", "gpu-006", "net-slow", "disruptive", Want::Fixed),
    fault("jumbo/eth1", "gpu-002", "net-slow", "disruptive", Want::Fixed),
    fault("memlock", "gpu-007", "ib-memlock", "disruptive", Want::Fixed),
    fault("small-shm", "gpu-003", "shm-exhausted", "reversible", Want::Fixed),
    fault("full-shm", "gpu-005", "shm-exhausted", "destructive", Want::Fixed).with(&["--name", "remove-left-over"]),
    fault("port-held", "gpu-005", "port-conflict", "destructive", Want::Fixed).with(&["--name", "end-left-over"]),
    fault("disk-full", "gpu-004", "disk-full", "destructive", Want::Fixed).with(&[
        "--name",
        "remove-file",
        "--set",
        "path=/mnt/left-over",
    ]),
    fault("read-only", "gpu-008", "storage-stall", "reversible", Want::Fixed),
    fault("host-key", "gpu-006", "node-unreachable", "destructive", Want::Fixed).with(RENEW),
];
