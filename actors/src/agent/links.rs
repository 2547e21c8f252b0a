//! What agents' gates need of the rest of the system.

use crate::busy::Busy;
use crate::clock::Clock;
use crate::entry::Router;
use crate::pool::ReaderPool;

/// What gates need of the rest of the system.
#[derive(Clone)]
pub(crate) struct AgentLinks {
    /// The way to the correlations in which the journal is told of agents.
    pub(crate) router: Router,
    pub(crate) busy: Busy,
    pub(crate) clock: Clock,
    pub(crate) readers: ReaderPool,
    /// Where agents work.
    pub(crate) pool: tokio::runtime::Handle,
}
