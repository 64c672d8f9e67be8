//! How a GPU is connected: PCI Express, NVLink, the NVLink fabric.

use diag_raw::fabric::{Fabric, State};
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::PerformanceState;
use nvml_wrapper::enum_wrappers::nv_link::ErrorCounter;
use nvml_wrapper::error::NvmlError;

use super::answer::Answers;
use crate::probe::expected::Expected;
use crate::reading::{Rule, Unit, Verdict};

/// `NVML_NVLINK_MAX_LINKS` (nvml.h of CUDA 12): links that a GPU may have.
const MOST_LINKS: u32 = 18;

pub(super) fn read(device: &Device<'_>, expected: &Expected, answers: &mut Answers) {
    pci(device, answers);
    nvlink(device, expected, answers);
}

fn pci(device: &Device<'_>, answers: &mut Answers) {
    let most = device.max_pcie_link_width().ok();
    answers.tell("pcie.width", device.current_pcie_link_width(), |reading, now| {
        let reading = reading.count(u64::from(now), Unit::None);
        match most {
            Some(most) => {
                reading.expect(most.to_string()).judge_by(Rule::Maximum, now >= most, Verdict::Degraded, || {
                    format!("{now} of {most} PCI Express lanes: the slot, the riser or the card")
                })
            }
            None => reading,
        }
    });
    // An idle GPU lowers its link speed: only one at work is judged.
    let at_work = matches!(device.performance_state(), Ok(PerformanceState::Zero));
    let most = device.max_pcie_link_gen().ok();
    answers.tell("pcie.generation", device.current_pcie_link_gen(), |reading, now| {
        let reading = reading.count(u64::from(now), Unit::None);
        match most {
            Some(most) if at_work => {
                reading.expect(most.to_string()).judge_by(Rule::Maximum, now >= most, Verdict::Degraded, || {
                    format!("PCI Express generation {now} at work, {most} is possible")
                })
            }
            _ => reading,
        }
    });
    answers.tell("pcie.replays", device.pcie_replay_counter(), |reading, count| {
        reading.count(u64::from(count), Unit::Total)
    });
}

fn nvlink(device: &Device<'_>, expected: &Expected, answers: &mut Answers) {
    let states: Vec<(u32, Result<bool, NvmlError>)> =
        (0..MOST_LINKS).map(|link| (link, device.link_wrapper_for(link).is_active())).collect();
    let there = states.iter().filter(|(_, state)| state.is_ok()).count();
    if there == 0 {
        return;
    }
    let active = states.iter().filter(|(_, state)| matches!(state, Ok(true))).count() as u64;
    let down: Vec<String> =
        states.iter().filter(|(_, state)| matches!(state, Ok(false))).map(|(link, _)| link.to_string()).collect();
    answers.tell("nvlink.active", Ok(active), |reading, active| {
        let reading = reading.count(active, Unit::None);
        let reading = if down.is_empty() { reading } else { reading.of("inactive", down.join(",")) };
        match expected.nvlinks {
            Some(wanted) => {
                reading.expect(wanted.to_string()).judge_by(Rule::Profile, active >= wanted, Verdict::Bad, || {
                    format!("{active} of {wanted} NVLinks are active; inactive: {}", down.join(", "))
                })
            }
            None => reading,
        }
    });
    let counters =
        [("replay", ErrorCounter::DlReplay), ("recovery", ErrorCounter::DlRecovery), ("crc", ErrorCounter::DlCrcFlit)];
    for (name, counter) in counters {
        let each = states.iter().filter(|(_, state)| matches!(state, Ok(true)));
        let counts: Result<Vec<u64>, _> =
            each.map(|(link, _)| device.link_wrapper_for(*link).error_counter(counter)).collect();
        answers.tell(&format!("nvlink.errors.{name}"), counts, |reading, counts| {
            reading.count(counts.iter().sum(), Unit::Total)
        });
    }
}

/// Whether the GPU has joined its fabric: before that CUDA can't be initialised.
pub(super) fn fabric(library: Option<&Fabric>, device: &Device<'_>, answers: &mut Answers) {
    let Some(state) = library.and_then(|library| library.state(device)) else { return };
    let said = match state {
        State::NotSupported => return,
        State::NotStarted => "not started".to_owned(),
        State::InProgress => "in progress".to_owned(),
        State::Completed(0) => "completed".to_owned(),
        State::Completed(status) => format!("failed with NVML status {status}"),
        State::Other(other) => format!("state {other}"),
    };
    answers.tell("fabric", Ok(said), |reading, said| {
        let joined = state == State::Completed(0);
        let reading = reading.text(&said).expect("completed");
        reading.judge(joined, Verdict::Bad, || {
            format!(
                "its registration with the NVLink fabric is: {said}; CUDA can't start on it (is the fabric manager up?)"
            )
        })
    });
}
