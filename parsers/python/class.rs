//! Who has to explain an exception: the program, its communication, its launcher, its GPU.

use std::sync::LazyLock;

use super::errno;
use crate::search::Search;

/// What kind of trouble an exception tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Communication broke: the cause is elsewhere.
    Comm,
    /// A launcher or framework passes on that a process failed.
    Launcher,
    /// The GPU, its driver or its memory; the lines of `cuda` tell which.
    Device,
    /// The launch configuration does not fit.
    Config,
    /// A module or library can't be loaded.
    Import,
    /// A file is missing or can't be opened.
    File,
    /// Reading or writing failed.
    Io,
    /// The host has no memory left.
    Memory,
    /// Anything else: the program's own.
    Plain,
}

/// Whole messages of `RuntimeError` that only torch's store raises so barely: `torch/csrc/distributed/c10d`, v1.4 on.
const BARE: [&str; 6] = [
    "Connection refused",
    "Connection timed out",
    "No route to host",
    "Stop_waiting response is expected",
    "Interrupted system call",
    "Network is unreachable",
];

type Rule = (Class, &'static [&'static str], &'static [&'static str]);

/// In order: class, types, parts of the message. Types and messages are of PyTorch 1.9 to 2.9, CPython 3.8 to 3.13,
/// Ray 2, vLLM 0.6 on.
const RULES: [Rule; 8] = [
    (
        Class::Launcher,
        &[
            "ChildFailedError",
            "ProcessRaisedException",
            "ProcessExitedException",
            "SystemExit",
            "KeyboardInterrupt",
            "SignalException",
            "SIGTERMException",
            "CancelledError",
            "CalledProcessError",
            "RayActorError",
            "ActorDiedError",
            "RayTaskError",
            "WorkerCrashedError",
            "EngineDeadError",
            "WorkerDied",
            "ActorUnavailableError",
            "TrainingFailedError",
            "WorkerGroupError",
            "NodeDiedError",
            "OwnerDiedError",
            "ObjectLostError",
            "RaySystemError",
            "BrokenProcessPool",
        ],
        &[
            "Engine core initialization failed",
            "Engine process failed",
            "WorkerProc initialization failed",
            "Worker failed with error",
            "died unexpectedly",
            "pool is not usable anymore",
        ],
    ),
    (
        Class::Device,
        &["OutOfMemoryError", "AcceleratorError", "CUDARuntimeError", "CUDADriverError", "NVMLError"],
        &[
            "CUDA out of memory",
            "CUDA error",
            "CUDA driver",
            "CUDA unknown error",
            "cuDNN error",
            "CUBLAS_STATUS",
            "CUDNN_STATUS",
            "HIP error",
            "HIP out of memory",
            "no kernel image",
            "No CUDA GPUs are available",
            "not compiled with CUDA",
            "no NVIDIA driver",
            "The NVIDIA driver",
            "no GPUs found",
            "cudaError",
            "cudaGetDeviceCount",
            "NVML",
            "Triton Error [",
            "requires at least one CUDA device",
            "No visible GPU devices",
            "RESOURCE_EXHAUSTED: Out of memory",
            "XPU out of memory",
            "DataLoader worker (pid",
            "from file </torch",
            "shared memory",
            "No space left",
            "Disk quota exceeded",
            "Unexpected error from cuda",
        ],
    ),
    (
        Class::Comm,
        &[
            "DistBackendError",
            "DistNetworkError",
            "DistStoreError",
            "RendezvousConnectionError",
            "RendezvousTimeoutError",
            "RendezvousClosedError",
            "BrokenPipeError",
            "ConnectionResetError",
            "EOFError",
            "ConnectionAbortedError",
            "DistError",
            "HorovodInternalError",
        ],
        &[
            "caused pair closure",
            "Horovod has been shut down",
            "coordination service",
            "CoordinationService",
            "stopped sending heartbeats",
            "Barrier timed out",
            "DEADLINE_EXCEEDED",
            "NCCL operation",
            "ncclCommInit",
            "custom call 'xla.gpu.all_",
            "NCCL_ERROR_",
            "Timed out in store",
            "timed out connecting",
            "Connect timeout",
            "NCCL error",
            "NCCL communicator",
            "Connection closed by peer",
            "Connection reset by peer",
            "Broken pipe",
            "ms for recv operation",
            "ms for send operation",
            "Socket Timeout",
            "store->get",
            "wait timeout after",
            "Watchdog caught",
            "monitoredBarrier",
            "got 0 bytes",
            "client socket has timed out",
            "connect() timed out. Original timeout was",
            "server socket has failed",
            "EADDRINUSE",
            "Address already in use",
            "store based barrier",
            "connectFullMesh",
            "gloo/transport",
            "mismatch between collectives",
            "NCCL Error",
            "MCCL",
            "HCCL error",
            "function error: Hccl",
            "RCCL",
            "waiting for clients",
            "DDP expects same model",
            "appears not to match",
        ],
    ),
    (
        Class::Import,
        &["ImportError", "ModuleNotFoundError"],
        // The last two: operators and classes of a compiled extension that was not loaded (torch/_ops.py, torch/_classes.py).
        &["undefined symbol", "cannot open shared object", "'_OpNamespace' '", "is registered via torch::class_"],
    ),
    (
        Class::Config,
        &[
            "ConfigAttributeError",
            "ConfigKeyError",
            "ArgumentError",
            "MissingMandatoryValue",
            "ValidationError",
            "ScannerError",
            "ParserError",
            "MissingConfigException",
            "ConfigCompositionException",
            "DeepSpeedConfigError",
            "MisconfigurationException",
        ],
        &[
            "world size",
            "world_size",
            "must be divisible",
            "is not divisible",
            "not divisible by",
            "parallel size",
            "parallel_size",
            "environment variable",
            "environ",
            "unrecognized arguments",
            "invalid device ordinal",
            "batch related parameters",
            "expected, but not set",
            "Error initializing torch.distributed",
            "Unable to find address for",
            "num_nodes",
            "nproc_per_node",
            "MASTER_ADDR",
            "larger than the available KV cache memory",
            "tokens that can be stored in KV cache",
            "No available memory for the cache blocks",
            "less than desired GPU memory utilization",
            "--mem-fraction-static",
        ],
    ),
    (Class::File, &["FileNotFoundError", "NotADirectoryError", "IsADirectoryError"], &["No such file or directory"]),
    (Class::Memory, &["MemoryError"], &["Cannot allocate memory", "DefaultCPUAllocator", "Unable to allocate"]),
    (
        Class::Io,
        &[],
        &[
            "Input/output error",
            "Stale file handle",
            "Errno 5]",
            "Errno 116]",
            "Errno 121]",
            "Transport endpoint",
            "Communication error on send",
        ],
    ),
];

