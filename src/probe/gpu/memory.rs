//! Errors of a GPU's memory, and rows or pages taken out of use.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, MemoryLocation, RetirementCause};

use super::answer::Answers;
use super::card::field;
use crate::reading::{Unit, Verdict};

/// `NVML_FI_DEV_REMAPPED_COR`, `_UNC`, `_PENDING`, `_FAILURE` (nvml.h of CUDA 11).
const REMAPPED: [(&str, u32); 4] =
    [("remap.correctable", 142), ("remap.uncorrectable", 143), ("remap.pending", 144), ("remap.failed", 145)];

/// Retired pages of a GPU without row remapping, from which it is to be replaced
/// (NVIDIA, Dynamic Page Retirement: RMA criteria, 60 pages).
const MOST_RETIRED: usize = 60;

pub(super) fn read(device: &Device<'_>, answers: &mut Answers) {
    answers.tell("ecc.enabled", device.is_ecc_enabled(), |reading, ecc| {
        reading.flag(ecc.currently_enabled).judge(
            ecc.currently_enabled == ecc.pending_enabled,
            Verdict::Degraded,
            || "a change of the ECC mode waits for a reset of the GPU".to_owned(),
        )
    });
    for (place, location) in [("dram", MemoryLocation::Device), ("sram", MemoryLocation::SRAM)] {
        for (error, kind) in [("uncorrected", MemoryError::Uncorrected), ("corrected", MemoryError::Corrected)] {
            for (since, counter) in [("volatile", EccCounter::Volatile), ("aggregate", EccCounter::Aggregate)] {
                let count = device.memory_error_counter(kind, counter, location);
                answers.tell(&format!("ecc.{place}.{error}.{since}"), count, |reading, count| {
                    let reading = reading.count(count, Unit::Total);
                    if (error, since) != ("uncorrected", "volatile") {
                        return reading;
                    }
                    // DCGM's health watch fails on volatile double-bit errors (DCGM_FR_VOLATILE_DBE_DETECTED, DCGM 3).
                    reading.expect("0").judge(count == 0, Verdict::Bad, || {
                        format!(
                            "{count} uncorrected errors of its {place} since the driver was loaded: it needs a reset"
                        )
                    })
                });
            }
        }
    }
    remapped(device, answers);
    retired(device, answers);
}

/// Rows that were replaced by spare ones (since Ampere).
fn remapped(device: &Device<'_>, answers: &mut Answers) {
    for (name, id) in REMAPPED {
        answers.tell(name, field(device, id), |reading, count| {
            let reading = reading.count(count, Unit::None);
            match name {
                "remap.pending" => reading.expect("0").judge(count == 0, Verdict::Degraded, || {
                    "rows wait to be remapped: the GPU must be reset before the next job".to_owned()
                }),
                "remap.failed" => reading.expect("0").judge(count == 0, Verdict::Bad, || {
                    "a row could not be remapped: the GPU must be replaced".to_owned()
                }),
                _ => reading,
            }
        });
    }
}

/// Pages taken out of use (before Ampere).
fn retired(device: &Device<'_>, answers: &mut Answers) {
    let pages = device.retired_pages(RetirementCause::DoubleBitEccError);
    let several = device.retired_pages(RetirementCause::MultipleSingleBitEccErrors);
    let both = pages.and_then(|pages| several.map(|several| pages.len() + several.len()));
    answers.tell("retired_pages", both, |reading, count| {
        reading.count(count as u64, Unit::None).expect(format!("< {MOST_RETIRED}")).judge(
            count < MOST_RETIRED,
            Verdict::Bad,
            || format!("{count} pages are retired: NVIDIA replaces a GPU from {MOST_RETIRED}"),
        )
    });
    answers.tell("retired_pages.pending", device.are_pages_pending_retired(), |reading, pending| {
        reading.flag(pending).judge(!pending, Verdict::Degraded, || {
            "pages wait to be retired: the GPU must be reset before the next job".to_owned()
        })
    });
}
