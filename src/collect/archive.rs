//! The members of archives. Their names are labels only: nothing is written anywhere.

use std::fs::File;
use std::io::{self, Read};

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, FileReader, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder};

use super::unpack::{Guarded, Intake, Stream, broken, stream};
use crate::error::Error;

/// Longest name of a member, in bytes.
const LONGEST_NAME: u64 = 4096;

/// Most members of an archive that are read.
const MOST_MEMBERS: usize = 200_000;

/// Largest zip archive that is read from within another archive or a pipe, in bytes: its table stands at its end.
const LARGEST_INNER: u64 = 64 << 20;

/// Reads the members of a tar archive as they come.
pub(super) fn tar(at: &Stream<'_>, bytes: &mut dyn Read, intake: &mut dyn Intake) {
    let inner = Stream { name: at.name, depth: at.depth.max(1), file: None, balance: at.balance };
    if let Err(error) = tar_members(at, bytes, intake) {
        // What breaks an archive is mostly that its end is missing.
        let cut = error.kind() == io::ErrorKind::UnexpectedEof || error.to_string().contains("EOF");
        let error = if cut { io::Error::from(io::ErrorKind::UnexpectedEof) } else { error };
        intake.remark(broken(&inner, &error, true));
    }
}

fn tar_members(at: &Stream<'_>, bytes: &mut dyn Read, intake: &mut dyn Intake) -> io::Result<()> {
    let mut archive = tar::Archive::new(bytes);
    let mut long_name: Option<Vec<u8>> = None;
    // Raw entries: the library would read extension records of any size into memory.
    for entry in archive.entries()?.raw(true).take(MOST_MEMBERS) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            let mut record = Vec::new();
            entry.by_ref().take(2 * LONGEST_NAME).read_to_end(&mut record)?;
            long_name = if kind.is_gnu_longname() { Some(record) } else { pax_path(&record).or(long_name) };
            continue;
        }
        let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        if !(kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) {
            continue;
        }
        let name = member(at.name, &name);
        let size = entry.size();
        let mut counted = Sized { from: &mut entry, left: size };
        stream(&at.within(&name), &mut counted, intake);
        if counted.left > 0 {
            io::copy(&mut counted, &mut io::sink())?;
        }
    }
    Ok(())
}

/// A member of so many bytes; fewer are an error.
struct Sized<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Sized<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= (count as u64).min(self.left);
        Ok(count)
    }
}

/// The path in a record of pax.
fn pax_path(record: &[u8]) -> Option<Vec<u8>> {
    let mut pairs = tar::PaxExtensions::new(record).flatten();
    pairs.find(|pair| pair.key_bytes() == b"path").map(|pair| pair.value_bytes().to_owned())
}

/// `archive!member`, without what would lead out of a folder or disturb a terminal.
fn member(archive: &str, name: &[u8]) -> String {
    let text = String::from_utf8_lossy(&name[..name.len().min(LONGEST_NAME as usize)]);
    let parts: Vec<&str> =
        text.trim_matches('\0').split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    let label: String = parts.join("/").chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect();
    format!("{archive}!{label}")
}

/// Reads the members of a zip archive.
pub(super) fn zip(at: &Stream<'_>, bytes: &mut dyn Read, intake: &mut dyn Intake) {
    let read = match at.file.as_ref().map(File::try_clone) {
        Some(Ok(file)) => {
            at.balance.of_archive(file.metadata().map_or(0, |about| about.len()));
            let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
            ZipArchive::from_file(file, &mut buffer)
                .map(|archive: ZipArchive<FileReader>| zip_members(at, &archive, intake))
        }
        _ => {
            let mut whole = Vec::new();
            match bytes.take(LARGEST_INNER + 1).read_to_end(&mut whole) {
                Ok(size) if size as u64 > LARGEST_INNER => return intake.remark(too_large(at)),
                // What is in another archive was counted with that.
                Ok(size) if at.depth == 0 => at.balance.of_archive(size as u64),
                Ok(_) => {}
                Err(error) => return intake.remark(broken(at, &error, false)),
            }
            let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
            ZipArchive::from_seekable(io::Cursor::new(whole), &mut buffer)
                .map(|archive| zip_members(at, &archive, intake))
        }
    };
    if let Err(error) = read.and_then(|members| members) {
        let what =
            format!("is a zip archive whose table can't be read ({error}): its end is missing, or it is damaged");
        let error = Error::new("input.truncated", at.name, what);
        intake.remark(error.with_way_on(format!("copy it again, or: zip -FF {} --out repaired.zip", at.name)));
    }
}

fn too_large(at: &Stream<'_>) -> Error {
    let what = format!("is a zip archive of over {} MiB within another or in a pipe; not read", LARGEST_INNER >> 20);
    Error::new("input.nested", at.name, what).with_way_on("unpack it into a folder and name that")
}

/// What is needed of a member to read it.
struct Member {
    name: String,
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    locked: bool,
}

