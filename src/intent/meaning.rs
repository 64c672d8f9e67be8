//! From words to a verb, a symptom and the things that are named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use diag_parsers::hostlist;

use super::words::{Word, any, places, words};
use crate::plan::NodeName;
use crate::playbook::Library;
use crate::playbook::intent::{Lexicon, Verb};

/// Most nodes that a sentence may name.
const MOST_NODES: usize = 10_000;

/// What can be named.
pub struct Known<'a> {
    /// Languages.
    pub lexicons: &'a [Lexicon],
    /// Causes, symptoms, tests, catalogues.
    pub library: &'a Library,
    /// Nodes of the site.
    pub nodes: &'a [String],
    /// Whether something is there by this path.
    pub exists: &'a dyn Fn(&str) -> bool,
}

/// What a sentence means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// The verb, or why there is none.
    pub sense: Sense,
    /// The symptom, where the words are of one more than of the others.
    pub set: Option<String>,
    /// The test, or tests where it can be several.
    pub tests: Vec<String>,
    /// What was named.
    pub named: Named,
    /// The language of most of its words.
    pub language: String,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sense {
    /// This.
    Plain(Verb),
    /// One of these.
    Unclear(Vec<Verb>),
    /// Nothing that diag knows.
    Nothing,
}

/// What a sentence names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Nodes, as a hostlist would write them.
    pub nodes: Vec<String>,
    /// Jobs.
    pub jobs: Vec<String>,
    /// Paths that are there.
    pub paths: Vec<String>,
    /// What to explain: `xid 79`, or a cause.
    pub entry: Option<String>,
}

/// A word or phrase of a verb.
struct Hit {
    verb: Verb,
    at: usize,
    len: usize,
    language: usize,
}

/// What a sentence means.
#[must_use]
pub fn understand(sentence: &str, known: &Known<'_>) -> Meaning {
    let words = words(sentence);
    let named = named(&words, known);
    let hits = hits(&words, known.lexicons);
    let (set, by_topic) = set(&words, known.lexicons);
    let tests = tests(&words, known);
    let sense =
        sense(&hits, &words, known.lexicons, (!by_topic.is_empty() || named.says_something(), !named.nodes.is_empty()));
    let language = language(&hits, &by_topic, known.lexicons);
    Meaning { sense, set, tests, named, language }
}

/// All words of verbs; a phrase takes the place of those within it.
fn hits(words: &[Word], lexicons: &[Lexicon]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (language, lexicon) in lexicons.iter().enumerate() {
        for (verb, wanted) in &lexicon.verb {
            for phrase in &wanted.words {
                let (found, len) = places(phrase, words);
                hits.extend(found.into_iter().map(|at| Hit { verb: *verb, at, len, language }));
            }
        }
    }
    let within: Vec<bool> = hits.iter().map(|hit| hits.iter().any(|other| other.holds(hit))).collect();
    hits.into_iter().zip(within).filter(|(_, within)| !within).map(|(hit, _)| hit).collect()
}

impl Hit {
    /// Whether this is a longer phrase round another.
    fn holds(&self, other: &Self) -> bool {
        self.len > other.len && self.at <= other.at && other.at + other.len <= self.at + self.len
    }

    /// Whether the sentence says that just this is not wanted.
    fn is_negated(&self, words: &[Word], lexicons: &[Lexicon]) -> bool {
        let said =
            |list: fn(&Lexicon) -> &[String], word: &Word| lexicons.iter().any(|lexicon| any(list(lexicon), word));
        let last = self.at + self.len - 1;
        let before = (0..self.at).rev().take(2).take_while(|at| !words[*at].ends);
        let behind = words.get(last + 1).filter(|_| !words[last].ends);
        before.into_iter().any(|at| said(|lexicon| &lexicon.negated.before, &words[at]))
            || behind.is_some_and(|word| said(|lexicon| &lexicon.negated.after, word))
            || words[self.at..=last].iter().any(|word| said(|lexicon| &lexicon.negated.inside, word))
    }
}

/// The one verb that is left when those that others include are taken away.
fn sense(hits: &[Hit], words: &[Word], lexicons: &[Lexicon], (about_something, node): (bool, bool)) -> Sense {
    let wanted = hits.iter().filter(|hit| !hit.is_negated(words, lexicons)).map(|hit| hit.verb);
    let mut verbs: BTreeSet<Verb> = wanted.collect();
    let included: BTreeSet<Verb> = verbs.iter().flat_map(|verb| verb.includes().iter().copied()).collect();
    verbs.retain(|verb| !included.contains(verb));
    let mut left = verbs.iter().copied();
    match (left.next(), left.next()) {
        (Some(verb), None) => Sense::Plain(verb),
        (Some(_), Some(_)) => Sense::Unclear(verbs.into_iter().collect()),
        // Naming a symptom, a log or a node asks what is wrong; reading it does no harm.
        (None, _) if about_something => Sense::Plain(Verb::Analyze),
        (None, _) if node => Sense::Plain(Verb::Probe),
        (None, _) => Sense::Nothing,
    }
}

