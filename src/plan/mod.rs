//! From a finding to what is done about it: typed, validated, and not yet approved.

mod name;
mod task;

pub use name::{NodeName, NotANode};
pub use task::{Access, Group, Part, Script, Target, Task, What, Work};
