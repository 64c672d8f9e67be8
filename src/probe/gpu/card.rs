//! What a GPU is, how it is set up, and who uses it.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::ComputeMode;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;

use super::answer::Answers;
use crate::probe::expected::Expected;
use crate::reading::{Unit, Verdict};

/// `NVML_FI_DEV_GET_GPU_RECOVERY_ACTION` (nvml.h of CUDA 12.8): what the driver itself advises.
const RECOVERY_ACTION: u32 = 230;

/// Memory that a GPU without processes may hold, in bytes: the driver's own share stays below 1 GiB.
const IDLE_MEMORY: u64 = 2 << 30;

pub(super) fn read(device: &Device<'_>, expected: &Expected, answers: &mut Answers) {
    answers.tell("name", device.name(), |reading, name| match &expected.gpu_name {
        Some(wanted) => {
            let same = name == *wanted;
            let reading = reading.text(&name).expect(wanted);
            reading.judge(same, Verdict::Bad, || format!("a {wanted} is expected here, this is a {name}"))
        }
        None => reading.text(name),
    });
    answers.tell("serial", device.serial(), |reading, serial| reading.text(serial));
    answers.tell("vbios", device.vbios_version(), |reading, version| reading.text(version));
    answers.tell("persistence", device.is_in_persistent_mode(), |reading, on| reading.flag(on));
    answers.tell("mig", device.mig_mode(), |reading, mode| {
        let reading = reading.flag(mode.current != 0);
        reading.judge(mode.current == mode.pending, Verdict::Degraded, || {
            "a change of the MIG mode waits for a reset of the GPU".to_owned()
        })
    });
    slices(device, answers);
    answers.tell("compute_mode", device.compute_mode(), |reading, mode| {
        let reading = reading.text(compute_mode(&mode));
        let usable = !matches!(mode, ComputeMode::Prohibited);
        reading.judge(usable, Verdict::Bad, || "the compute mode forbids any CUDA program".to_owned())
    });
    answers.tell("recovery_action", recovery_action(device), |reading, action| {
        let advice = ["none", "reset the GPU", "reboot the node", "drain peer-to-peer", "drain and reset the GPU"];
        let said = usize::try_from(action).ok().and_then(|at| advice.get(at)).copied().unwrap_or("unknown");
        let reading = reading.text(said).expect("none");
        reading.judge(action == 0, Verdict::Bad, || format!("the driver's own advice: {said}"))
    });
}

/// Most slices of a GPU (MIG User Guide, r570: seven).
const MOST_SLICES: u32 = 7;

/// The slices of a GPU that is divided: a job is given one of them, by its UUID.
fn slices(device: &Device<'_>, answers: &mut Answers) {
    if !device.mig_mode().is_ok_and(|mode| mode.current != 0) {
        return;
    }
    let most = device.mig_device_count().unwrap_or(0).min(MOST_SLICES);
    let slices: Vec<Device<'_>> = (0..most).filter_map(|index| device.mig_device_by_index(index).ok()).collect();
    answers.tell("mig.slices", Ok(slices.len() as u64), |reading, count| {
        reading.count(count, Unit::None).expect(">= 1").judge(count > 0, Verdict::Degraded, || {
            "the GPU is divided, but has no slice: no job can use it".to_owned()
        })
    });
    for slice in slices {
        answers.tell("mig.slice", slice.uuid(), |reading, uuid| {
            let size = slice.memory_info().map_or(0, |memory| memory.total);
            reading.of("slice", uuid).count(size, Unit::Bytes)
        });
    }
}

fn compute_mode(mode: &ComputeMode) -> &'static str {
    match mode {
        ComputeMode::Default => "default",
        ComputeMode::ExclusiveThread => "exclusive thread",
        ComputeMode::ExclusiveProcess => "exclusive process",
        ComputeMode::Prohibited => "prohibited",
    }
}

fn recovery_action(device: &Device<'_>) -> Result<u64, NvmlError> {
    field(device, RECOVERY_ACTION)
}

/// The value of one field.
pub(super) fn field(device: &Device<'_>, id: u32) -> Result<u64, NvmlError> {
    let mut values = device.field_values_for(&[FieldId(id)])?;
    match values.pop().ok_or(NvmlError::NotFound)??.value? {
        SampleValue::U32(value) => Ok(u64::from(value)),
        SampleValue::U64(value) => Ok(value),
        SampleValue::I64(value) => u64::try_from(value).map_err(|_| NvmlError::NotFound),
        SampleValue::F64(_) => Err(NvmlError::NotFound),
    }
}

/// Who uses the GPU, and whether memory is held by nobody.
pub(super) fn processes(device: &Device<'_>, answers: &mut Answers) {
    let running = device.running_compute_processes();
    let count = running.as_ref().ok().map(Vec::len);
    answers.tell("processes", running, |reading, running| {
        let pids: Vec<String> = running.iter().map(|process| process.pid.to_string()).collect();
        let reading = reading.count(running.len() as u64, Unit::None);
        if pids.is_empty() { reading } else { reading.of("pids", pids.join(",")) }
    });
    answers.tell("memory.total", device.memory_info(), |reading, memory| reading.count(memory.total, Unit::Bytes));
    answers.tell("memory.used", device.memory_info(), |reading, memory| {
        let held = count == Some(0) && memory.used > IDLE_MEMORY;
        reading.count(memory.used, Unit::Bytes).judge(!held, Verdict::Degraded, || {
            "memory is held by no process that the driver knows: left over from a dead one".to_owned()
        })
    });
}
