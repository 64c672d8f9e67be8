//! Whether playbooks keep their word: their cases, their wording, and mutants of them.

mod cases;
mod groups;
mod lint;
mod mutate;

pub use cases::{Prepared, prepare, run};
pub use groups::{lint_group, rehearse_group};
pub use lint::lint;
pub use mutate::{Mutant, group_mutants, mutants};
