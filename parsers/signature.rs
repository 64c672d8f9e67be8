//! Line signatures as data: the schema of `format.toml`, and its compiled form.

use std::sync::OnceLock;

use indexmap::IndexMap;
use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};
use regex_automata::nfa::thompson::backtrack::{self, BoundedBacktracker};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::captures::GroupInfo;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind, PatternID, meta};
use regex_syntax::hir::Hir;
use serde::{Deserialize, Serialize};

use crate::event::{Fields, Name, Says, Value, intern};
use crate::hot::Hot;
use crate::line::text_of;
use crate::literals::{self, Around, Choice};
use crate::matched::{Matched, takes_digits_alike};

/// A family of lines: one `format.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatFile {
    /// Version of the schema; 1.
    pub schema: u32,
    /// First part of the kinds of its events.
    pub id: String,
    /// For people.
    #[serde(default)]
    pub title: String,
    /// Where the format is documented.
    #[serde(default)]
    pub docs: Vec<String>,
    /// What stands around the text on lines of this family.
    #[serde(default)]
    pub envelope: Vec<Envelope>,
    /// The kinds of line.
    #[serde(default)]
    pub event: IndexMap<String, EventFile>,
}

/// What stands around the text on lines of a family; its groups become columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// A regex whose named groups are column names.
    pub pattern: String,
    /// Types of the groups that are not text.
    #[serde(default)]
    pub fields: IndexMap<String, FieldType>,
    /// Lines it must match.
    #[serde(default)]
    pub sample: Vec<Sample>,
    /// Literals of which one must occur; filled in when the file is compiled.
    #[serde(default)]
    pub anchors: Option<Vec<String>>,
}

/// One kind of line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventFile {
    /// What it means, in one sentence.
    #[serde(default)]
    pub about: String,
    /// What it says about the run.
    #[serde(default)]
    pub says: Says,
    /// Regexes, tried in order.
    pub pattern: Vec<String>,
    /// Types of the named groups.
    #[serde(default)]
    pub fields: IndexMap<String, FieldType>,
    /// Fields with a constant value.
    #[serde(default)]
    pub set: IndexMap<String, Value>,
    /// Fields that differ from line to line without making another fact (durations, addresses).
    #[serde(default)]
    pub volatile: Vec<String>,
    /// Read only on lines of which nothing else is known.
    #[serde(default)]
    pub fallback: bool,
    /// Read with what stands before the text as well: its patterns see time, level and name of the program.
    #[serde(default)]
    pub whole: bool,
    /// Read only on the last line of a document, where nothing ends it: what it would have said is not known.
    #[serde(default)]
    pub unended: bool,
    /// Stands at the ends of a run, or in short documents, only: the middle of a long document is not searched
    /// for it, so it needs no stem.
    #[serde(default)]
    pub ends: bool,
    /// Lines it must match, at least one a pattern.
    #[serde(default)]
    pub sample: Vec<Sample>,
    /// Lines it must not match.
    #[serde(default)]
    pub unlike: Vec<Sample>,
    /// Literals that must occur, by pattern; filled in when the file is compiled.
    #[serde(default)]
    pub anchors: Vec<Vec<String>>,
    /// What stands around the literal in a match, by pattern; filled in likewise.
    #[serde(default)]
    pub around: Vec<Around>,
    /// Other literals of which one must occur, by pattern; filled in likewise.
    #[serde(default)]
    pub beside: Vec<Vec<String>>,
}

/// An example line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The line as printed.
    pub line: String,
    /// The fields wanted of it.
    #[serde(default)]
    pub want: IndexMap<String, Value>,
}

/// The type of a field, as written: `int`, `str?`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldType {
    kind: ValueKind,
    optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    Int,
    Float,
    Str,
    Addr,
    Hex,
    Ranks,
    Bytes,
    Bool,
}

const TYPE_NAMES: [(&str, ValueKind); 8] = [
    ("int", ValueKind::Int),
    ("float", ValueKind::Float),
    ("str", ValueKind::Str),
    ("addr", ValueKind::Addr),
    ("hex", ValueKind::Hex),
    ("ranks", ValueKind::Ranks),
    ("bytes", ValueKind::Bytes),
    ("bool", ValueKind::Bool),
];

