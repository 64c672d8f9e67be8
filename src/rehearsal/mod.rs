//! Whether playbooks keep their word: their cases, their wording, and mutants of them.

mod cases;
mod groups;
mod intents;
mod lint;
mod mutate;
mod repairs;

pub use cases::{Prepared, prepare, run};
pub use groups::{lint_group, rehearse_group};
pub use intents::{rehearse_sentence, word_mutants};
pub use lint::lint;
pub use mutate::{Mutant, group_mutants, mutants};
pub use repairs::{lint_repairs, reason_mutants, rehearse_reason};
