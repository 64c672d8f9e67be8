//! Whether something may be done. The only maker of [`Approved`].

mod approved;
mod judge;

pub use approved::{Approved, Basis};
pub use judge::{Consents, Decision, Policy, judge};