impl TryFrom<String> for FieldType {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let (name, optional) = match text.strip_suffix('?') {
            Some(name) => (name, true),
            None => (text.as_str(), false),
        };
        TYPE_NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| Self { kind: *kind, optional })
            .ok_or_else(|| format!("`{text}` is no field type; known: int, float, str, addr, hex, ranks, bytes, bool"))
    }
}

impl From<FieldType> for String {
    fn from(kind: FieldType) -> Self {
        let name = TYPE_NAMES.iter().find(|(_, known)| *known == kind.kind).map_or("str", |(name, _)| name);
        format!("{name}{}", if kind.optional { "?" } else { "" })
    }
}

impl FieldType {
    /// Text that a line need not carry.
    pub const TEXT: Self = Self { kind: ValueKind::Str, optional: true };

    /// Whether a line may lack the field.
    pub fn optional(self) -> bool {
        self.optional
    }

    /// Reads captured bytes.
    pub fn read(self, bytes: &[u8]) -> Option<Value> {
        let text = text_of(&bytes[..bytes.len().min(crate::MAX_FIELD)]);
        let text = text.trim();
        Some(match self.kind {
            ValueKind::Int => Value::Int(text.parse().or_else(|_| text.replace(',', "").parse()).ok()?),
            ValueKind::Float => Value::Float(text.parse().ok()?),
            ValueKind::Str => Value::Text(text.to_owned()),
            ValueKind::Addr => Value::Text(address(text).to_owned()),
            ValueKind::Hex => Value::Int(i64::from_str_radix(text.trim_start_matches("0x"), 16).ok()?),
            ValueKind::Ranks => Value::Ranks(ranks(text)?),
            ValueKind::Bytes => Value::Int(size(text)?),
            ValueKind::Bool => Value::Bool(matches!(text, "1" | "true" | "True" | "yes" | "enabled")),
        })
    }
}

/// A host or address without its port: `10.0.0.1<4242>`, `[fe80::1]:29500`, `/10.0.0.1`, `(host, 29500)`.
fn address(text: &str) -> &str {
    let text = text.trim_matches(|c| matches!(c, '(' | ')' | '/' | '\'' | '"' | ' '));
    let text = text.split(['<', ',']).next().unwrap_or(text);
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match text.matches(':').count() {
        1 => text.split(':').next().unwrap_or(text),
        _ => text,
    }
}

/// `[0, 4]`, `0-3, 5` or `7`; at most 65,536 ranks.
fn ranks(text: &str) -> Option<Vec<i64>> {
    const MOST: i64 = 65_536;
    let mut list = Vec::new();
    let inner = text.trim_matches(|c| matches!(c, '[' | ']' | '(' | ')' | '{' | '}' | ' '));
    for part in inner.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (i64, i64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if last < first || last - first >= MOST || list.len() as i64 >= MOST {
            return None;
        }
        list.extend(first..=last);
    }
    Some(list)
}

/// `56.00 MiB`, `2.5GiB`, `8388608`, `64 KB` in bytes. PyTorch's and the kernel's MB and kB are powers of two.
fn size(text: &str) -> Option<i64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..split].parse().ok()?;
    let power = match text[split..].trim().bytes().next().map(|b| b.to_ascii_uppercase()) {
        Some(b'K') => 1,
        Some(b'M') => 2,
        Some(b'G') => 3,
        Some(b'T') => 4,
        _ => 0,
    };
    Some((number * 1024f64.powi(power)) as i64)
}

/// A pattern ready to run; its regexes are compiled when a line first needs them.
#[derive(Debug)]
pub struct Pattern {
    source: String,
    regex: OnceLock<Option<Regex>>,
    matcher: OnceLock<Option<Matcher>>,
    hot: Option<Shortcut>,
    /// Literals of which one must occur.
    pub anchors: Vec<String>,
    /// What stands around its literal in a match.
    pub around: Around,
    beside: Vec<Finder<'static>>,
}

impl Pattern {
    /// A pattern with the literals that the scanner looks for, what stands around them, and what must occur beside them.
    pub fn new(source: &str, anchors: Vec<String>, around: Around, beside: &[String]) -> Self {
        let (regex, matcher) = (OnceLock::new(), OnceLock::new());
        // Where a match is tried at one place only, it fails sooner than a search for another literal.
        let beside = beside.iter().filter(|_| around.lead.is_none());
        let beside = beside.map(|literal| Finder::new(literal).into_owned()).collect();
        Self { source: source.to_owned(), regex, matcher, hot: None, anchors, around, beside }
    }

