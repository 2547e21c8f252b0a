//! Which events are meant.

use crate::Timestamp;
use crate::event::{CorrelationId, EntityRef, LifeState, Pattern};

/// From which end a listing starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The oldest first, by timestamp; journal order among equals.
    #[default]
    Oldest,
    /// The newest first.
    Newest,
}

/// Which events are meant: all conditions together. The default means every event but the runtime's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Of this correlation.
    pub correlation: Option<CorrelationId>,
    /// Done by the one with this id, whatever its kind.
    pub actor: Option<String>,
    /// Of a type that fits.
    pub kind: Option<Pattern>,
    /// Of this session.
    pub session: Option<String>,
    /// Whose entity or related ones name this.
    pub entity: Option<EntityRef>,
    /// In this state now.
    pub state: Option<LifeState>,
    /// Stamped then or later.
    pub from: Option<Timestamp>,
    /// Stamped before then.
    pub to: Option<Timestamp>,
    /// The runtime's own too.
    pub own: bool,
    /// At most so many; all unless said.
    pub limit: Option<usize>,
    /// From which end.
    pub order: Order,
}
