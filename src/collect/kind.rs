//! What an input is, by its content.

use super::decode::{self, textual};

/// Bytes from the start of an input that are looked at.
pub(super) const HEAD: usize = 64 << 10;

/// Share of control characters, in percent, above which bytes are no text. Random bytes have 11.
const MOST_CONTROLS: usize = 5;

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No bytes, or none but NULs so far.
    Nothing,
    /// Text in any encoding.
    Text,
    /// A compressed stream.
    Packed(Packing),
    /// A tar archive.
    Tar,
    /// A zip archive.
    Zip,
    /// Something that is no log.
    Other(&'static Other),
}

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
    Xz,
}

/// Something that is no log, or none that can be read here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Other {
    /// Code of the remark.
    pub(super) code: &'static str,
    magic: &'static [u8],
    /// What it is.
    pub(super) what: &'static str,
    /// What makes a log of it; `{}` stands for its name.
    pub(super) way_on: &'static str,
}

const fn packed(magic: &'static [u8], what: &'static str, way_on: &'static str) -> Other {
    Other { code: "input.packed", magic, what, way_on }
}

const fn binary(magic: &'static [u8], what: &'static str, way_on: &'static str) -> Other {
    Other { code: "input.binary", magic, what, way_on }
}

/// First bytes of what is no log, with what to do about it.
static OTHERS: [Other; 29] = [
    packed(b"BZh", "is compressed with bzip2", "bzcat {} | diag analyze -"),
    packed(b"7z\xbc\xaf\x27\x1c", "is a 7z archive", "7z x -ologs {} && diag analyze logs"),
    packed(b"Rar!\x1a\x07", "is a RAR archive", "unrar x {} logs/ && diag analyze logs"),
    packed(b"\x04\x22\x4d\x18", "is compressed with lz4", "lz4 -dc {} | diag analyze -"),
    packed(b"\x89LZO\0", "is compressed with lzop", "lzop -dc {} | diag analyze -"),
    packed(b"\x1f\x9d", "is compressed with compress", "zcat {} | diag analyze -"),
    packed(b"\xed\xab\xee\xdb", "is an RPM package", ""),
    packed(b"!<arch>\n", "is an ar archive or a Debian package", ""),
    packed(b"hsqs", "is a squashfs image", "unsquashfs -d logs {} && diag analyze logs"),
    Other {
        code: "input.journal",
        magic: b"LPKSHHRH",
        what: "is a journal file of systemd",
        way_on: "journalctl --file {} -o short-iso-precise | diag analyze -",
    },
    binary(b"\x7fELF", "is a program, a library or a core dump", "for a core dump: gdb -batch -ex bt PROGRAM {}"),
    binary(b"KDUMP   ", "is a dump of a kernel", "crash VMLINUX {}; its log: vmcore-dmesg {}"),
    binary(b"ElfFile\0", "is an event log of Windows", ""),
    binary(b"SQLite format 3\0", "is an SQLite database", ""),
    binary(b"PERFILE2", "is a recording of perf", "perf report -i {}"),
    binary(b"\xd4\xc3\xb2\xa1", "is a packet capture", "tcpdump -r {}"),
    binary(b"\x0a\x0d\x0d\x0a", "is a packet capture", "tcpdump -r {}"),
    binary(b"\x89HDF\r\n\x1a\n", "is an HDF5 file", ""),
    binary(b"\x93NUMPY", "is a NumPy array", ""),
    binary(b"PAR1", "is a Parquet file", ""),
    binary(b"\x89PNG\r\n", "is a picture", ""),
    binary(b"\xff\xd8\xff", "is a picture", ""),
    binary(b"GIF8", "is a picture", ""),
    binary(b"%PDF-", "is a PDF document", "pdftotext -layout {} - | diag analyze -"),
    binary(b"\x80\x02", "is a Python pickle", ""),
    binary(b"\x80\x03", "is a Python pickle", ""),
    binary(b"\x80\x04\x95", "is a Python pickle", ""),
    binary(b"\x80\x05\x95", "is a Python pickle", ""),
    binary(b"\0asm", "is a program", ""),
];

