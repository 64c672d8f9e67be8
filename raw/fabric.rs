//! Whether a GPU has joined its NVLink fabric.
#![allow(unsafe_code, reason = "nvml-wrapper 0.13 has no call for the fabric")]

use std::ffi::OsStr;

use nvml_wrapper::Device;
use nvml_wrapper_sys::bindings::{NvmlLib, nvmlGpuFabricInfo_v2_t, nvmlGpuFabricInfoV_t};

/// How far a GPU's registration with the fabric manager is (`nvmlGpuFabricState_t`, nvml.h of CUDA 12.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// This GPU has no fabric.
    NotSupported,
    /// The fabric manager has not begun.
    NotStarted,
    /// Probing goes on.
    InProgress,
    /// Joined, with the status of joining: 0 is success.
    Completed(u32),
    /// A state that this version doesn't know.
    Other(u8),
}

/// A second handle to the library, for the symbol that the wrapper lacks.
pub struct Fabric {
    library: NvmlLib,
}

impl std::fmt::Debug for Fabric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fabric")
    }
}

impl Fabric {
    /// Opens the library that NVML was opened from; `None` where it can't be opened again.
    pub fn open(library: &OsStr) -> Option<Self> {
        // SAFETY: the same library is open already and initialised; opening it again runs no initialiser.
        let library = unsafe { NvmlLib::new(library) }.ok()?;
        Some(Self { library })
    }

    /// The state of a GPU; `None` where the driver has no such call or refuses it.
    pub fn state(&self, device: &Device<'_>) -> Option<State> {
        let call = self.library.nvmlDeviceGetGpuFabricInfoV.as_ref().ok()?;
        // SAFETY: a plain structure of integers, for which all zeros is a value.
        let mut info: nvmlGpuFabricInfoV_t = unsafe { std::mem::zeroed() };
        // Version 2 of the structure (`NVML_STRUCT_VERSION`): its size in the low bits, the number in the highest byte.
        // The driver fills only what version 2 has, which version 3 begins with.
        info.version = u32::try_from(size_of::<nvmlGpuFabricInfo_v2_t>()).ok()? | 2 << 24;
        // SAFETY: the handle belongs to the live `device`; `info` is as large as its version says or larger.
        let said = unsafe { call(device.handle(), &raw mut info) };
        (said == 0).then_some(match info.state {
            0 => State::NotSupported,
            1 => State::NotStarted,
            2 => State::InProgress,
            3 => State::Completed(info.status),
            other => State::Other(other),
        })
    }
}