    /// Whether the text holds what a match must hold beside its literal.
    pub(crate) fn likely(&self, text: &[u8]) -> bool {
        self.beside.is_empty() || self.beside.iter().any(|beside| beside.find(text).is_some())
    }

    /// Whether a literal stands at a place of the text with what follows it in a match.
    pub(crate) fn goes_on(&self, text: &[u8], place: usize) -> bool {
        let after = &self.around.after;
        let rest = |anchor: &String| text.get(place..)?.strip_prefix(anchor.as_bytes());
        let mut rests = self.anchors.iter().filter_map(rest);
        after.is_empty() || rests.any(|rest| after.iter().any(|next| rest.starts_with(next.as_bytes())))
    }

    /// The first place at which a match may begin whose literal stands at one of `places`.
    pub(crate) fn earliest(&self, text: &[u8], places: impl Iterator<Item = usize>) -> usize {
        let Some(before) = &self.around.before else { return 0 };
        let can = |byte: &u8| before.iter().any(|(first, last)| (first..=last).contains(&byte));
        let start = |place: usize| place - text[..place].iter().rev().take_while(|byte| can(byte)).count();
        places.map(start).min().unwrap_or(0)
    }

    /// The compiled regex; none where it does not compile (the lint reports that).
    pub fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| compile(&self.source).ok()).as_ref()
    }
}

/// A grammar that stands for a pattern.
#[derive(Debug)]
struct Shortcut {
    grammar: Hot,
    /// By field of the signature: its group.
    groups: Vec<Option<usize>>,
}

/// Where the groups of a match begin and end.
pub(crate) type Slots = Vec<Option<NonMaxUsize>>;

/// The groups of the last match, and the memory that searches need on their way.
///
/// All patterns share it: there are hundreds, and memory of its own would have left the processor's caches whenever the
/// turn of one comes.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) slots: Slots,
    /// What earlier searches found, where it is remembered.
    pub(crate) matched: Option<Matched>,
    steps: Option<backtrack::Cache>,
}

impl Scratch {
    fn clear(&mut self, slots: usize) {
        self.slots.clear();
        self.slots.resize(slots, None);
    }
}

/// A regex that can be tried at one place, and the groups that are fields.
#[derive(Debug)]
pub(crate) struct Matcher {
    source: String,
    /// The regex as a small program, where it is short; see [`Self::search`].
    compact: Option<Program>,
    /// The regex with automata, compiled when first needed.
    automata: OnceLock<Option<meta::Regex>>,
    /// Whether one digit is as good as another to it.
    digits_alike: bool,
    /// How many places its groups have: the regex would have to look far for that.
    slots: usize,
    /// By field of the signature: its group.
    pub(crate) groups: Vec<Option<usize>>,
}

impl Matcher {
    pub(crate) fn new(source: &str, fields: &[(Name, FieldType)]) -> Option<Self> {
        let short = source.len() <= LONGEST_COMPACT;
        let hir = syntax::parse_with(source, &syntax_of_patterns()).ok()?;
        let digits_alike = takes_digits_alike(&hir);
        let compact = if short { Some(Program::new(hir)?) } else { None };
        let (automata, groups) = (OnceLock::new(), Vec::new());
        let mut matcher = Self { source: source.to_owned(), compact, automata, digits_alike, slots: 0, groups };
        let known = match &matcher.compact {
            Some(program) => program.groups(),
            None => matcher.automata()?.group_info(),
        };
        let slots = known.slot_len();
        matcher.groups = fields.iter().map(|(name, _)| known.to_index(PatternID::ZERO, name)).collect();
        matcher.slots = slots;
        Some(matcher)
    }

    /// Groups of the first match, into the slots; none where there is no match.
    ///
    /// There are hundreds of patterns, and each is needed now and then: tables of automata have left the processor's
    /// caches by then, and fetching them takes longer than following the small program of the regex step by step.
    pub(crate) fn search(&self, input: &Input<'_>, scratch: &mut Scratch) -> Option<PatternID> {
        scratch.clear(self.slots);
        let Scratch { slots, steps, matched } = scratch;
        let Some(matched) = matched.as_mut().filter(|matched| self.digits_alike && !matched.is_of_no_use()) else {
            return self.look(input, slots, steps);
        };
        let key = matched.key(std::ptr::from_ref(self).addr(), input);
        if let Some(known) = matched.recall(key, slots) {
            return known.then_some(PatternID::ZERO);
        }
        let found = self.look(input, slots, steps);
        matched.learn(key, found.map(|_| slots.as_slice()));
        found
    }

