//! GPUs, through NVML.
//!
//! A call into a driver that has lost a GPU may never come back: each GPU is a task of its own.

mod answer;
mod card;
mod heat;
mod links;
mod memory;

use std::ffi::{OsStr, OsString};
use std::sync::OnceLock;
use std::time::Duration;

use diag_raw::fabric::Fabric;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use self::answer::Answers;
use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe};
use crate::reading::{Reading, Unit, Verdict};

/// Where the driver lists its GPUs, by PCI address.
const DRIVER_LIST: &str = "/proc/driver/nvidia/gpus";

/// Names another library in the place of `libnvidia-ml.so.1`.
pub(super) const LIBRARY: &str = "DIAG_NVML";

/// NVML, opened once in a process and never closed: on one H200 (driver 580) opening takes 9 ms and closing 3, and a node
/// has up to sixteen GPUs.
static NVML: OnceLock<Result<Nvml, NvmlError>> = OnceLock::new();

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "gpu",
    about: "GPUs: count, links, memory errors, heat, fabric, left-over processes",
    deadline: Duration::from_secs(4),
    subjects,
    read,
};

/// The node as a whole, then each GPU that the driver lists.
fn subjects(node: &Node) -> Vec<String> {
    if !node.is_here() {
        return Vec::new();
    }
    let mut subjects = vec![String::new()];
    subjects.extend(node.list(DRIVER_LIST));
    subjects
}

fn library() -> OsString {
    std::env::var_os(LIBRARY).unwrap_or_else(|| OsString::from("libnvidia-ml.so.1"))
}

fn read(node: &Node, subject: &str, expected: &Expected, out: Out) {
    let library = library();
    let nvml = match NVML.get_or_init(|| Nvml::builder().lib_path(&library).init()) {
        Ok(nvml) => nvml,
        // What no GPU can be asked about is told once, of the node.
        Err(_) if !subject.is_empty() => return,
        Err(error) => return out(no_library(node, error)),
    };
    if !subject.is_empty() {
        let found = nvml.device_by_pci_bus_id(subject);
        return one(&library, found, ("gpu", subject), expected, out);
    }
    system(nvml, node, expected, out);
    if node.list(DRIVER_LIST).is_empty() {
        for index in 0..nvml.device_count().unwrap_or(0) {
            one(&library, nvml.device_by_index(index), ("index", &index.to_string()), expected, out);
        }
    }
}

/// Without a library there are no readings; with a GPU on the bus that is a fault.
fn no_library(node: &Node, error: &NvmlError) -> Reading {
    let reading = Reading::new("gpu", "driver");
    let on_bus = super::pci::nvidia_gpus(node);
    match (error, on_bus) {
        (NvmlError::LibRmVersionMismatch, _) => reading.found(
            Verdict::Bad,
            "the driver's library and kernel module are of different versions: the module must be loaded anew",
        ),
        (_, 0) => reading.found(Verdict::CannotRun, format!("no NVIDIA GPU on the bus, and no driver ({error})")),
        (NvmlError::NoPermission, _) => reading.found(Verdict::CannotRun, "no right to talk to the driver"),
        (_, on_bus) => {
            reading.found(Verdict::Bad, format!("{on_bus} NVIDIA GPUs on the bus, but no driver answers: {error}"))
        }
    }
}

/// What holds for all GPUs.
fn system(nvml: &Nvml, node: &Node, expected: &Expected, out: Out) {
    if let Ok(version) = nvml.sys_driver_version() {
        out(Reading::new("gpu", "driver").text(version));
    }
    if let Ok(version) = nvml.sys_cuda_driver_version() {
        out(Reading::new("gpu", "cuda").text(format!("{}.{}", version / 1000, version % 1000 / 10)));
    }
    let reading = Reading::new("gpu", "count");
    let count = match nvml.device_count() {
        Ok(count) => u64::from(count),
        Err(error) => return out(reading.found(Verdict::Unknown, format!("the driver does not tell: {error}"))),
    };
    let on_bus = super::pci::nvidia_gpus(node);
    let wanted = expected.gpus.unwrap_or(on_bus);
    let reading = reading.count(count, Unit::None).expect(wanted.to_string());
    out(reading.judge(count >= wanted, Verdict::Bad, || {
        let told = if expected.gpus.is_some() { "are expected" } else { "are on the bus" };
        format!("the driver has {count} GPUs, {wanted} {told}")
    }));
}

fn one(
    library: &OsStr,
    found: Result<Device<'_>, NvmlError>,
    (what, which): (&str, &str),
    expected: &Expected,
    out: Out,
) {
    let device = match found {
        Ok(device) => device,
        Err(error) => {
            let reading = Reading::new("gpu", "answers").of(what, which).flag(false);
            return out(answer::judged(reading, &error));
        }
    };
    let mut answers = Answers::of(&device, (what, which), out);
    card::read(&device, expected, &mut answers);
    memory::read(&device, &mut answers);
    heat::read(&device, &mut answers);
    links::read(&device, expected, &mut answers);
    links::fabric(Fabric::open(library).as_ref(), &device, &mut answers);
    card::processes(&device, &mut answers);
}
