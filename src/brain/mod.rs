//! A model that may be asked beside the rules: any endpoint that speaks OpenAI's chat protocol. A *world* room.
//!
//! It sees a bounded, masked, delimited view of the evidence. It may ask for more lines, say how it would order hypotheses, choose
//! among the moves that the report proposes, and write sentences that cite. It makes no verdict, moves nothing of the report, agrees
//! to nothing, and authors no command; what does not cite a line that is there is dropped, and whatever fails leaves the rules as
//! they are.
#![expect(clippy::disallowed_methods, reason = "a world room: talks to an endpoint, tells the time")]

mod client;
mod consult;
mod pick;
mod reply;
mod settings;
mod view;
mod wire;

pub use client::Client;
pub use consult::{Case, Chat, Lines, choose, consult};
pub use pick::{Choice, Offered, Picked, pick};
pub use settings::{Key, Protocol, Settings};
pub use view::View;
pub use wire::{Answer, Message, Shape};
