//! What a GPU answers, and what it means when it does not.

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::Out;
use crate::reading::{Reading, Verdict};

/// The readings of one GPU.
pub(super) struct Answers<'a> {
    gpu: Vec<(&'static str, String)>,
    lost: bool,
    out: Out<'a>,
}

impl<'a> Answers<'a> {
    /// Asks a GPU who it is; `known` is how it was found.
    pub(super) fn of(device: &Device<'_>, known: (&str, &str), out: Out<'a>) -> Self {
        let mut gpu = Vec::new();
        match device.pci_info() {
            Ok(pci) => gpu.push(("gpu", short_pci(&pci.bus_id))),
            Err(_) if known.0 == "gpu" => gpu.push(("gpu", known.1.to_owned())),
            Err(_) => {}
        }
        if let Ok(index) = device.index() {
            gpu.push(("index", index.to_string()));
        } else if known.0 == "index" {
            gpu.push(("index", known.1.to_owned()));
        }
        if let Ok(uuid) = device.uuid() {
            gpu.push(("uuid", uuid));
        }
        Self { gpu, lost: false, out }
    }

    /// A new reading of this GPU.
    pub(super) fn reading(&self, name: &str) -> Reading {
        self.gpu.iter().fold(Reading::new("gpu", name), |reading, (what, which)| reading.of(what, which.clone()))
    }

    /// Tells what was answered. What a product does not have is not told of; that it is lost is told once.
    pub(super) fn tell<T>(
        &mut self,
        name: &str,
        answer: Result<T, NvmlError>,
        judge: impl FnOnce(Reading, T) -> Reading,
    ) {
        match answer {
            Ok(value) => {
                let reading = judge(self.reading(name), value);
                (self.out)(reading);
            }
            Err(NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_) | NvmlError::InvalidArg) => {}
            Err(error @ (NvmlError::GpuLost | NvmlError::ResetRequired)) => {
                if !std::mem::replace(&mut self.lost, true) {
                    let reading = judged(self.reading("answers").flag(false), &error);
                    (self.out)(reading);
                }
            }
            Err(error) => {
                let reading = judged(self.reading(name), &error);
                (self.out)(reading);
            }
        }
    }
}

/// Judges that there was no answer.
pub(super) fn judged(reading: Reading, error: &NvmlError) -> Reading {
    match error {
        NvmlError::GpuLost => reading.found(Verdict::Bad, "the GPU has fallen off the bus"),
        NvmlError::ResetRequired => reading.found(Verdict::Bad, "the driver demands a reset of the GPU"),
        NvmlError::InsufficientPower => reading.found(Verdict::Bad, "the GPU's power cables are not attached properly"),
        NvmlError::IrqIssue => reading.found(Verdict::Bad, "the kernel found an interrupt issue with the GPU"),
        NvmlError::CorruptedInfoROM => reading.found(Verdict::Degraded, "the GPU's infoROM is corrupted"),
        NvmlError::NoPermission => reading.found(Verdict::CannotRun, "only root may ask this"),
        NvmlError::NotSupported => reading.found(Verdict::CannotRun, "this GPU does not tell"),
        // NVML leaves out GPUs that it could not start, and those whose device files a container or cgroup withholds.
        NvmlError::NotFound => reading.found(
            Verdict::Unknown,
            "the kernel's driver lists it, NVML does not: it did not start, or its device file is withheld from this process",
        ),
        error => reading.found(Verdict::Unknown, format!("the driver answers: {error}")),
    }
}

/// A PCI address with a domain of four digits, as the kernel writes it (`0000:3b:00.0`).
fn short_pci(long: &str) -> String {
    let lower = long.to_ascii_lowercase();
    let domain = lower.find(':').unwrap_or(0);
    let short = lower.strip_prefix("0000").filter(|_| domain == 8);
    short.unwrap_or(&lower).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_kernel_does() {
        assert_eq!(short_pci("00000000:3B:00.0"), "0000:3b:00.0");
        assert_eq!(short_pci("0000:3B:00.0"), "0000:3b:00.0");
        assert_eq!(short_pci("00010000:3B:00.0"), "00010000:3b:00.0");
    }
}
