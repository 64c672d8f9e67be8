//! Facts about collectives that follow from what the ranks say: who is behind, absent, at odds.

use super::Table;

/// Derives the facts.
pub fn derive(_table: &mut Table) {}
