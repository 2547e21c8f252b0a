//! What most programs need, a dozen names: to build, to say what happened, and to handle it. For agents see
//! [`crate::actors::agent`].

pub use regie_core::event::{EntityRef, Event, LifeState, Pattern, Principal};
pub use regie_core::workflow::{Handler, HandlerError, Input, Moment, Reaction};

pub use crate::{JournalConfig, builder};