fn zip_members<R: ReaderAt>(
    at: &Stream<'_>,
    archive: &ZipArchive<R>,
    intake: &mut dyn Intake,
) -> Result<(), rawzip::Error> {
    let members = table(at, archive)?;
    if members.iter().any(|member| member.name.ends_with("/data.pkl")) {
        intake.remark(Error::new("input.binary", at.name, "is a checkpoint of PyTorch; not read"));
        return Ok(());
    }
    for member in members {
        let inner = at.within(&member.name);
        let entry = match archive.get_entry(member.place) {
            Ok(entry) => entry,
            Err(error) => {
                intake.remark(broken(&inner, &io::Error::other(error.to_string()), false));
                continue;
            }
        };
        match member.method {
            _ if member.locked => intake.remark(
                Error::new("input.packed", &member.name, "is encrypted; not read")
                    .with_way_on("unpack it with its password into a folder and name that"),
            ),
            CompressionMethod::STORE => stream(&inner, &mut guarded(at, Box::new(entry.reader())), intake),
            CompressionMethod::DEFLATE => {
                stream(&inner, &mut guarded(at, Box::new(DeflateDecoder::new(entry.reader()))), intake);
            }
            CompressionMethod::ZSTD => match zstd::stream::read::Decoder::new(entry.reader()) {
                Ok(decoder) => stream(&inner, &mut guarded(at, Box::new(decoder)), intake),
                Err(error) => intake.remark(broken(&inner, &error, false)),
            },
            other => intake.remark(
                Error::new("input.packed", &member.name, format!("is compressed with {other}; not read"))
                    .with_way_on("unpack the archive into a folder and name that"),
            ),
        }
    }
    Ok(())
}

/// A member of an archive: its entries may all be the same bytes, which together unpack to any size.
fn guarded<'a>(at: &Stream<'a>, member: Box<dyn Read + 'a>) -> Guarded<'a> {
    Guarded::new(member, at.balance)
}

fn table<R: ReaderAt>(at: &Stream<'_>, archive: &ZipArchive<R>) -> Result<Vec<Member>, rawzip::Error> {
    let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
    let mut entries = archive.entries(&mut buffer);
    let mut members = Vec::new();
    while let Some(entry) = entries.next_entry()? {
        if !entry.is_dir() && members.len() < MOST_MEMBERS {
            members.push(Member {
                name: member(at.name, entry.file_path().as_ref()),
                place: entry.wayfinder(),
                method: entry.compression_method(),
                locked: entry.flags().is_encrypted(),
            });
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::super::unpack::{Balance, Taken};
    use super::*;

    /// Counts bytes, and keeps remarks.
    #[derive(Default)]
    struct Counter {
        bytes: u64,
        remarks: Vec<Error>,
    }

    impl Intake for Counter {
        fn text(&mut self, _: &str, text: &mut dyn Read) -> Taken {
            let mut step = [0; 1 << 16];
            loop {
                match text.read(&mut step) {
                    Ok(0) => return Taken { bytes: 1, ..Taken::default() },
                    Ok(count) => self.bytes += count as u64,
                    Err(error) => return Taken { broken: Some(error), ..Taken::default() },
                }
            }
        }
        fn record(&mut self, _: &str, _: &[u8], _: Vec<diag_parsers::Event>) {}
        fn scanner(&self) -> Option<&diag_parsers::Scanner> {
            None
        }
        fn remark(&mut self, remark: Error) {
            self.remarks.push(remark);
        }
    }

    /// An archive whose table lists the same deflated bytes many times over (PKWARE's APPNOTE 6.3.10, sections 4.3.7,
    /// 4.3.12 and 4.3.16).
    fn overlapping(bytes: &[u8], entries: u16) -> Vec<u8> {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        io::Write::write_all(&mut packed, bytes).unwrap();
        let packed = packed.finish().unwrap();
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
        common.extend(crc.sum().to_le_bytes());
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes());
        common.extend([1, 0, 0, 0]);
        let mut out = [b"PK\x03\x04".as_slice(), &common, b"a", &packed].concat();
        let table = out.len() as u32;
        for _ in 0..entries {
            out.extend([b"PK\x01\x02\x14\0".as_slice(), &common, &[0; 14], b"a"].concat());
        }
        let length = out.len() as u32 - table;
        out.extend([b"PK\x05\x06\0\0\0\0".as_slice(), &entries.to_le_bytes(), &entries.to_le_bytes()].concat());
        out.extend([length.to_le_bytes(), table.to_le_bytes()].concat());
        out.extend([0, 0]);
        out
    }

    #[test]
    fn entries_that_are_all_the_same_bytes_are_a_bomb() {
        let bomb = overlapping(&b"all is well\n".repeat(100_000), 2000);
        let mut counter = Counter::default();
        let balance = Balance::bounded(4 << 20);
        stream(&Stream { name: "a.zip", depth: 0, file: None, balance: &balance }, &mut bomb.as_slice(), &mut counter);
        let allowed = 500 * bomb.len() as u64 + (4 << 20);
        assert!(counter.bytes > 4 << 20 && counter.bytes < allowed + (1 << 20), "{} of {allowed}", counter.bytes);
        assert!(allowed < 2000 * 1_200_000, "the bomb is larger than what is allowed");
        assert!(
            counter.remarks.iter().any(|remark| remark.reason.contains("500 times")),
            "{:?}",
            counter.remarks.len()
        );
    }

    #[test]
    fn names_of_members_lead_nowhere() {
        assert_eq!(member("a.tar", b"./logs/rank0.log"), "a.tar!logs/rank0.log");
        assert_eq!(member("a.tar", b"/etc/../../x\x1b[2J\0"), "a.tar!etc/x\u{fffd}[2J");
    }
}
