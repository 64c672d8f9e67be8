//! A sentence as words, and patterns of words in it.

/// A word of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// As it was typed, without punctuation round it.
    pub(super) typed: String,
    /// The same in small letters.
    pub(super) small: String,
    /// Whether a clause ends behind it.
    pub(super) ends: bool,
}

/// Most words of a sentence that are looked at.
const MOST: usize = 400;

/// The words of a sentence.
pub(super) fn words(sentence: &str) -> Vec<Word> {
    let round = |c: char| {
        matches!(c, '"' | '“' | '”' | '‘' | '’' | '`' | '(' | ')' | '?' | '!' | ',' | ';' | ':' | '。' | '、' | '…')
    };
    let word = |text: &str| {
        let bare = text.trim_matches(|c| round(c) || c == '\'');
        let bare = bare.strip_suffix('.').unwrap_or(bare);
        let ends = text.ends_with(['.', '?', '!', ',', ';', ':', '。', '、', '…']);
        let small = bare.replace('’', "'").to_lowercase();
        (!bare.is_empty()).then(|| Word { typed: bare.to_owned(), small, ends })
    };
    sentence.split_whitespace().filter_map(word).take(MOST).collect()
}

/// Whether a word fits a pattern: `hang*` takes what begins so, `*hang*` what holds it.
fn fits(pattern: &str, word: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => word.contains(pattern.trim_matches('*')),
        (Some(end), None) => word.ends_with(end),
        (None, Some(start)) => word.starts_with(start),
        (None, None) => word == pattern,
    }
}

/// Where a phrase stands: the places of its first words, and how many words it has.
pub(super) fn places(phrase: &str, words: &[Word]) -> (Vec<usize>, usize) {
    let patterns: Vec<&str> = phrase.split_whitespace().collect();
    let here = |window: &[Word]| window.iter().zip(&patterns).all(|(word, pattern)| fits(pattern, &word.small));
    let found = words.windows(patterns.len().max(1)).enumerate().filter(|(_, window)| here(window));
    (found.map(|(at, _)| at).collect(), patterns.len())
}

/// Whether one of the patterns takes a word.
pub(super) fn any(patterns: &[String], word: &Word) -> bool {
    patterns.iter().any(|pattern| fits(pattern, &word.small))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_the_punctuation_round_them_and_keep_that_within() {
        let typed: Vec<String> =
            words("Why did \"slurm-42.out\" hang? 왜 멈췄어…").into_iter().map(|word| word.typed).collect();
        assert_eq!(typed, ["Why", "did", "slurm-42.out", "hang", "왜", "멈췄어"]);
        assert_eq!(places("did *", &words("why did it hang")).0, [1]);
        assert!(fits("*지말*", "고치지말고") && !fits("fix", "fixed") && fits("fix*", "fixed"));
    }
}
