//! The literals that must occur in every match of a pattern.
//!
//! The scanner looks for these before it runs a regex; finding none in a line proves that the pattern
//! can't match there.

use regex_syntax::hir::literal::{Extractor, Literal};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind};
use serde::{Deserialize, Serialize};

use crate::noise;

/// Alternatives of which one must occur.
pub type Choice = Vec<Vec<u8>>;

/// More alternatives than this are no help to a scanner.
const MAX_CHOICE: usize = 24;

/// More spellings of one run of text than this are not multiplied out.
const MAX_SPELLINGS: usize = 12;

/// Members of a class that are taken as spellings: `[Ll]`, `[45]`.
const MAX_CLASS: usize = 3;

/// More alternatives than this beside a literal cost more than they save.
const MAX_BESIDE: usize = 6;

/// More texts than this that may follow a literal are not told apart.
const MAX_BEGINNINGS: usize = 64;

/// A shorter literal stands everywhere.
const SHORT: usize = 4;

/// A literal of this length is found as fast as a longer one.
const ENOUGH: usize = 16;

/// Reads the pattern; returns each choice that every match must satisfy.
///
/// # Errors
/// The regex parser's message.
pub fn required(pattern: &str) -> Result<Vec<Choice>, String> {
    Ok(read(&parse(pattern)?).choices)
}

fn parse(pattern: &str) -> Result<Hir, String> {
    let mut builder = regex_syntax::ParserBuilder::new();
    builder.unicode(false).utf8(false).build().parse(pattern).map_err(|error| error.to_string())
}

/// Another choice that every match satisfies, of literals apart from the first one's: the longest of the fewest.
pub fn beside<'c>(choices: &'c [Choice], choice: &Choice) -> Option<&'c Choice> {
    let within = |one: &[u8], other: &[u8]| other.windows(one.len().max(1)).any(|part| part == one);
    let apart = |one: &Vec<u8>| one.len() > 1 && !choice.iter().any(|known| within(one, known) || within(known, one));
    let others = choices.iter().filter(|other| other.len() <= MAX_BESIDE && other.iter().all(apart));
    others.max_by_key(|other| (usize::MAX - other.len(), shortest(other)))
}

/// Ranges of bytes, both ends included.
pub type Bytes = Vec<(u8, u8)>;

/// What stands around the literal in every match of a pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Around {
    /// How many bytes stand before it, where that is always as many.
    pub lead: Option<usize>,
    /// The bytes that can stand before it, where their number differs.
    pub before: Option<Bytes>,
    /// Texts of which one follows at once; none where there are many.
    pub after: Vec<String>,
}

/// What stands around the choice; nothing is known where it has no fixed place among the parts of the pattern.
///
/// # Errors
/// The regex parser's message.
pub fn around(pattern: &str, choice: &Choice) -> Result<Around, String> {
    let hir = parse(pattern)?;
    let mut parts = Vec::new();
    flatten(&hir, &mut parts);
    let place = (0..parts.len()).find_map(|at| Some((at, at + spelt(&parts[at..], choice)?)));
    let Some((start, end)) = place else { return Ok(Around::default()) };
    let lead = lead(&parts[..start]);
    let before = lead.is_none().then(|| bytes_of(&parts[..start]));
    Ok(Around { lead, before, after: beginnings(&parts[end..]) })
}

/// How many bytes the parts match, where that is always as many.
fn lead(parts: &[&Hir]) -> Option<usize> {
    let width = |part: &&Hir| {
        let (least, most) = (part.properties().minimum_len()?, part.properties().maximum_len()?);
        (least == most).then_some(least)
    };
    parts.iter().map(width).sum()
}

/// Every byte that the parts can match.
fn bytes_of(parts: &[&Hir]) -> Bytes {
    let mut bytes = ClassBytes::empty();
    parts.iter().for_each(|part| add_bytes(part, &mut bytes));
    bytes.iter().map(|range| (range.start(), range.end())).collect()
}

