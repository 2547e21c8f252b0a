//! One structured line for each move in the life of an event.

use std::collections::BTreeMap;
use std::sync::Arc;

use regie_core::event::Event;
use regie_core::workflow::{Fact, Record};

use super::done::Done;
use super::turn::Taking;

impl Taking {
    /// One line for each move in the life of an event.
    pub(super) fn log(&self, records: &[Record]) {
        if !tracing::enabled!(target: "regie::life", tracing::Level::DEBUG) {
            return;
        }
        let causes: BTreeMap<usize, &Arc<Event>> = self.done.iter().filter_map(Done::received).collect();
        for (at, record) in records.iter().enumerate() {
            let event = causes.get(&at).map(|event| event.id.as_str());
            let causation = causes.get(&at).and_then(|event| event.causation_id.as_deref());
            for fact in &record.facts {
                if let Fact::Moved { event: sequence, to, reason, .. } = fact {
                    let correlation = self.correlation.as_str();
                    tracing::debug!(target: "regie::life", correlation, causation, event, sequence, %to, reason);
                }
            }
        }
    }
}
