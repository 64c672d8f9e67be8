//! The formats that a scanner knows: those built in, and those a site adds.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use memchr::memmem::Finder;
use regex_automata::Input;
use serde_json::value::RawValue;

use crate::event::{Fields, Name, intern};
use crate::grammar::{GRAMMARS, Grammar};
use crate::hot;
use crate::index::Index;
use crate::record::RECORDS;
use crate::scan::Depth;
use crate::signature::{Envelope, FieldType, FormatFile, Matcher, Scratch, Signature, anchors, bytes_of};

/// Formats as gathered by the build script.
const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/formats.json"));

/// The built-in format files.
pub(crate) fn built_in_files() -> Result<Vec<FormatFile>, String> {
    serde_json::from_slice(BUILT_IN).map_err(|error| error.to_string())
}

/// One of the built-in format files, without reading the others.
pub(crate) fn built_in_file(id: &str) -> Option<FormatFile> {
    let files: Vec<&RawValue> = serde_json::from_slice(BUILT_IN).ok()?;
    let named = format!("\"id\":\"{id}\"");
    let candidates = files.iter().filter(|file| file.get().contains(&named));
    candidates.filter_map(|file| serde_json::from_str::<FormatFile>(file.get()).ok()).find(|file| file.id == id)
}

/// What stands around the text of a format's lines, compiled when first needed.
#[derive(Debug)]
struct CompiledEnvelope {
    source: String,
    fields: Vec<(Name, FieldType)>,
    /// Literals of which one must occur.
    anchors: Vec<Finder<'static>>,
    /// Whether it is NCCL's own, for which a grammar stands.
    hot: bool,
    matcher: OnceLock<Option<Matcher>>,
}

/// By kind, the fields that don't make another fact; shared, and asked for every event.
pub type Volatile = Arc<HashMap<Name, Vec<Name>, foldhash::fast::RandomState>>;

/// All formats, ready for scanning.
pub struct Catalogue {
    pub(crate) signatures: Vec<Signature>,
    pub(crate) grammars: Vec<&'static dyn Grammar>,
    envelopes: Vec<Vec<CompiledEnvelope>>,
    about: BTreeMap<Name, String>,
    plain: OnceLock<Index>,
    fast: OnceLock<Index>,
    steps: OnceLock<Index>,
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Catalogue({} signatures, {} grammars)", self.signatures.len(), self.grammars.len())
    }
}

impl Catalogue {
    /// The built-in formats.
    ///
    /// # Errors
    /// A damaged build only: the build script has read the same files.
    pub fn built_in() -> Result<Self, String> {
        Self::with(&[])
    }

    /// The built-in formats and those of a site; one with the id of a built-in adds to it.
    ///
    /// # Errors
    /// A pattern that does not parse, or that has no literal to look for.
    pub fn with(extra: &[FormatFile]) -> Result<Self, String> {
        let mut files = built_in_files()?;
        let built_in = files.len();
        files.extend_from_slice(extra);
        let mut signatures = Vec::new();
        let mut envelopes = Vec::new();
        let mut about = BTreeMap::new();
        for (format, file) in files.iter().enumerate() {
            for (name, event) in &file.event {
                let signature = Signature::new(format, &file.id, name, event)
                    .map_err(|error| format!("{}.{name}: {error}", file.id))?;
                about.insert(signature.kind, event.about.clone());
                signatures.push(if format < built_in { signature.with_grammars() } else { signature });
            }
            let around: Result<Vec<_>, _> = file.envelope.iter().map(CompiledEnvelope::new).collect();
            let mut around = around.map_err(|error| format!("{}: envelope: {error}", file.id))?;
            if let (Some(first), true) = (around.first_mut(), format < built_in && file.id == "nccl") {
                first.hot = true;
            }
            envelopes.push(around);
        }
        Self::checked(signatures, envelopes, about)
    }

