//! An MCP server on standard input and output: what an assistant may ask of diag, and what it may never do.
//!
//! A *world* room: it speaks the protocol and reads below the folders it is given. What it tells of logs is masked,
//! bounded, and marked as data. An assistant names what is below those folders and nothing else, and agrees to nothing: what the
//! policy asks a person for is answered with the command that a person types in a terminal. No parameter carries a yes,
//! and none is asked for through the client, which could answer by itself.
//!
//! The thinking is that of the commands; a [`Desk`] brings it.
#![expect(clippy::disallowed_methods, reason = "a world room: keeps deadlines")]

mod answer;
mod bound;
mod desk;
mod params;
mod prompts;
mod resources;
mod rows;
mod server;
mod tools;
mod work;

pub use desk::{Came, Desk, Look, Study, Wish};
pub use params::{Part, Run};
pub use server::{Settings, serve};