/// What each match of the parts begins with, where that is one of a few texts.
fn beginnings(parts: &[&Hir]) -> Vec<String> {
    let rest = Hir::concat(parts.iter().map(|part| (*part).clone()).collect());
    let found = Extractor::new().limit_class(MAX_CLASS).limit_total(MAX_BEGINNINGS).extract(&rest);
    let text = |literal: &Literal| String::from_utf8(literal.as_bytes().to_vec()).ok().filter(|text| !text.is_empty());
    found.literals().and_then(|all| all.iter().map(text).collect()).unwrap_or_default()
}

/// Adds every byte that a match of a part can hold.
fn add_bytes(hir: &Hir, bytes: &mut ClassBytes) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|byte| bytes.push(ClassBytesRange::new(*byte, *byte))),
        HirKind::Class(Class::Bytes(class)) => bytes.union(class),
        // Characters are whatever their bytes are.
        HirKind::Class(Class::Unicode(_)) => bytes.push(ClassBytesRange::new(0, 255)),
        HirKind::Repetition(repeat) => add_bytes(&repeat.sub, bytes),
        HirKind::Capture(capture) => add_bytes(&capture.sub, bytes),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().for_each(|part| add_bytes(part, bytes)),
    }
}

/// The parts of a pattern that follow one another.
fn flatten<'h>(hir: &'h Hir, parts: &mut Vec<&'h Hir>) {
    match hir.kind() {
        HirKind::Concat(inner) => inner.iter().for_each(|part| flatten(part, parts)),
        HirKind::Capture(capture) => flatten(&capture.sub, parts),
        _ => parts.push(hir),
    }
}

/// How many of the first parts have just this choice as their spellings.
fn spelt(parts: &[&Hir], choice: &Choice) -> Option<usize> {
    let mut run: Option<Choice> = None;
    for (at, spellings) in parts.iter().map_while(|part| read(part).spelt).enumerate() {
        run = match run {
            Some(run) => product(&run, &spellings),
            None => Some(spellings),
        };
        match &run {
            Some(run) if run == choice => return Some(at + 1),
            Some(_) => {}
            None => return None,
        }
    }
    None
}

/// The choice to search for: long alternatives that training does not print all the time, then few of them.
pub fn best(choices: &[Choice]) -> Option<&Choice> {
    choices.iter().max_by_key(|choice| {
        let shortest = shortest(choice);
        let quiet = shortest >= SHORT && choice.iter().all(|one| noise::count(one) == 0);
        (quiet, shortest.min(ENOUGH), usize::MAX - choice.len(), shortest)
    })
}

fn shortest(choice: &Choice) -> usize {
    choice.iter().map(Vec::len).min().unwrap_or(0)
}

/// What a part of a pattern can match.
#[derive(Default)]
struct Part {
    /// These texts and no other; none where they are many.
    spelt: Option<Choice>,
    /// Each of these must be satisfied.
    choices: Vec<Choice>,
}

impl Part {
    fn spelt(spellings: Choice) -> Self {
        let choices = if shortest(&spellings) > 0 { vec![spellings.clone()] } else { Vec::new() };
        Self { spelt: Some(spellings), choices }
    }

    fn open(choices: Vec<Choice>) -> Self {
        Self { spelt: None, choices }
    }
}

fn read(hir: &Hir) -> Part {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Part::spelt(vec![Vec::new()]),
        HirKind::Literal(literal) => Part::spelt(vec![literal.0.to_vec()]),
        HirKind::Class(class) => spelt_class(class).map_or_else(Part::default, Part::spelt),
        HirKind::Capture(capture) => read(&capture.sub),
        HirKind::Repetition(repeat) => match (repeat.min, repeat.max, read(&repeat.sub)) {
            (1, Some(1), sub) => sub,
            (0, Some(1), Part { spelt: Some(mut spellings), .. }) => {
                spellings.push(Vec::new());
                Part::spelt(spellings)
            }
            (0, _, _) => Part::default(),
            (_, _, sub) => Part::open(sub.choices),
        },
        HirKind::Concat(parts) => concat(parts.iter().map(read).collect()),
        HirKind::Alternation(branches) => alternation(branches.iter().map(read).collect()),
    }
}

