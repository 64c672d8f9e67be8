//! The formats that a scanner knows: those built in, and those a site adds.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::Regex;

use crate::event::{Fields, Name, intern};
use crate::grammar::{GRAMMARS, Grammar};
use crate::signature::{FieldType, FormatFile, Signature, compile};

/// Formats as gathered by the build script.
const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/formats.json"));

/// Who wants a line that holds an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// A signature, and which of its patterns.
    Signature(u32, u16),
    /// A grammar.
    Grammar(u32),
}

/// What stands around the text of a format's lines, compiled when first needed.
#[derive(Debug)]
struct CompiledEnvelope {
    source: String,
    fields: Vec<(Name, FieldType)>,
    regex: std::sync::OnceLock<Option<Regex>>,
}

/// All formats, ready for scanning.
pub struct Catalogue {
    pub(crate) signatures: Vec<Signature>,
    pub(crate) grammars: Vec<&'static dyn Grammar>,
    envelopes: Vec<Vec<CompiledEnvelope>>,
    about: BTreeMap<Name, String>,
    automaton: AhoCorasick,
    owners: Vec<Vec<Owner>>,
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
        let mut files: Vec<FormatFile> = serde_json::from_slice(BUILT_IN).map_err(|error| error.to_string())?;
        files.extend_from_slice(extra);
        let mut signatures = Vec::new();
        let mut envelopes = Vec::new();
        let mut about = BTreeMap::new();
        for (format, file) in files.iter().enumerate() {
            for (name, event) in &file.event {
                let signature = Signature::new(format, &file.id, name, event)
                    .map_err(|error| format!("{}.{name}: {error}", file.id))?;
                about.insert(signature.kind, event.about.clone());
                signatures.push(signature);
            }
            envelopes.push(file.envelope.iter().map(CompiledEnvelope::new).collect());
        }
        Self::index(signatures, envelopes, about)
    }

    fn index(
        signatures: Vec<Signature>,
        envelopes: Vec<Vec<CompiledEnvelope>>,
        about: BTreeMap<Name, String>,
    ) -> Result<Self, String> {
        let mut wanted: BTreeMap<Vec<u8>, Vec<Owner>> = BTreeMap::new();
        for (at, signature) in signatures.iter().enumerate() {
            for (number, pattern) in signature.patterns.iter().enumerate() {
                if pattern.anchors.is_empty() {
                    return Err(format!("{}: pattern {} has no literal that must occur", signature.kind, number + 1));
                }
                for anchor in &pattern.anchors {
                    let owner = Owner::Signature(at as u32, number as u16);
                    wanted.entry(anchor.clone().into_bytes()).or_default().push(owner);
                }
            }
        }
        for (at, grammar) in GRAMMARS.iter().enumerate() {
            for anchor in grammar.anchors() {
                wanted.entry(anchor.as_bytes().to_vec()).or_default().push(Owner::Grammar(at as u32));
            }
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(wanted.keys())
            .map_err(|error| error.to_string())?;
        let owners = wanted.into_values().collect();
        Ok(Self { signatures, grammars: GRAMMARS.to_vec(), envelopes, about, automaton, owners })
    }

    /// Who wants a line with this text; sorted, each once.
    pub(crate) fn owners(&self, text: &[u8], found: &mut Vec<Owner>) {
        found.clear();
        for hit in self.automaton.find_overlapping_iter(text) {
            found.extend_from_slice(&self.owners[hit.pattern().as_usize()]);
        }
        found.sort_unstable();
        found.dedup();
    }

    /// All anchors of signatures and grammars, but for those that a long document is only sampled for.
    pub(crate) fn anchors(&self) -> Vec<&[u8]> {
        let signatures = self.signatures.iter().filter(|signature| !signature.sampled);
        let own = signatures
            .flat_map(|signature| &signature.patterns)
            .flat_map(|pattern| &pattern.anchors)
            .map(String::as_bytes);
        let grammars = self.grammars.iter().flat_map(|grammar| grammar.anchors()).map(|anchor| anchor.as_bytes());
        let unique: std::collections::BTreeSet<&[u8]> = own.chain(grammars).collect();
        unique.into_iter().collect()
    }

    /// What the envelope of a format tells of a line.
    pub(crate) fn envelope(&self, format: usize, text: &[u8]) -> Fields {
        self.envelopes[format].iter().find_map(|envelope| envelope.read(text)).unwrap_or_default()
    }

    /// What a kind means, in one sentence; its name in words where its format does not say.
    pub fn about(&self, kind: &str) -> String {
        let said = self.about.get(kind).filter(|text| !text.is_empty()).cloned();
        let makers = || self.grammars.iter().filter(|grammar| grammar.kinds().contains(&kind));
        let by_grammar = || makers().find_map(|grammar| grammar.about(kind)).map(str::to_owned);
        said.or_else(by_grammar).unwrap_or_else(|| kind.replace(['.', '_'], " "))
    }

    /// The fields of each kind that don't make another fact.
    pub fn volatile(&self) -> std::collections::HashMap<Name, Vec<Name>> {
        let listed = self.signatures.iter().filter(|signature| !signature.volatile.is_empty());
        listed.map(|signature| (signature.kind, signature.volatile.clone())).collect()
    }

    /// The kinds that can occur.
    pub fn kinds(&self) -> impl Iterator<Item = Name> {
        let grammars = self.grammars.iter().flat_map(|grammar| grammar.kinds().iter().copied());
        self.signatures.iter().map(|signature| signature.kind).chain(grammars)
    }
}

impl CompiledEnvelope {
    fn new(file: &crate::signature::Envelope) -> Self {
        let fields = match compile(&file.pattern) {
            Ok(regex) => regex.capture_names().flatten().map(|name| (intern(name), field_type(file, name))).collect(),
            Err(_) => Vec::new(),
        };
        Self { source: file.pattern.clone(), fields, regex: std::sync::OnceLock::new() }
    }

    fn read(&self, text: &[u8]) -> Option<Fields> {
        let regex = self.regex.get_or_init(|| compile(&self.source).ok()).as_ref()?;
        let captures = regex.captures(text)?;
        let value = |(name, kind): &(Name, FieldType)| Some((*name, kind.read(captures.name(name)?.as_bytes())?));
        Some(self.fields.iter().filter_map(value).collect())
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

    #[test]
    fn few_stems_cover_all_anchors() {
        let catalogue = Catalogue::built_in().unwrap();
        let anchors = catalogue.anchors();
        let stems = crate::stems::choose(&anchors);
        let held = |anchor: &&[u8]| stems.iter().any(|stem| memchr::memmem::find(anchor, stem).is_some());
        assert!(anchors.iter().all(held));
    }
}
