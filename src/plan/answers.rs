//! What the evidence does not tell, told otherwise: by a person for whatever asks for it, or picked by a model for a test alone.

use std::collections::BTreeMap;

/// Values of parameters by who told them. A person's word counts everywhere, and names the nodes that it names; a pick counts for
/// the test that it was offered for, and for nothing that changes something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// By `parameter`, or `step.parameter` for one fix or test.
    said: BTreeMap<String, String>,
    /// By cause, test and parameter.
    picked: BTreeMap<(String, String, String), Vec<String>>,
}

impl Answers {
    /// A person's word.
    pub fn say(&mut self, parameter: String, value: String) {
        self.said.insert(parameter, value);
    }

    /// What a person said of a parameter of a fix or test.
    pub(super) fn said(&self, of: &str, parameter: &str) -> Option<&String> {
        self.said.get(&format!("{of}.{parameter}")).or_else(|| self.said.get(parameter))
    }

    /// Whether a person said this.
    pub(super) fn names(&self, value: &str) -> bool {
        self.said.values().any(|said| said == value)
    }

    /// Picks values for a parameter of a test.
    pub fn pick(&mut self, cause: &str, test: &str, parameter: &str, values: Vec<String>) {
        self.picked.insert((cause.to_owned(), test.to_owned(), parameter.to_owned()), values);
    }

    /// The values that were picked.
    pub(super) fn picked(&self, cause: &str, test: &str, parameter: &str) -> &[String] {
        let key = (cause.to_owned(), test.to_owned(), parameter.to_owned());
        self.picked.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Takes in others, which count before these.
    pub fn extend(&mut self, others: Self) {
        self.said.extend(others.said);
        self.picked.extend(others.picked);
    }
}

impl FromIterator<(String, String)> for Answers {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(said: I) -> Self {
        Self { said: said.into_iter().collect(), picked: BTreeMap::new() }
    }
}
