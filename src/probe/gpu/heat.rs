//! Heat, power and clocks of a GPU.

use nvml_wrapper::Device;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor, TemperatureThreshold};

use super::answer::Answers;
use crate::reading::{Rule, Unit, Verdict};

/// Degrees below the point of slowing down at which a GPU is too hot.
const MARGIN: u32 = 3;

pub(super) fn read(device: &Device<'_>, answers: &mut Answers) {
    let slowdown = device.temperature_threshold(TemperatureThreshold::Slowdown).ok();
    answers.tell("temperature", device.temperature(TemperatureSensor::Gpu), |reading, degrees| {
        let reading = reading.number(f64::from(degrees), Unit::Celsius);
        match slowdown {
            Some(limit) => reading.expect(format!("< {}", limit.saturating_sub(MARGIN))).judge_by(
                Rule::Maximum,
                degrees + MARGIN < limit,
                Verdict::Degraded,
                || format!("{degrees} °C, and it slows down at {limit} °C"),
            ),
            None => reading,
        }
    });
    answers.tell("power", device.power_usage(), |reading, milliwatts| {
        reading.number(f64::from(milliwatts) / 1e3, Unit::Watts)
    });
    let usual = device.power_management_limit_default().ok();
    answers.tell("power.limit", device.enforced_power_limit(), |reading, limit| {
        let reading = reading.number(f64::from(limit) / 1e3, Unit::Watts);
        match usual {
            Some(usual) => reading.expect(format!(">= {}", usual / 1000)).judge_by(
                Rule::Maximum,
                limit >= usual,
                Verdict::Degraded,
                || format!("its power is limited to {} W, {} W are usual", limit / 1000, usual / 1000),
            ),
            None => reading,
        }
    });
    for (name, clock) in [("clock.sm", Clock::SM), ("clock.memory", Clock::Memory)] {
        answers.tell(name, device.clock_info(clock), |reading, now| reading.number(f64::from(now) * 1e6, Unit::Hertz));
        answers.tell(&format!("{name}.max"), device.max_clock_info(clock), |reading, most| {
            reading.number(f64::from(most) * 1e6, Unit::Hertz)
        });
    }
    answers.tell("utilization", device.utilization_rates(), |reading, rates| {
        reading.number(f64::from(rates.gpu) / 100.0, Unit::Ratio)
    });
    answers.tell("throttle", device.current_throttle_reasons(), |reading, reasons| {
        let said = slowed(reasons);
        let reading = reading.text(if said.is_empty() { "none".to_owned() } else { said.join(", ") });
        reading
            .expect("none")
            .judge(said.is_empty(), Verdict::Degraded, || format!("it is slowed down: {}", said.join(", ")))
    });
}

/// The reasons that are no part of normal work: idleness, settings and the power cap are.
fn slowed(reasons: ThrottleReasons) -> Vec<&'static str> {
    let bad = [
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "heat (hardware)"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power brake of the system"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "heat (software)"),
    ];
    let mut said: Vec<&str> =
        bad.iter().filter(|(reason, _)| reasons.contains(*reason)).map(|(_, name)| *name).collect();
    if said.is_empty() && reasons.contains(ThrottleReasons::HW_SLOWDOWN) {
        said.push("hardware slowdown");
    }
    said
}
