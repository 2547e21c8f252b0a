//! What most programs need.

pub use regie_actors::agent::{Agent, AgentError, AgentTask};
pub use regie_core::event::{EntityRef, Event, LifeState, Pattern, Principal};
pub use regie_core::workflow::{Handler, HandlerError, Input, Moment, Reaction};

pub use crate::{Handle, JournalConfig, builder};
