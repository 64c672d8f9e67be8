//! From a finding to what is done about it: typed, validated, and not yet approved.

mod answers;
mod bind;
mod build;
mod differ;
pub mod grammar;
mod identity;
mod name;
mod repair;
mod service;
pub mod site;
pub mod stage;
mod step;
mod task;
pub mod tell;
mod who;
mod witness;

pub use answers::Answers;
pub use build::{Known, plan, span};
pub use differ::differs;
pub use name::{NodeName, NotANode};
pub use repair::{Change, Repair};
pub use service::{Marks, by_hand, is_marked, unmarked};
pub use site::Site;
pub use step::{Hand, Plan, Question, SCHEMA, Stage, Step, Subject};
pub use task::{Access, Group, Part, Script, Target, Task, What, Work};
pub use who::Who;
pub use witness::Witness;
