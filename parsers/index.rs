//! Which signatures and grammars may have something to say on a line: those of whose literals one stands there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::event::Says;
use crate::grammar::Grammar;
use crate::matched::Matched;
use crate::search::{Familiar, Hit, Lines, Look, Search};
use crate::signature::{Pattern, Signature};

/// Words of complaint: a line that holds one, and that no signature knows, is counted as not understood.
const COMPLAINTS: [&str; 4] = ["rror", "WARN", "FATAL", "Traceback"];

/// Longest part of a literal that is searched for.
const MOST_BYTES: usize = 256;

/// Who wants a line that holds a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// A signature, and which of its patterns.
    Signature(u32, u16),
    /// A grammar.
    Grammar(u32),
    /// Nobody, but the line complains.
    Complaint,
}

/// A search for literals, and who wants each.
#[derive(Debug)]
pub(crate) struct Index {
    search: Search,
    /// Per literal.
    owners: Vec<Vec<Owner>>,
    /// What was learnt of lines, while nobody searches with it; none where a search is too short to learn.
    learnt: Option<Mutex<Vec<Learnt>>>,
}

/// What was learnt of lines: which literals they hold, and where patterns match in them.
pub(crate) type Learnt = (Familiar, Matched);

type Wanted = BTreeMap<Vec<u8>, Vec<Owner>>;

impl Index {
    /// For documents of any size: without steps, of which every line may tell, and without what stands at the ends of a
    /// run where the search for it costs something.
    pub(crate) fn fast(signatures: &[Signature], grammars: &[&dyn Grammar], text: &[u8]) -> Self {
        let chosen = |signature: &Signature, pattern: &Pattern| {
            let cheap = || pattern.anchors.iter().all(|anchor| Search::is_cheap(anchor.as_bytes()));
            signature.says != Says::Progress && (!signature.ends || cheap())
        };
        let wanted = wanted(signatures, grammars, chosen, |grammar| !grammar.in_small_documents_only());
        Self { learnt: Some(Mutex::default()), ..Self::prepared(wanted, text) }
    }

    /// For steps only, wherever in a document.
    pub(crate) fn steps(signatures: &[Signature], text: &[u8]) -> Self {
        Self::prepared(wanted(signatures, &[], |signature, _| signature.says == Says::Progress, |_| false), text)
    }

    /// For what is searched for in documents like `text`.
    fn prepared(mut wanted: Wanted, text: &[u8]) -> Self {
        let search = Search::new(wanted.keys().cloned().collect(), text);
        let owners = search.literals().iter().map(|literal| wanted.remove(literal).unwrap_or_default()).collect();
        Self { search, owners, learnt: None }
    }

    /// For small documents: everything, and ready at once.
    pub(crate) fn plain(signatures: &[Signature], grammars: &[&dyn Grammar]) -> Self {
        let (literals, owners) = wanted(signatures, grammars, |_, _| true, |_| true).into_iter().unzip();
        Self { search: Search::plain(literals), owners, learnt: None }
    }

    /// Every place of `text` at which something is wanted, in no order.
    pub(crate) fn find(&self, text: &[u8], hits: &mut Vec<Hit>) {
        self.search.find(text, hits);
    }

    /// As [`Self::find`], by `look`, but without looking again at lines that are known to hold nothing.
    pub(crate) fn find_unknown(&self, lines: Lines<'_>, familiar: &mut Familiar, look: Look<'_>, hits: &mut Vec<Hit>) {
        self.search.find_unknown(lines, familiar, look, hits);
    }

    /// What was learnt of lines, for one who searches a part of a text.
    pub(crate) fn learnt(&self) -> Option<Learnt> {
        let mut pool = self.learnt.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut familiar, mut matched) = pool.pop().unwrap_or_default();
        familiar.begin();
        matched.begin();
        Some((familiar, matched))
    }

    /// Keeps it for the next part.
    pub(crate) fn keep(&self, learnt: Option<Learnt>) {
        if let Some((pool, learnt)) = self.learnt.as_ref().zip(learnt) {
            pool.lock().unwrap_or_else(PoisonError::into_inner).push(learnt);
        }
    }

    /// Who wants what was hit.
    pub(crate) fn owners(&self, hit: Hit) -> &[Owner] {
        &self.owners[hit.literal as usize]
    }
}

fn wanted(
    signatures: &[Signature],
    grammars: &[&dyn Grammar],
    chosen: fn(&Signature, &Pattern) -> bool,
    asked: fn(&dyn Grammar) -> bool,
) -> Wanted {
    let mut wanted = Wanted::new();
    let mut want = |literal: &str, owner| {
        let bytes = literal.as_bytes();
        wanted.entry(bytes[..bytes.len().min(MOST_BYTES)].to_vec()).or_default().push(owner);
    };
    for (at, signature) in signatures.iter().enumerate() {
        let patterns = signature.patterns.iter().enumerate();
        for (number, pattern) in patterns.filter(|(_, pattern)| chosen(signature, pattern)) {
            pattern.anchors.iter().for_each(|anchor| want(anchor, Owner::Signature(at as u32, number as u16)));
        }
    }
    for (at, grammar) in grammars.iter().enumerate().filter(|(_, grammar)| asked(**grammar)) {
        grammar.anchors().iter().for_each(|anchor| want(anchor, Owner::Grammar(at as u32)));
    }
    COMPLAINTS.iter().for_each(|word| want(word, Owner::Complaint));
    wanted
}
