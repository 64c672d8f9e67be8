//! A stand-in for `libnvidia-ml.so.1`: eight H100s whose faults stand in the file that `FAKE_NVML` names.
//!
//! One `key = value` a line: `count = 8`, `init = 9` (what nvmlInit returns), and of GPU 3 for example `3.lost = 1`,
//! `3.hang = 1`, `3.dram = 2` (uncorrected errors since the driver was loaded), `3.sram`, `3.remap_pending`,
//! `3.remap_failed`, `3.recovery`, `3.links` (active NVLinks), `3.throttle` (bits), `3.temperature`, `3.width`, `3.fabric`,
//! `3.used` (bytes), `3.pid`, `3.busy` (percent), `3.mig` and `3.slices`. `domain = 9` puts all of them on another PCI domain,
//! as on Grace. More than eight: `count = 16`.
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::unnecessary_to_owned)]
#![allow(clippy::disallowed_methods, reason = "reads which faults a test wants")]

use std::collections::HashMap;
use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};
use std::sync::OnceLock;

const SUCCESS: c_int = 0;
const INVALID_ARGUMENT: c_int = 2;
const NOT_SUPPORTED: c_int = 3;
const INSUFFICIENT_SIZE: c_int = 7;
const GPU_IS_LOST: c_int = 15;

/// Handles are an index past this.
const FIRST: usize = 0x1000;

fn faults() -> &'static HashMap<String, u64> {
    static FAULTS: OnceLock<HashMap<String, u64>> = OnceLock::new();
    FAULTS.get_or_init(|| {
        let text = std::env::var("FAKE_NVML").ok().and_then(|path| std::fs::read_to_string(path).ok());
        let text = text.unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.filter_map(|(key, value)| Some((key.trim().to_owned(), value.trim().parse().ok()?))).collect()
    })
}

fn number(key: &str, usual: u64) -> u64 {
    faults().get(key).copied().unwrap_or(usual)
}

/// What GPU `index` says for `key`.
fn of(index: usize, key: &str, usual: u64) -> u64 {
    number(&format!("{index}.{key}"), usual)
}

/// Handles of slices (MIG) are past this: a hundred for each GPU.
const SLICES: usize = 100_000;

/// The index behind a handle, or the error that the GPU answers with. A GPU that hangs never comes back.
fn index(handle: *mut c_void) -> Result<usize, c_int> {
    let index = (handle as usize).wrapping_sub(FIRST);
    if of(index, "hang", 0) != 0 {
        loop {
            std::thread::park();
        }
    }
    if of(index, "lost", 0) != 0 { Err(GPU_IS_LOST) } else { Ok(index) }
}

unsafe fn put<T>(at: *mut T, value: T) -> c_int {
    if at.is_null() {
        return INVALID_ARGUMENT;
    }
    unsafe { at.write(value) };
    SUCCESS
}

unsafe fn put_text(text: &str, at: *mut c_char, room: c_uint) -> c_int {
    if text.len() + 1 > room as usize {
        return INSUFFICIENT_SIZE;
    }
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), at, text.len());
        at.add(text.len()).write(0);
    }
    SUCCESS
}

/// Defines calls of the form `(device, one out-parameter)`.
macro_rules! answers {
    ($($name:ident: $kind:ty = |$index:ident| $value:expr;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(device: *mut c_void, at: *mut $kind) -> c_int {
            match index(device) {
                Ok($index) => unsafe { put(at, $value as $kind) },
                Err(error) => error,
            }
        }
    )*};
}

/// Defines calls of the form `(device, buffer, length)`.
macro_rules! texts {
    ($($name:ident = |$index:ident| $value:expr;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(device: *mut c_void, at: *mut c_char, room: c_uint) -> c_int {
            match index(device) {
                Ok($index) => unsafe { put_text(&$value, at, room) },
                Err(error) => error,
            }
        }
    )*};
}

answers! {
    nvmlDeviceGetIndex: c_uint = |index| index;
    nvmlDeviceGetMinorNumber: c_uint = |index| index;
    nvmlDeviceGetPersistenceMode: c_uint = |_index| 1;
    nvmlDeviceGetComputeMode: c_uint = |index| of(index, "compute_mode", 0);
    nvmlDeviceGetPerformanceState: c_uint = |index| of(index, "pstate", 0);
    nvmlDeviceGetPowerUsage: c_uint = |_index| 95_000;
    nvmlDeviceGetEnforcedPowerLimit: c_uint = |index| of(index, "power_limit", 700_000);
    nvmlDeviceGetPowerManagementDefaultLimit: c_uint = |_index| 700_000;
    nvmlDeviceGetCurrPcieLinkWidth: c_uint = |index| of(index, "width", 16);
    nvmlDeviceGetMaxPcieLinkWidth: c_uint = |_index| 16;
    nvmlDeviceGetCurrPcieLinkGeneration: c_uint = |index| of(index, "generation", 5);
    nvmlDeviceGetMaxPcieLinkGeneration: c_uint = |_index| 5;
    nvmlDeviceGetPcieReplayCounter: c_uint = |_index| 0;
    nvmlDeviceGetCurrentClocksThrottleReasons: c_ulonglong = |index| of(index, "throttle", 0);
}