/// The symptom with the most words in the sentence, if it is one; and how many words each language had.
fn set(words: &[Word], lexicons: &[Lexicon]) -> (Option<String>, BTreeMap<usize, usize>) {
    let mut of: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_language = BTreeMap::new();
    for (language, lexicon) in lexicons.iter().enumerate() {
        for (set, phrases) in &lexicon.topic {
            let found: usize = phrases.iter().map(|phrase| places(phrase, words)).map(|(at, len)| at.len() * len).sum();
            if found > 0 {
                *of.entry(set).or_default() += found;
                *by_language.entry(language).or_default() += found;
            }
        }
    }
    let most = of.values().copied().max();
    let mut best = of.into_iter().filter(|(_, found)| Some(*found) == most).map(|(set, _)| set);
    let set = best.next().filter(|_| best.next().is_none()).map(str::to_owned);
    (set, by_language)
}

/// Tests by their names, else by their words.
fn tests(words: &[Word], known: &Known<'_>) -> Vec<String> {
    let all = || known.library.tests.iter().flat_map(|book| [Some(book.id.as_str()), book.sweep.as_deref()]).flatten();
    let mut found: Vec<String> = Vec::new();
    for name in all().filter(|name| words.iter().any(|word| word.small == **name)) {
        if !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    if found.is_empty() {
        let of = known.lexicons.iter().flat_map(|lexicon| &lexicon.test);
        let said = of.filter(|(_, phrases)| phrases.iter().any(|phrase| !places(phrase, words).0.is_empty()));
        found = said.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    }
    found
}

fn language(hits: &[Hit], topics: &BTreeMap<usize, usize>, lexicons: &[Lexicon]) -> String {
    let score = |at: usize| {
        hits.iter().filter(|hit| hit.language == at).count() * 2 + topics.get(&at).copied().unwrap_or_default()
    };
    let best = (0..lexicons.len()).max_by_key(|at| (score(*at), std::cmp::Reverse(*at)));
    best.map(|at| lexicons[at].language.clone()).unwrap_or_default()
}

fn named(words: &[Word], known: &Known<'_>) -> Named {
    let mut named = Named::default();
    let behind = |at: usize, list: fn(&Lexicon) -> &[String]| {
        let before = at.checked_sub(1).map(|at| &words[at]);
        before.is_some_and(|word| known.lexicons.iter().any(|lexicon| any(list(lexicon), word)))
    };
    for (at, word) in words.iter().enumerate() {
        let digits = word.small.bytes().take_while(u8::is_ascii_digit).count();
        if behind(at, |lexicon| &lexicon.names.job) && digits > 0 {
            let whole = word.small.strip_suffix("번").unwrap_or(&word.small);
            let job: String =
                whole.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '_' | '.' | '+')).collect();
            named.jobs.push(job);
        } else if (known.exists)(&word.typed) && word.typed.contains(['/', '.', '-', '_']) {
            named.paths.push(word.typed.clone());
        } else if let Some(node) = node(word, behind(at, |lexicon| &lexicon.names.node), known) {
            named.nodes.push(node);
        }
    }
    named.entry = entry(words, known);
    named
}

/// A node: one of the site's, or what is called one, or what is written as hosts are.
fn node(word: &Word, called: bool, known: &Known<'_>) -> Option<String> {
    // Particles cling to a word: `gpu-17은`.
    let host: String = word.typed.chars().take_while(char::is_ascii).collect();
    let known_name = known.library.get(&host).is_some()
        || known.library.sets.iter().any(|set| set.id == host)
        || known.library.tests.iter().any(|book| book.id == host || book.sweep.as_deref() == Some(&host));
    let all = hostlist::expand(&host, MOST_NODES).ok()?;
    let fits = !all.is_empty() && all.iter().all(|name| name.parse::<NodeName>().is_ok());
    let written = host.contains(|c: char| c.is_ascii_digit())
        && host.contains('-')
        && host.starts_with(|c: char| c.is_ascii_lowercase());
    let here = all.iter().all(|name| known.nodes.contains(name));
    let shaped = host.contains(|c: char| c.is_ascii_digit());
    (fits && !known_name && (here || written || (called && shaped))).then_some(host)
}

