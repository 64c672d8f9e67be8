//! Each grammar tells what the regex tells that it stands for, of all samples and of what becomes of them by chance.

use regex_automata::{Anchored, Input};

use super::*;
use crate::dice::Dice;
use crate::signature::{FieldType, FormatFile, Matcher, Scratch};

const FILES: [&str; 2] = [include_str!("../torch/format.toml"), include_str!("../nccl/format.toml")];

/// Mutants of each sample.
const MUTANTS: usize = 300;

/// What a mutation puts in: all that the patterns look at, and what they stop at.
const PARTS: [&[u8]; 36] = [
    b" ",
    b"  ",
    b",",
    b", ",
    b":",
    b"(",
    b")",
    b"[",
    b"]",
    b"<",
    b">",
    b"=",
    b" = ",
    b"-",
    b"_",
    b".",
    b"\n",
    b"\t",
    b"\xff",
    b"0",
    b"5",
    b"7",
    b"12",
    b"155",
    b"a",
    b"Z",
    b"<41022>",
    b" with status=",
    b"ERR(",
    b" vendor err 12",
    b" vendor_err=",
    b" hca ",
    b", NCCL version 2.",
    b"SeqNum=1, ",
    b", TensorShape=[",
    b"NCCL WARN ",
];

fn files() -> Vec<FormatFile> {
    FILES.iter().map(|text| toml::from_str(text).unwrap()).collect()
}

/// All sample lines, and mutants of them.
fn lines(files: &[FormatFile]) -> Vec<Vec<u8>> {
    let events = files.iter().flat_map(|file| file.event.values());
    let samples = events.flat_map(|event| event.sample.iter().chain(&event.unlike));
    let known: Vec<Vec<u8>> =
        samples.flat_map(|sample| sample.line.lines()).map(|line| line.as_bytes().to_vec()).collect();
    let mut dice = Dice(11);
    let mut all = known.clone();
    for line in &known {
        for _ in 0..MUTANTS {
            let mut line = line.clone();
            (0..1 + dice.below(3)).for_each(|_| mutate(&mut line, &known, &mut dice));
            all.push(line);
        }
    }
    all
}

fn mutate(line: &mut Vec<u8>, known: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(line.len() + 1);
    let until = (at + dice.below(12)).min(line.len());
    match dice.below(6) {
        0 => drop(line.drain(at..until)),
        1 => line.truncate(at),
        2 => {
            let copy = line[at..until].to_vec();
            line.splice(at..at, copy);
        }
        3 => {
            let other = &known[dice.below(known.len())];
            line.truncate(at);
            line.extend_from_slice(&other[dice.below(other.len())..]);
        }
        4 => drop(line.splice(at..until, PARTS[dice.below(PARTS.len())].iter().copied())),
        _ => drop(line.splice(at..at, PARTS[dice.below(PARTS.len())].iter().copied())),
    }
}

fn matcher(pattern: &str) -> (Vec<Name>, Matcher) {
    let fields: Vec<(Name, FieldType)> = group_names(pattern).map(|name| (intern(name), FieldType::TEXT)).collect();
    let matcher = Matcher::new(pattern, &fields).unwrap();
    // A grammar counts the groups; so none may lack a name.
    assert_eq!(matcher.groups, (1..=fields.len()).map(Some).collect::<Vec<_>>());
    (fields.into_iter().map(|(name, _)| name).collect(), matcher)
}

#[test]
fn a_grammar_tells_what_its_regex_tells() {
    let files = files();
    let lines = lines(&files);
    for (kind, number, _) in GRAMMARS {
        let (id, name) = kind.split_once('.').unwrap();
        let event = &files.iter().find(|file| file.id == id).unwrap().event[name];
        let pattern = &event.pattern[number];
        let literal = crate::signature::anchors(pattern).unwrap().remove(0);
        let ((_, matcher), hot) = (matcher(pattern), Hot::of(kind, number, pattern).unwrap());
        let (mut told, mut matched, mut slots, mut wanted) = (0, 0, Vec::new(), Scratch::default());
        for line in &lines {
            for start in memchr::memmem::find_iter(line, literal.as_bytes()) {
                let input = Input::new(line).range(start..).anchored(Anchored::Yes);
                let regex = matcher.search(&input, &mut wanted).is_some();
                matched += usize::from(regex);
                let Some(found) = hot.search(line, start, &mut slots) else { continue };
                assert_eq!(found, regex, "{kind}: {}", String::from_utf8_lossy(line));
                if found {
                    told += 1;
                    assert_eq!(slots, wanted.slots, "{kind}: {}", String::from_utf8_lossy(line));
                }
            }
        }
        assert!(matched > 50 && told * 4 >= matched * 3, "{kind}: {told} of {matched} matches are told");
    }
}

#[test]
fn nccls_envelope_is_read_as_its_regex_reads_it() {
    let files = files();
    let nccl = files.iter().find(|file| file.id == "nccl").unwrap();
    let (names, matcher) = matcher(&nccl.envelope[0].pattern);
    assert_eq!(names, ["node", "pid", "gpu"]);
    let (mut told, mut matched, mut scratch) = (0, 0, Scratch::default());
    for line in lines(&files) {
        let regex = matcher.search(&Input::new(&line), &mut scratch).is_some();
        matched += usize::from(regex);
        if let Some(groups) = envelope(&line) {
            told += 1;
            let wanted = [1, 2, 3].map(|group| crate::signature::bytes_of(&line, &scratch.slots, group));
            assert!(regex && groups == wanted, "{}", String::from_utf8_lossy(&line));
        }
    }
    assert!(matched > 1000 && told * 4 >= matched * 3, "{told} of {matched} matches are told");
}