/// The parts of messages, each with its rule, and a search for all of them at once.
struct Parts {
    search: Search,
    rules: Vec<usize>,
}

static PARTS: LazyLock<Parts> = LazyLock::new(|| {
    let all = RULES.iter().enumerate().flat_map(|(rule, (_, _, parts))| parts.iter().map(move |part| (rule, *part)));
    let (rules, parts) = all.map(|(rule, part)| (rule, part.as_bytes().to_vec())).unzip();
    Parts { search: Search::plain(parts), rules }
});

/// The first rule of which a message holds a part.
fn by_message(message: &str) -> Option<usize> {
    let mut hits = Vec::new();
    PARTS.search.find(message.as_bytes(), &mut hits);
    hits.into_iter().map(|hit| PARTS.rules[hit.literal as usize]).min()
}

impl Class {
    /// The class of an exception; `kind` may be dotted.
    pub(super) fn of(kind: &str, message: &str) -> Self {
        let short = kind.rsplit('.').next().unwrap_or(kind);
        let short = short.split('(').next().unwrap_or(short);
        let bare = short == "RuntimeError" && BARE.contains(&message.trim_end_matches('.'));
        if bare || errno::unresolved(short, message) {
            return Self::Comm;
        }
        // Triton's, of a kernel that asks for more shared memory or registers than the GPU has (triton/runtime/errors.py).
        if short == "OutOfResources" {
            return Self::Plain;
        }
        if let Some(class) = errno::class(short, message) {
            return class;
        }
        let by_type = RULES.iter().position(|(_, types, _)| types.contains(&short));
        let rule = match by_type {
            Some(0) => by_type,
            _ => by_type.into_iter().chain(by_message(message)).min(),
        };
        rule.map_or(Self::Plain, |rule| RULES[rule].0)
    }

    /// As the field `class` says it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Comm => "comm",
            Self::Launcher => "launcher",
            Self::Device => "device",
            Self::Config => "config",
            Self::Import => "import",
            Self::File => "file",
            Self::Io => "io",
            Self::Memory => "memory",
            Self::Plain => "plain",
        }
    }
}