/// Bytes of no known kind that are no text.
static UNKNOWN: Other = binary(b"", "is binary, not text", "for the text within it: strings {} | diag analyze -");

/// What an input is that begins with these bytes, at most [`HEAD`] of them.
pub(super) fn of(head: &[u8]) -> Kind {
    if head.iter().all(|byte| *byte == 0) {
        Kind::Nothing
    } else if head.starts_with(b"\x1f\x8b\x08") {
        Kind::Packed(Packing::Gzip)
    } else if head.starts_with(b"\x28\xb5\x2f\xfd") || skippable(head) {
        Kind::Packed(Packing::Zstd)
    } else if head.starts_with(b"\xfd7zXZ\0") {
        Kind::Packed(Packing::Xz)
    } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Kind::Zip
    } else if tar(head) {
        Kind::Tar
    } else {
        plain(head)
    }
}

/// A skippable frame, with which parallel zstd begins a file.
fn skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Whether the first block is a header of tar: its checksum is right (POSIX.1-2017, pax, ustar interchange format).
fn tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    let digits: String = block[148..156].iter().map(|byte| char::from(*byte)).collect();
    let Ok(told) = u32::from_str_radix(digits.trim_matches(['\0', ' ']), 8) else { return false };
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    told == sum
}

/// Text, or something binary.
fn plain(head: &[u8]) -> Kind {
    // Holes at the ends say nothing: blocks that were lost, or never written.
    let first = head.iter().position(|byte| *byte != 0).unwrap_or_default();
    let last = head.iter().rposition(|byte| *byte != 0).unwrap_or_default();
    let written = &head[first..=last];
    let (text, changes) = decode::sample(written);
    let controls = text.iter().filter(|byte| matches!(byte, 1..=7 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)).count();
    let is_text =
        controls * 100 <= text.len() * MOST_CONTROLS && (changes.nuls as usize) < written.len() / 4 + text.len() * 64;
    let known = OTHERS.iter().find(|other| head.starts_with(other.magic));
    match known {
        // Words may begin like a magic number; control characters follow the real one.
        Some(other) if !is_text || head.iter().take(64).any(|byte| !textual(*byte)) => Kind::Other(other),
        _ if is_text => Kind::Text,
        _ => Kind::Other(&UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_what_its_content_says() {
        let code = |head: &[u8]| match of(head) {
            Kind::Other(other) => other.code,
            Kind::Text => "text",
            Kind::Nothing => "nothing",
            _ => "packed",
        };
        let mut seed: u64 = 3;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 40) as u8
        })
        .take(4096)
        .collect();
        let hole: Vec<u8> = [vec![0; 60_000], b"step 12 loss 0.5\n".repeat(60)].concat();
        for (head, want) in [
            (b"".as_slice(), "nothing"),
            (&[0; 100], "nothing"),
            (b"a line\n", "text"),
            (b"BZh is how this line begins\n", "text"),
            (b"BZh91AY&SY\x01\x02\x03\x04\x05\x06\x07\x10\x11\x12", "input.packed"),
            (b"\x1b[31mred\x1b[0m \x08\x08|\n", "text"),
            ("ошибка: 서버 🚀\n".as_bytes(), "text"),
            (b"Ger\xe4t in Latin-1\n", "text"),
            (&noise, "input.binary"),
            (&hole, "text"),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0", "input.binary"),
            (b"LPKSHHRH\0\0\0\0\0\0\0\0", "input.journal"),
            (b"\x80\x04\x95\x10\0\0\0\0\0\0\0}", "input.binary"),
        ] {
            assert_eq!(code(head), want, "{:?}", String::from_utf8_lossy(&head[..head.len().min(40)]));
        }
    }
}
