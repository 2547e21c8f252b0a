//! What comes in: the envelope, its life, its identity, and how it is read and written.

mod build;
mod catalogue;
mod changes;
mod cloudevents;
mod envelope;
mod error;
mod identity;
mod incoming;
mod lifecycle;
mod parse;
mod pattern;
mod result;
mod scan;
mod trace;
mod wanted;

pub use build::EventBuilder;
pub use catalogue::{Breach, Catalogue, CatalogueError, CatalogueFileError, EventType, Told, UpcastError, Upcaster};
pub(crate) use catalogue::{escaped, shown};
pub use cloudevents::to_cloudevent;
pub(crate) use envelope::is_own_kind;
pub use envelope::{Change, CorrelationId, EntityRef, Event, Principal, Priority};
pub use error::EventError;
pub use identity::{Identity, emitted_id};
pub use incoming::{Format, Incoming, Origin};
pub use lifecycle::{IllegalMove, LifeState};
pub use parse::reorders;
pub(crate) use parse::{check_kind, check_name};
pub use pattern::{Pattern, PatternError};
pub use result::{ErrorInfo, EventResult, Move, Status};
pub(crate) use scan::check_shape;
