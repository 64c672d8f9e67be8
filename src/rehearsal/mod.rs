//! Whether playbooks keep their word: their cases, their wording, and mutants of them.

mod cases;
mod lint;
mod mutate;

pub use cases::{Prepared, prepare, run};
pub use lint::lint;
pub use mutate::{Mutant, mutants};
