//! Whether the words of a language keep their word: what sentences mean, and that no word is there for nothing.

use super::mutate::Mutant;
use crate::intent::{Known, understand};
use crate::playbook::Library;
use crate::playbook::intent::Lexicon;

/// A list of words within a lexicon.
type List = fn(&mut Lexicon) -> &mut Vec<String>;

/// What is wrong with a case: a sentence that means something else than it should.
pub fn rehearse_sentence(sentence: &str, means: &str, lexicons: &[Lexicon], library: &Library) -> Option<String> {
    let known = Known { lexicons, library, nodes: &[], exists: &|path| path.ends_with(".log") };
    let got = understand(sentence, &known).to_string();
    (got != means).then(|| format!("should mean `{means}`, means `{got}`"))
}

/// A lexicon with one word taken away each time.
pub fn word_mutants(lexicon: &Lexicon) -> Vec<Mutant<Lexicon>> {
    let mut mutants = Vec::new();
    for (verb, wanted) in &lexicon.verb {
        for at in 0..wanted.words.len() {
            let without = format!("`{}` of verb.{}", wanted.words[at], verb.name());
            let drop = |changed: &mut Lexicon| changed.verb.get_mut(verb).map(|wanted| wanted.words.remove(at));
            mutants.push(mutant(lexicon, without, |changed| drop(changed).is_some()));
        }
    }
    for (name, words) in lexicon.topic.iter().chain(&lexicon.test) {
        for word in words {
            let without = format!("`{word}` of {name}");
            let of_topic = lexicon.topic.contains_key(name);
            mutants.push(mutant(lexicon, without, |changed| {
                let lists = if of_topic { &mut changed.topic } else { &mut changed.test };
                lists.get_mut(name).map(|list| list.retain(|other| other != word)).is_some()
            }));
        }
    }
    let lists: [(&str, List); 5] = [
        ("names.job", |lexicon| &mut lexicon.names.job),
        ("names.node", |lexicon| &mut lexicon.names.node),
        ("negated.before", |lexicon| &mut lexicon.negated.before),
        ("negated.after", |lexicon| &mut lexicon.negated.after),
        ("negated.inside", |lexicon| &mut lexicon.negated.inside),
    ];
    for (name, list) in lists {
        let mut own = lexicon.clone();
        for (at, word) in list(&mut own).iter().enumerate() {
            mutants.push(mutant(lexicon, format!("`{word}` of {name}"), |changed| {
                list(changed).remove(at);
                true
            }));
        }
    }
    mutants
}

fn mutant(lexicon: &Lexicon, without: String, change: impl FnOnce(&mut Lexicon) -> bool) -> Mutant<Lexicon> {
    let mut changed = lexicon.clone();
    change(&mut changed);
    Mutant { without, changed }
}