    fn checked(
        signatures: Vec<Signature>,
        envelopes: Vec<Vec<CompiledEnvelope>>,
        about: BTreeMap<Name, String>,
    ) -> Result<Self, String> {
        for signature in &signatures {
            if let Some(number) = signature.patterns.iter().position(|pattern| pattern.anchors.is_empty()) {
                return Err(format!("{}: pattern {} has no literal that must occur", signature.kind, number + 1));
            }
        }
        let grammars = GRAMMARS.to_vec();
        let (plain, fast, steps) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Self { signatures, grammars, envelopes, about, plain, fast, steps })
    }

    /// The index for a depth, prepared when first needed: for documents like `text`, which costs or saves time only.
    pub(crate) fn at_depth(&self, depth: Depth, text: &[u8]) -> &Index {
        match depth {
            Depth::Every => self.plain.get_or_init(|| Index::plain(&self.signatures, &self.grammars)),
            Depth::Stems => self.fast.get_or_init(|| Index::fast(&self.signatures, &self.grammars, text)),
            Depth::Steps => self.steps.get_or_init(|| Index::steps(&self.signatures, text)),
        }
    }

    /// Adds what the envelope of a format tells of a line.
    pub(crate) fn envelope(&self, format: usize, text: &[u8], scratch: &mut Scratch, fields: &mut Fields) {
        self.envelopes[format].iter().any(|envelope| envelope.read(text, scratch, fields));
    }

    /// What a kind means, in one sentence; its name in words where its format does not say.
    pub fn about(&self, kind: &str) -> String {
        let said = self.about.get(kind).filter(|text| !text.is_empty()).cloned();
        let makers = || self.grammars.iter().filter(|grammar| grammar.kinds().contains(&kind));
        let by_grammar = || makers().find_map(|grammar| grammar.about(kind)).map(str::to_owned);
        let by_record = || RECORDS.iter().find_map(|record| record.about(kind)).map(str::to_owned);
        said.or_else(by_grammar).or_else(by_record).unwrap_or_else(|| kind.replace(['.', '_'], " "))
    }

    /// The fields of each kind that don't make another fact.
    pub fn volatile(&self) -> Volatile {
        let listed = self.signatures.iter().filter(|signature| !signature.volatile.is_empty());
        Arc::new(listed.map(|signature| (signature.kind, signature.volatile.clone())).collect())
    }

    /// The kinds that can occur.
    pub fn kinds(&self) -> impl Iterator<Item = Name> {
        let grammars = self.grammars.iter().flat_map(|grammar| grammar.kinds().iter().copied());
        let records = RECORDS.iter().flat_map(|record| record.kinds().iter().copied());
        self.signatures.iter().map(|signature| signature.kind).chain(grammars).chain(records)
    }
}

impl CompiledEnvelope {
    fn new(file: &Envelope) -> Result<Self, String> {
        let fields = hot::group_names(&file.pattern).map(|name| (intern(name), field_type(file, name))).collect();
        let known = file.anchors.clone().map_or_else(|| anchors(&file.pattern), Ok)?;
        let anchors = known.iter().map(|anchor| Finder::new(anchor).into_owned()).collect();
        Ok(Self { source: file.pattern.clone(), fields, anchors, hot: false, matcher: OnceLock::new() })
    }

    /// Adds what it tells of a line; whether it is the line's.
    fn read(&self, text: &[u8], scratch: &mut Scratch, fields: &mut Fields) -> bool {
        if !self.anchors.is_empty() && !self.anchors.iter().any(|anchor| anchor.find(text).is_some()) {
            return false;
        }
        let mut add = |(name, kind): &(Name, FieldType), found: Option<&[u8]>| {
            if let Some(value) = found.and_then(|found| kind.read(found)) {
                fields.set_if_absent(name, value);
            }
        };
        if let Some(groups) = Some(text).filter(|_| self.hot).and_then(hot::envelope) {
            self.fields.iter().zip(groups).for_each(|(field, found)| add(field, found));
            return true;
        }
        let matcher = self.matcher.get_or_init(|| Matcher::new(&self.source, &self.fields)).as_ref();
        let Some(matcher) = matcher.filter(|matcher| matcher.search(&Input::new(text), scratch).is_some()) else {
            return false;
        };
        for (field, group) in self.fields.iter().zip(&matcher.groups) {
            add(field, group.and_then(|group| bytes_of(text, &scratch.slots, group)));
        }
        true
    }
}

fn field_type(file: &crate::signature::Envelope, name: &str) -> FieldType {
    file.fields.get(name).copied().unwrap_or(FieldType::TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grammar_speaks_of_its_own_kinds_only() {
        let catalogue = Catalogue::built_in().unwrap();
        assert_eq!(catalogue.about("python.exception"), "a process raised an exception");
        assert_eq!(catalogue.about("no.such_kind"), "no such kind");
    }
}
