//! Whether something may be done. The only maker of [`Approved`].

mod action;
mod approved;
mod facts;
mod judge;
mod load;
mod rules;
#[cfg(test)]
mod tests;

pub use action::{Action, action};
pub use approved::{Approved, Basis};
pub use facts::{Consent, Facts, Occupied, Partition, Said};
pub use judge::{Asked, Decision, Held, judge, risk};
pub use load::{built_in, check, read};
pub use rules::{Lift, Limits, Policy, Rule, Then};