fn spelt_class(class: &Class) -> Option<Choice> {
    let Class::Bytes(class) = class else { return None };
    let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
    let members: Vec<Vec<u8>> = bytes.take(MAX_CLASS + 1).map(|byte| vec![byte]).collect();
    (members.len() <= MAX_CLASS).then_some(members)
}

/// Every run of neighbouring parts that is spelt out, and what each part needs by itself.
fn concat(parts: Vec<Part>) -> Part {
    let mut choices = Vec::new();
    // Runs that end at the last part, longest first.
    let mut runs: Vec<Choice> = Vec::new();
    let mut whole = true;
    for (number, part) in parts.into_iter().enumerate() {
        choices.extend(part.choices);
        let Some(spellings) = part.spelt else {
            whole = false;
            runs.clear();
            continue;
        };
        let longer: Vec<Option<Choice>> = runs.iter().map(|run| product(run, &spellings)).collect();
        whole &= number == 0 || longer.first().is_some_and(Option::is_some);
        runs = longer.into_iter().flatten().chain([spellings]).collect();
        choices.extend(runs.iter().filter(|run| shortest(run) > 0).cloned());
    }
    Part { spelt: runs.into_iter().next().filter(|_| whole), choices }
}

/// Each of one followed by each of the other, where that is few.
fn product(run: &Choice, spellings: &Choice) -> Option<Choice> {
    let joined = |head: &Vec<u8>| spellings.iter().map(|tail| [head.as_slice(), tail].concat()).collect::<Vec<_>>();
    (run.len() * spellings.len() <= MAX_SPELLINGS).then(|| run.iter().flat_map(joined).collect())
}

/// All spellings of all branches where these are few; else a choice of each branch, joined.
fn alternation(branches: Vec<Part>) -> Part {
    let spelt: Option<Vec<&Choice>> = branches.iter().map(|branch| branch.spelt.as_ref()).collect();
    let spellings: Option<Choice> = spelt.map(|spelt| spelt.into_iter().flatten().cloned().collect());
    let few = spellings.filter(|spellings| spellings.len() <= MAX_CHOICE);
    let joined = |pick: fn(&[Choice]) -> Option<&Choice>| -> Option<Choice> {
        let picked = branches.iter().map(|branch| pick(&branch.choices)).collect::<Option<Vec<_>>>()?;
        Some(picked.into_iter().flatten().cloned().collect())
    };
    let choices = [joined(best), joined(fewest)].into_iter().flatten().chain(few.clone());
    let choices = choices.filter(|choice| choice.len() <= MAX_CHOICE && shortest(choice) > 0).collect();
    Part { spelt: few, choices }
}