texts! {
    nvmlDeviceGetName = |_index| "NVIDIA H100 80GB HBM3".to_owned();
    nvmlDeviceGetUUID = |index| {
        let kind = if index < SLICES { "GPU" } else { "MIG" };
        format!("{kind}-5d0c0d5e-0000-4000-8000-{index:012}")
    };
    nvmlDeviceGetSerial = |index| format!("16513230000{index:02}");
    nvmlDeviceGetVbiosVersion = |_index| "96.00.89.00.01".to_owned();
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> c_int {
    number("init", 0) as c_int
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> c_int {
    nvmlInit_v2()
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlErrorString(code: c_int) -> *const c_char {
    let text = match code {
        0 => c"Success",
        9 => c"Driver Not Loaded",
        15 => c"GPU is lost",
        _ => c"Unknown Error",
    };
    text.as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(at: *mut c_char, room: c_uint) -> c_int {
    unsafe { put_text("570.86.15", at, room) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(at: *mut c_int) -> c_int {
    unsafe { put(at, 12080) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(at: *mut c_uint) -> c_int {
    unsafe { put(at, number("count", 8) as c_uint) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, at: *mut *mut c_void) -> c_int {
    if u64::from(index) >= number("count", 8) {
        return INVALID_ARGUMENT;
    }
    unsafe { put(at, (FIRST + index as usize) as *mut c_void) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(device: *mut c_void, at: *mut c_uint) -> c_int {
    match index(device) {
        Ok(_) => unsafe { put(at, 7) },
        Err(error) => error,
    }
}

const NOT_FOUND: c_int = 6;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: *mut c_void,
    slice: c_uint,
    at: *mut *mut c_void,
) -> c_int {
    match index(device) {
        Ok(index) if u64::from(slice) < of(index, "slices", 0) => {
            let handle = FIRST + SLICES + 100 * index + slice as usize;
            unsafe { put(at, handle as *mut c_void) }
        }
        Ok(_) => NOT_FOUND,
        Err(error) => error,
    }
}

/// `nvmlUtilization_t`.
#[repr(C)]
pub struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: *mut c_void, at: *mut Utilization) -> c_int {
    match index(device) {
        Ok(index) => unsafe { put(at, Utilization { gpu: of(index, "busy", 0) as c_uint, memory: 0 }) },
        Err(error) => error,
    }
}

/// `nvmlPciInfo_t` of version 3.
#[repr(C)]
pub struct PciInfo {
    bus_id_legacy: [c_char; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    pci_device_id: c_uint,
    pci_sub_system_id: c_uint,
    bus_id: [c_char; 32],
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: *mut c_void, at: *mut PciInfo) -> c_int {
    let index = match index(device) {
        Ok(index) => index,
        Err(error) => return error,
    };
    let (domain, bus) = (number("domain", 0), 0x1b + 0x0d * index);
    unsafe {
        at.write(std::mem::zeroed());
        (*at).bus = bus as c_uint;
        let long = format!("{domain:08X}:{bus:02X}:00.0");
        let short = format!("{domain:04X}:{bus:02X}:00.0");
        put_text(&short, (*at).bus_id_legacy.as_mut_ptr(), 16);
        put_text(&long, (*at).bus_id.as_mut_ptr(), 32)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEccMode(device: *mut c_void, now: *mut c_uint, next: *mut c_uint) -> c_int {
    match index(device) {
        Ok(_) => unsafe {
            put(now, 1);
            put(next, 1)
        },
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigMode(device: *mut c_void, now: *mut c_uint, next: *mut c_uint) -> c_int {
    match index(device) {
        Ok(index) => unsafe {
            put(now, of(index, "mig", 0) as c_uint);
            put(next, of(index, "mig_pending", of(index, "mig", 0)) as c_uint)
        },
        Err(error) => error,
    }
}

/// Kinds: 0 corrected, 1 uncorrected. Counters: 0 volatile, 1 aggregate. Places: 2 DRAM, 7 SRAM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryErrorCounter(
    device: *mut c_void,
    kind: c_uint,
    counter: c_uint,
    place: c_uint,
    at: *mut c_ulonglong,
) -> c_int {
    let index = match index(device) {
        Ok(index) => index,
        Err(error) => return error,
    };
    let count = match (kind, counter, place) {
        (1, _, 2) => of(index, "dram", 0),
        (1, _, 7) => of(index, "sram", 0),
        (0, 1, 2) => of(index, "dram_corrected", 0),
        (_, _, 2 | 7) => 0,
        _ => return NOT_SUPPORTED,
    };
    unsafe { put(at, count) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperature(device: *mut c_void, _sensor: c_uint, at: *mut c_uint) -> c_int {
    match index(device) {
        Ok(index) => unsafe { put(at, of(index, "temperature", 34) as c_uint) },
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperatureThreshold(
    device: *mut c_void,
    kind: c_uint,
    at: *mut c_uint,
) -> c_int {
    match index(device) {
        Ok(_) => unsafe { put(at, if kind == 0 { 92 } else { 87 }) },
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetClockInfo(device: *mut c_void, kind: c_uint, at: *mut c_uint) -> c_int {
    match index(device) {
        Ok(_) => unsafe { put(at, if kind == 2 { 2619 } else { 1980 }) },
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxClockInfo(device: *mut c_void, kind: c_uint, at: *mut c_uint) -> c_int {
    unsafe { nvmlDeviceGetClockInfo(device, kind, at) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkState(device: *mut c_void, link: c_uint, at: *mut c_uint) -> c_int {
    match index(device) {
        Ok(_) if link >= 18 => INVALID_ARGUMENT,
        Ok(index) => unsafe { put(at, c_uint::from(u64::from(link) < of(index, "links", 18))) },
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkErrorCounter(
    device: *mut c_void,
    _link: c_uint,
    _counter: c_uint,
    at: *mut c_ulonglong,
) -> c_int {
    match index(device) {
        Ok(index) => unsafe { put(at, of(index, "link_errors", 0)) },
        Err(error) => error,
    }
}

/// `nvmlMemory_v2_t`.
#[repr(C)]
pub struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: *mut c_void, at: *mut Memory) -> c_int {
    match index(device) {
        Ok(index) => {
            let whole = if index < SLICES { 85_520_809_984 } else { 10 << 30 };
            let (total, used) = (of(index, "memory", whole), of(index, "used", 500 << 20));
            let version = unsafe { (*at).version };
            unsafe { put(at, Memory { version, total, reserved: 0, free: total - used, used }) }
        }
        Err(error) => error,
    }
}

/// `nvmlProcessInfo_t` of version 2.
#[repr(C)]
pub struct ProcessInfo {
    pid: c_uint,
    used: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: *mut c_void,
    count: *mut c_uint,
    at: *mut ProcessInfo,
) -> c_int {
    let pid = match index(device) {
        Ok(index) => of(index, "pid", 0),
        Err(error) => return error,
    };
    let there = c_uint::from(pid != 0);
    unsafe {
        if there > *count {
            *count = there;
            return INSUFFICIENT_SIZE;
        }
        *count = there;
        if there > 0 {
            at.write(ProcessInfo { pid: pid as c_uint, used: 1 << 30, gpu_instance: !0, compute_instance: !0 });
        }
    }
    SUCCESS
}

/// `nvmlFieldValue_t`.
#[repr(C)]
pub struct FieldValue {
    id: c_uint,
    scope: c_uint,
    timestamp: i64,
    latency: i64,
    kind: c_uint,
    outcome: c_int,
    value: c_ulonglong,
}

/// The value is an `unsigned int` (kind 1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetFieldValues(device: *mut c_void, count: c_int, at: *mut FieldValue) -> c_int {
    let index = match index(device) {
        Ok(index) => index,
        Err(error) => return error,
    };
    for nth in 0..usize::try_from(count).unwrap_or(0) {
        let field = unsafe { &mut *at.add(nth) };
        let value = match field.id {
            142 => Some(0),
            143 => Some(of(index, "remapped", 0)),
            144 => Some(of(index, "remap_pending", 0)),
            145 => Some(of(index, "remap_failed", 0)),
            230 => Some(of(index, "recovery", 0)),
            _ => None,
        };
        field.kind = 1;
        field.outcome = if value.is_some() { SUCCESS } else { NOT_SUPPORTED };
        field.value = value.unwrap_or(0);
    }
    SUCCESS
}

/// `nvmlGpuFabricInfo_v2_t`.
#[repr(C)]
pub struct FabricInfo {
    version: c_uint,
    cluster: [u8; 16],
    status: c_uint,
    clique: c_uint,
    state: u8,
    health: c_uint,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGpuFabricInfoV(device: *mut c_void, at: *mut FabricInfo) -> c_int {
    let index = match index(device) {
        Ok(index) => index,
        Err(error) => return error,
    };
    unsafe {
        if (*at).version as usize & 0xff_ffff != size_of::<FabricInfo>() {
            return INVALID_ARGUMENT;
        }
        (*at).status = of(index, "fabric_status", 0) as c_uint;
        (*at).state = of(index, "fabric", 3) as u8;
    }
    SUCCESS
}
