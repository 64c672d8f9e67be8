//! Xids 144 to 150 by their registers: `playbooks/policy/nvlink5.toml`.

use serde::Deserialize;

/// The table.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Registers {
    #[serde(default)]
    rows: Vec<[String; 8]>,
}

/// What the registers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meaning {
    /// `IGNORE`, `RESET_GPU`, `XID_154_EVAL`.
    pub(super) action: String,
    /// What to look at then.
    pub(super) then: String,
}

impl Registers {
    /// The meaning of `NETIR_LINK_EVT Fatal XC0 i0 Link 08 (0x004505c6 0x00000000 …)`; none where no row fits.
    pub(super) fn decode(&self, xid: i64, what: &str) -> Option<Meaning> {
        let unit = what.split_whitespace().next()?;
        let mut numbers = what.split_once('(')?.1.split([' ', ',', ')']).filter(|part| !part.is_empty());
        let mut hex = || u32::from_str_radix(numbers.next()?.trim_start_matches("0x"), 16).ok();
        let (intr, status) = (hex()?, hex()?);
        let number = xid.to_string();
        let fits = |row: &&[String; 8]| {
            row[0] == number
                && row[1].split(['/', ' ']).any(|name| name.eq_ignore_ascii_case(unit))
                && (masked(&row[2], intr) || masked(&row[3], intr))
                && row[4].split('/').any(|wanted| equal(wanted, status))
        };
        self.rows.iter().find(fits).map(|row| Meaning { action: row[5].clone(), then: row[6].clone() })
    }
}

/// Whether a number has the bits of a mask, the highest first; a dash stands for either.
fn masked(mask: &str, number: u32) -> bool {
    mask.len() == 32
        && mask.bytes().enumerate().all(|(at, bit)| match bit {
            b'-' => true,
            bit => (number >> (31 - at)) & 1 == u32::from(bit == b'1'),
        })
}

/// Whether a status is the one wanted; an empty one takes any.
fn equal(wanted: &str, status: u32) -> bool {
    wanted.is_empty() || u32::from_str_radix(wanted.trim_start_matches("0x"), 16) == Ok(status)
}

#[cfg(test)]
mod tests {
    use super::super::Policy;

    #[test]
    fn the_same_xid_may_be_a_note_or_ask_for_a_reset() {
        let action = |what: &str| Policy::built_in().nvlink5.decode(145, what).map(|meaning| meaning.action);
        // RLW_REMAP up to R570 has 0010000010 in its lowest bits.
        assert_eq!(action("RLW_REMAP Nonfatal XC1 i0 Link 10 (0x00000082 0x00000100 0x0)").as_deref(), Some("IGNORE"));
        assert_eq!(action("RLW_REMAP Fatal XC1 i0 Link 10 (0x00000082 0x00000040 0x0)").as_deref(), Some("RESET_GPU"));
        assert_eq!(action("RLW_REMAP Fatal XC1 i0 Link 10 (0x00000083 0x00000040 0x0)"), None);
        assert_eq!(action("no registers"), None);
    }
}