/// What to explain: a table and a number, or a cause.
fn entry(words: &[Word], known: &Known<'_>) -> Option<String> {
    let number = |word: &Word| {
        let digits: String = word.small.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    };
    let table = |at: usize| {
        let (table, next) = (&words[at].small, words.get(at + 1).and_then(number)?);
        known.library.catalogue.contains_key(table).then(|| format!("{table} {next}"))
    };
    let cause = |word: &Word| known.library.get(&word.small).map(|playbook| playbook.id.clone());
    (0..words.len()).find_map(table).or_else(|| words.iter().find_map(cause))
}

impl Named {
    fn says_something(&self) -> bool {
        !self.paths.is_empty() || !self.jobs.is_empty()
    }
}

impl fmt::Display for Meaning {
    /// As the cases of a lexicon say it: `fix nccl-timeout node=gpu-17`, `unclear: test | fix`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sense {
            Sense::Plain(verb) => f.write_str(verb.name())?,
            Sense::Unclear(verbs) => {
                write!(f, "unclear: {}", verbs.iter().map(|verb| verb.name()).collect::<Vec<_>>().join(" | "))?;
            }
            Sense::Nothing => f.write_str("nothing")?,
        }
        let test = matches!(self.sense, Sense::Plain(Verb::Test));
        self.set.iter().filter(|_| !test).try_for_each(|set| write!(f, " {set}"))?;
        self.tests.iter().filter(|_| test).try_for_each(|name| write!(f, " {name}"))?;
        let explained = self.named.entry.iter().filter(|_| self.sense == Sense::Plain(Verb::Explain));
        explained.into_iter().try_for_each(|entry| write!(f, " ({entry})"))?;
        self.named.nodes.iter().try_for_each(|node| write!(f, " node={node}"))?;
        self.named.jobs.iter().try_for_each(|job| write!(f, " job={job}"))?;
        self.named.paths.iter().try_for_each(|path| write!(f, " path={path}"))
    }
}

/// What is wrong with a lexicon, one sentence each.
#[must_use]
pub fn lint(lexicon: &Lexicon, library: &Library) -> Vec<String> {
    let mut wrong = Vec::new();
    if lexicon.schema != 1 {
        wrong.push(format!("schema {} is unknown; this build reads 1", lexicon.schema));
    }
    let missing = Verb::ALL.iter().filter(|verb| !lexicon.verb.contains_key(*verb));
    wrong.extend(missing.map(|verb| format!("it has no words for `{}`", verb.name())));
    let sets = lexicon.topic.keys().filter(|name| !library.sets.iter().any(|set| set.id == **name));
    wrong.extend(sets.map(|name| format!("`{name}` is no symptom")));
    let is_test = |name: &str| library.tests.iter().any(|book| book.id == name || book.sweep.as_deref() == Some(name));
    wrong.extend(lexicon.test.keys().filter(|name| !is_test(name)).map(|name| format!("`{name}` is no test")));
    let lists =
        lexicon.verb.values().map(|wanted| &wanted.words).chain(lexicon.topic.values()).chain(lexicon.test.values());
    for phrase in lists.flatten() {
        if phrase.trim().is_empty()
            || *phrase != phrase.to_lowercase()
            || phrase.split_whitespace().all(|word| word.trim_matches('*').is_empty())
        {
            wrong.push(format!("`{phrase}` is no phrase in small letters"));
        }
    }
    if lexicon.cases.is_empty() {
        wrong.push("it has no cases".to_owned());
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::built_in;

    fn meaning(sentence: &str, nodes: &[&str]) -> String {
        let library = built_in().unwrap();
        let nodes: Vec<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
        let known = Known { lexicons: &library.intents, library: &library, nodes: &nodes, exists: &|_| false };
        understand(sentence, &known).to_string()
    }

    #[test]
    fn a_node_is_one_of_the_sites_or_is_written_as_hosts_are() {
        assert_eq!(meaning("probe login", &[]), "probe");
        assert_eq!(meaning("probe login", &["login"]), "probe node=login");
        assert_eq!(meaning("probe gpu-17.cluster.example", &[]), "probe node=gpu-17.cluster.example");
        for no_node in
            ["probe ../etc-1", "probe -oProxyCommand=1", "probe $(id)-1", "probe gpu-[1-999999999]", "probe ab-1;id"]
        {
            assert_eq!(meaning(no_node, &[]), "probe", "{no_node}");
        }
    }

    #[test]
    fn a_long_sentence_takes_bounded_time() {
        let long = "fix not analyze ".repeat(200_000);
        let _ = meaning(&long, &[]);
        assert_eq!(meaning("", &[]), "nothing");
    }
}
