//! What a person wants, from the words of a sentence: no model, no guess. What is not plain is a question.
//!
//! Pure. Words are data (`playbooks/intents/`), one file a language; a sentence may mix languages.

mod meaning;
mod words;

pub use meaning::{Known, Meaning, Named, Sense, lint, understand};