    fn look(&self, input: &Input<'_>, slots: &mut Slots, steps: &mut Option<backtrack::Cache>) -> Option<PatternID> {
        if let Some(program) = self.compact.as_ref().filter(|_| input.get_range().len() <= MOST_STEPPED)
            && let Some(found) = program.search(input, slots, steps)
        {
            return found;
        }
        self.automata()?.search_slots(input, slots)
    }

    fn automata(&self) -> Option<&meta::Regex> {
        self.automata.get_or_init(|| build(&self.source)).as_ref()
    }
}

/// A regex that is followed step by step.
#[derive(Debug)]
struct Program {
    hir: Hir,
    /// Where the place of a match is known.
    here: BoundedBacktracker,
    /// Where it is not: looks for what matches begin with, and is made when first needed.
    anywhere: OnceLock<Option<BoundedBacktracker>>,
}

impl Program {
    fn new(hir: Hir) -> Option<Self> {
        let limits = thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE_LIMIT));
        let nfa = NFA::compiler().configure(limits).build_from_hir(&hir).ok()?;
        Some(Self { hir, here: BoundedBacktracker::new_from_nfa(nfa).ok()?, anywhere: OnceLock::new() })
    }

    fn groups(&self) -> &GroupInfo {
        self.here.get_nfa().group_info()
    }

    /// Nothing where the text is too long for it.
    fn search(
        &self,
        input: &Input<'_>,
        slots: &mut Slots,
        steps: &mut Option<backtrack::Cache>,
    ) -> Option<Option<PatternID>> {
        let engine = if input.get_anchored().is_anchored() { &self.here } else { self.anywhere()? };
        let cache = steps.get_or_insert_with(|| engine.create_cache());
        cache.reset(engine);
        engine.try_search_slots(cache, input, slots).ok()
    }

    fn anywhere(&self) -> Option<&BoundedBacktracker> {
        let make = || {
            let begins = Prefilter::from_hir_prefix(MatchKind::LeftmostFirst, &self.hir);
            let config = backtrack::Config::new().prefilter(begins);
            BoundedBacktracker::builder().configure(config).build_from_nfa(self.here.get_nfa().clone()).ok()
        };
        self.anywhere.get_or_init(make).as_ref()
    }
}

/// Compiles a pattern for a [`Matcher`], with automata that are determined on the way.
fn build(source: &str) -> Option<meta::Regex> {
    let limits = meta::Config::new().utf8_empty(false).nfa_size_limit(Some(SIZE_LIMIT));
    meta::Regex::builder().syntax(syntax_of_patterns()).configure(limits).build(source).ok()
}

/// Bytes, and ASCII classes.
fn syntax_of_patterns() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

/// Longest pattern that is followed step by step, in bytes: alternations of many words take many steps.
const LONGEST_COMPACT: usize = 400;

/// Longest text that is gone through step by step, in bytes.
const MOST_STEPPED: usize = 1024;

/// Fields that what stands around a text usually adds to a match's own.
const AROUND: usize = 3;

/// Most memory of a compiled regex, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// Compiles a pattern as the scanner runs it: bytes, ASCII classes, bounded size.
///
/// # Errors
/// The regex crate's message.
pub fn compile(source: &str) -> Result<Regex, String> {
    RegexBuilder::new(source).unicode(false).size_limit(SIZE_LIMIT).build().map_err(|error| error.to_string())
}

/// One kind of line, ready to match.
#[derive(Debug)]
pub struct Signature {
    /// `<format>.<event>`.
    pub kind: Name,
    /// What it says about the run.
    pub says: Says,
    /// Tried in order.
    pub patterns: Vec<Pattern>,
    /// Whether the middle of a long document need not be searched for it: it stands at the ends of a run.
    pub ends: bool,
    /// Fields that don't make another fact.
    pub volatile: Vec<Name>,
    /// Read only on lines of which nothing else is known.
    pub fallback: bool,
    /// Read with what stands before the text as well.
    pub whole: bool,
    /// Read only on the last line of a document, where nothing ends it.
    pub unended: bool,
    /// Index of the format in the catalogue.
    pub format: usize,
    fields: Vec<(Name, FieldType)>,
    set: Vec<(Name, Value)>,
}

