//! Regie's journal: the truth of what happened, and the ways to read it.
//!
//! Blocking, without a runtime: each part goes to a thread of its own.
//!
//! ```
//! use regie_journal::Journal;
//!
//! let opened = Journal::memory();
//! assert_eq!(opened.writer.head().position, 0);
//! let mut reader = opened.readers.open()?;
//! assert_eq!(reader.count(&Default::default())?, 0);
//! # Ok::<(), regie_journal::StoreError>(())
//! ```
//!
//! - [`Writer`] appends turns, all of a batch in one durable step.
//! - [`Indexer`] follows behind and keeps the index that queries and lookups use.
//! - [`Readers`] opens [`Reader`]s, each with connections of its own, beside the writer.
//! - [`verify`] walks the whole journal and names the first place that does not fit.
//!
//! A store is an [`EventStore`] with its [`EventReader`]s, and passes [`conformance`].

mod brief;
pub mod conformance;
mod error;
mod fold;
mod follow;
mod granted;
mod grants;
mod handed;
mod index;
mod journal;
mod kept;
mod last;
mod links;
mod listing;
mod memory;
mod note;
mod plan;
mod progress;
mod reader;
mod readers;
mod row;
mod sets;
mod snapshot;
mod sqlite;
mod store;
mod stored;
mod verify;
mod writer;

pub use error::StoreError;
pub use follow::{Came, Follow, Followed};
pub use grants::{Booked, Grants, HeldBy, InBurst, Places, Spent, Taken};
pub use handed::Told;
pub use index::Indexer;
pub use journal::{Durability, Journal, Opened, SqliteOptions};
pub use kept::Kept;
pub use memory::MemoryStore;
pub use note::OpenNote;
pub use reader::Reader;
pub use readers::Readers;
pub use sets::{POLICIES, RULES, Trails};
pub use snapshot::Snapshot;
pub use store::{BadRow, Conflict, EventReader, EventStore, Head, Placed, Row, SetInForce, SetKind, Tip, Turn, Wake};
pub use stored::{StoredEvent, StoredRecord, StoredRun};
pub use verify::{Break, BreakKind, VerifyReport, verify};
pub use writer::{Committed, Writer};
