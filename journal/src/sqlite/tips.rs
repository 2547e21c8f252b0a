//! What the writer knows of correlations: recent ones in memory, older ones from the index.

use std::collections::HashMap;

use regie_core::event::CorrelationId;
use rusqlite::Connection;

use crate::error::StoreError;
use crate::index::lookup;
use crate::plan::Known;

/// Correlations of one generation. Two are kept, about 100 bytes each; what is older is asked of the index.
const GENERATION: usize = 1 << 17;

/// The last record of each correlation. Whatever the index does not cover yet is in memory.
pub(crate) struct Tips {
    young: HashMap<CorrelationId, Known>,
    old: HashMap<CorrelationId, Known>,
    index: Connection,
}

impl Tips {
    /// With a connection to an index that covers the whole journal.
    pub(crate) fn new(index: Connection) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), index }
    }

    /// What is known of a correlation; nothing if it has no record.
    pub(crate) fn of(&self, correlation: &str) -> Result<Option<Known>, StoreError> {
        match self.young.get(correlation).or_else(|| self.old.get(correlation)) {
            Some(known) => Ok(Some(*known)),
            None => lookup::known(&self.index, correlation),
        }
    }

    /// Remembers; forgets older ones that the index covers, if there are too many.
    pub(crate) fn remember(&mut self, correlation: &CorrelationId, known: Known, indexed: u64) {
        if self.young.len() >= GENERATION {
            let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            for (name, known) in forgotten.into_iter().filter(|(_, known)| known.last > indexed) {
                self.old.entry(name).or_insert(known);
            }
        }
        self.young.insert(correlation.clone(), known);
    }
}
