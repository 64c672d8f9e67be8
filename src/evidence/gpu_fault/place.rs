//! Names of a GPU that mean the same: with or without function, with a domain of four digits or eight.

/// Which GPU a line names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Domain, bus and device on PCI.
    Pci(u32, u8, u8),
    /// Another name, the driver's index say.
    Named(String),
    /// None is named.
    Unknown,
}

impl Place {
    /// Reads `0000:3b:00`, `00000000:3B:00.0` or `0000:3b:00.0`.
    pub(super) fn of(text: &str) -> Self {
        let mut parts = text.split(':');
        let mut hex = |cut: bool| {
            let part = parts.next()?;
            u32::from_str_radix(if cut { part.split('.').next()? } else { part }, 16).ok()
        };
        match (hex(false), hex(false), hex(true)) {
            (Some(domain), Some(bus), Some(device)) if bus < 256 && device < 32 => {
                Self::Pci(domain, bus as u8, device as u8)
            }
            _ => Self::Named(text.to_owned()),
        }
    }

    /// A text that is the same for names that mean the same.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Pci(domain, bus, device) => format!("{domain:x}:{bus:02x}:{device:02x}"),
            Self::Named(name) => name.clone(),
            Self::Unknown => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn one_gpu_has_several_names() {
        let all = ["0000:3b:00", "00000000:3B:00.0", "0000:3b:00.0"].map(Place::of);
        assert!(all.iter().all(|place| *place == all[0]));
        assert_ne!(Place::of("0001:3b:00"), all[0]);
        assert_eq!(Place::of("GPU-5c1e7a90"), Place::Named("GPU-5c1e7a90".to_owned()));
    }
}