/// The choice of fewest alternatives, and of the longest among these.
fn fewest(choices: &[Choice]) -> Option<&Choice> {
    choices.iter().max_by_key(|choice| (usize::MAX - choice.len(), shortest(choice)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(pattern: &str) -> Vec<String> {
        let choices = required(pattern).unwrap();
        let best = best(&choices).cloned().unwrap_or_default();
        best.iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect()
    }

    #[test]
    fn the_longest_required_literal_is_the_anchor() {
        assert_eq!(anchor(r"ab(?P<n>\d+) failed with (x|y)?"), [" failed with "]);
        assert_eq!(anchor(r"(?:alpha|beta)\d"), ["alpha", "beta"]);
        assert_eq!(anchor(r"(?:long-one|\d) tail"), [" tail"]);
        assert!(anchor(r"\d+").is_empty());
    }

    #[test]
    fn few_spellings_are_multiplied_out() {
        assert_eq!(anchor(r"\dBoot ?: Using\s"), ["Boot : Using", "Boot: Using"]);
        assert_eq!(
            anchor(r"\*\*\* (?:SEGV|BUS) (?:at|received)"),
            ["*** SEGV at", "*** SEGV received", "*** BUS at", "*** BUS received"]
        );
        assert_eq!(anchor(r"mlx[45]_core:?\d"), ["mlx4_core", "mlx5_core"]);
        assert_eq!(anchor(r"(?:seen|met)? (?P<x>.)quite long enough"), ["quite long enough"]);
    }

    #[test]
    fn what_stands_before_the_anchor_is_counted() {
        let lead = |pattern: &str| around(pattern, best(&required(pattern).unwrap()).unwrap()).unwrap().lead;
        assert_eq!(lead(r"(?P<what>Some text) \d"), Some(0));
        assert_eq!(lead(r"[A-Z]CCL WARN (?P<what>.*)"), Some(1));
        assert_eq!(lead(r"\b(?:Fail|Succe)ed \d"), Some(0));
        assert_eq!(lead(r"\d+ failed"), None);
        assert_eq!(lead(r"(?:a|bc)\d failed"), None);
    }

    #[test]
    fn what_can_stand_before_the_anchor_is_known() {
        let before = |pattern: &str| around(pattern, best(&required(pattern).unwrap()).unwrap()).unwrap().before;
        assert_eq!(before(r"(?:a|bc)\d+: failed"), Some(vec![(b'0', b'9'), (b'a', b'c')]));
        assert_eq!(before(r"[a-c]+x(?P<n>[d-h]) was killed by"), Some(vec![(b'a', b'h'), (b'x', b'x')]));
        assert_eq!(before(r"(?:\d+ or words of some length|\w rather long text) \d"), None);
    }

    #[test]
    fn what_follows_the_anchor_is_known_where_it_is_one_of_few() {
        let after = |pattern: &str| around(pattern, best(&required(pattern).unwrap()).unwrap()).unwrap().after;
        assert_eq!(after(r"[A-Z]CCL WARN (?P<what>Inva(?:lid|riant) \w+|\bXML.*)"), ["Invalid ", "Invariant ", "XML"]);
        assert!(after(r"[A-Z]CCL WARN (?P<what>Invalid|\w+ argument)").is_empty());
        assert!(after(r"[A-Z]CCL WARN (?:Invalid)?").is_empty());
    }

    #[test]
    fn another_literal_is_found_beside_the_anchor() {
        let beside = |pattern: &str| {
            let choices = required(pattern).unwrap();
            let other = beside(&choices, best(&choices).unwrap()).cloned().unwrap_or_default();
            other.into_iter().map(|one| String::from_utf8(one).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(beside(r"\w+\.cpp:\d+\s->\s\d"), ["->"]);
        assert_eq!(beside(r"(?:tcpx|[Ff]as)\d.*NCCL WARN \d"), ["tcpx", "as"]);
        assert!(beside(r"\d+ failed").is_empty());
    }

    #[test]
    fn what_is_multiplied_out_is_what_matches() {
        for (pattern, texts) in [
            (r"a(?:b|c)?d", &["ad", "abd", "acd"][..]),
            (r"(?:x|yz?)w{1}", &["xw", "yw", "yzw"]),
            (r"(?:ab)+c", &["abc", "ababc"]),
            (r"\bfail(?:ed|ure)\b", &["failed", "failure"]),
            (r"(?i:no) way", &["no way", "No way", "nO way", "NO way"]),
            (r"(?:(?:a|\d)x|b)c", &["axc", "1xc", "bc"]),
        ] {
            for choice in required(pattern).unwrap() {
                for text in texts {
                    let held = choice.iter().any(|one| memchr::memmem::find(text.as_bytes(), one).is_some());
                    assert!(held, "{pattern}: {text} holds none of {choice:?}");
                }
            }
        }
    }
}