impl Signature {
    /// Compiles one table of a format.
    ///
    /// # Errors
    /// A pattern that does not parse.
    pub fn new(format: usize, id: &str, name: &str, file: &EventFile) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for (at, source) in file.pattern.iter().enumerate() {
            let anchors = match file.anchors.get(at) {
                Some(known) => known.clone(),
                None => anchors(source)?,
            };
            let around = match file.around.get(at) {
                Some(known) => known.clone(),
                None => literals::around(source, &anchors.iter().map(|anchor| anchor.clone().into_bytes()).collect())?,
            };
            let beside = file.beside.get(at).map(Vec::as_slice).unwrap_or_default();
            patterns.push(Pattern::new(source, anchors, around, beside));
        }
        Ok(Self {
            kind: intern(&format!("{id}.{name}")),
            says: file.says,
            ends: file.ends,
            patterns,
            volatile: file.volatile.iter().map(|name| intern(name)).collect(),
            fallback: file.fallback,
            whole: file.whole,
            unended: file.unended,
            format,
            fields: file.fields.iter().map(|(name, kind)| (intern(name), *kind)).collect(),
            set: file.set.iter().map(|(name, value)| (intern(name), value.clone())).collect(),
        })
    }

    /// The same, the patterns of the hottest kinds read by grammars: for the built-in formats, which those were made after.
    pub(crate) fn with_grammars(mut self) -> Self {
        for (number, pattern) in self.patterns.iter_mut().enumerate().filter(|(_, one)| one.around.lead == Some(0)) {
            pattern.hot = Hot::of(self.kind, number, &pattern.source).map(|grammar| {
                let group = |(name, _): &(Name, FieldType)| grammar.names.iter().position(|known| known == name);
                let groups = self.fields.iter().map(|field| Some(group(field)? + 1)).collect();
                Shortcut { grammar, groups }
            });
        }
        self
    }

    /// Looks for a match of a pattern: its groups go into the slots; returns the group of each field.
    pub(crate) fn search(&self, pattern: usize, input: &Input<'_>, scratch: &mut Scratch) -> Option<&[Option<usize>]> {
        let pattern = &self.patterns[pattern];
        if let (Some(hot), true) = (&pattern.hot, input.get_anchored().is_anchored())
            && let Some(matches) = hot.grammar.search(input.haystack(), input.start(), &mut scratch.slots)
        {
            return matches.then_some(&hot.groups);
        }
        let matcher = pattern.matcher.get_or_init(|| Matcher::new(&pattern.source, &self.fields)).as_ref()?;
        matcher.search(input, scratch)?;
        Some(&matcher.groups)
    }

    /// The fields of a match, whose groups begin and end at `slots`; none where one does not have its type.
    pub(crate) fn fields(
        &self,
        groups: &[Option<usize>],
        text: &[u8],
        slots: &[Option<NonMaxUsize>],
    ) -> Option<Fields> {
        let mut fields = Fields::with_room(self.fields.len() + self.set.len() + AROUND);
        for ((name, kind), group) in self.fields.iter().zip(groups) {
            match group.and_then(|group| bytes_of(text, slots, group)).map(|found| kind.read(found)) {
                Some(Some(value)) => fields.set(name, value),
                None if kind.optional => {}
                _ => return None,
            }
        }
        for (name, value) in &self.set {
            fields.set_if_absent(name, value.clone());
        }
        Some(fields)
    }
}

pub(crate) fn bytes_of<'t>(text: &'t [u8], slots: &[Option<NonMaxUsize>], group: usize) -> Option<&'t [u8]> {
    let (start, end) = (slots.get(2 * group)?.as_ref()?, slots.get(2 * group + 1)?.as_ref()?);
    text.get(start.get()..end.get())
}

/// The literals of which one must occur in a match of the pattern, longest choice first.
///
/// # Errors
/// A pattern that does not parse.
pub fn anchors(pattern: &str) -> Result<Vec<String>, String> {
    let choices = literals::required(pattern)?;
    let text =
        |choice: &Choice| choice.iter().map(|bytes| String::from_utf8(bytes.clone())).collect::<Result<Vec<_>, _>>();
    match literals::best(&choices) {
        Some(choice) => text(choice).map_err(|_| "an anchor is not UTF-8".to_owned()),
        None => Ok(Vec::new()),
    }
}
