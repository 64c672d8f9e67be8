//! The case folder: what was collected of an incident, kept so that another machine comes to the same verdict.
//!
//! A *world* room that touches nothing but its own folder.
//!
//! ```text
//! CASE/
//!   case.json      the index: schema, who collected what and when, a digest a file, what was left out. Written last
//!   SHA256SUMS     the same digests, for `sha256sum -c`
//!   raw/1/…        the bytes of the first collection, raw/2/… those of the second
//!   case.collecting   only while somebody collects, or where that was interrupted
//!   journal.jsonl  what was decided and done, a line each; only added to, and locked while somebody acts
//! ```
//!
//! A folder without `case.json` is no case, and what the index does not list is not part of it. Names of files are data:
//! the index keeps them as they were, the folder has them in a form that leads nowhere. Other files beside these
//! are left alone.
#![expect(clippy::disallowed_methods, reason = "a world room: reads and writes its own folder")]

mod below;
mod draft;
mod folder;
mod index;
mod journal;
mod owner;
mod place;
mod sealed;

pub use below::{below, uri_part};
pub use draft::{Draft, Facts};
pub use folder::{Kept, Standing, kept, read_index, standing};
pub use index::{Collection, Index, LeftOut, Member};
pub use journal::{JOURNAL, Journal, Line, Pages, Torn, is_busy, own_pages, pages};
pub use owner::foreign;
pub use sealed::Digest;

/// Version of the index.
pub const SCHEMA: &str = "diag.case/1";

/// The index of a case.
const INDEX: &str = "case.json";

/// Digests in the form that `sha256sum` reads.
const SUMS: &str = "SHA256SUMS";

/// Stands in the folder while somebody collects.
const MARK: &str = "case.collecting";

/// Holds the collected bytes.
const RAW: &str = "raw";
