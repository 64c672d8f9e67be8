//! Webhooks: a notice in the form that its receiver wants, signed, delivered with a deadline and tried again later. A *world*
//! room; what waits to be delivered is kept by `spool`.
#![expect(clippy::disallowed_methods, reason = "a world room: reads secrets, and the time")]

mod form;
mod post;
mod settings;

pub use form::{Form, letter, render};
pub use post::{Post, Tried, pause};
pub use settings::{Receiver, receivers, wrong};
