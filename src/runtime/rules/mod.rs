//! The rules in force: which, putting others in force, their runs, and putting back what a run did.

mod runs;
mod undo;

use std::sync::Arc;
use std::time::Duration;

pub use regie_actors::automation::AutomationView;
use regie_core::automation::{RuleSet, RuleSetError};
use regie_core::event::{Event, Principal};
use regie_core::query::Order;
use regie_journal::StoreError;

use super::handle::Handle;

#[cfg(feature = "cli")]
pub(crate) use runs::undone_in;
pub use runs::{RunReport, RunState, Undone, runs};
pub use undo::{UndoError, UndoneRun};

/// How long a query waits for the index to cover what was committed before it.
const PATIENCE: Duration = Duration::from_secs(30);

impl Handle {
    /// The rules in force.
    pub fn rules(&self) -> RuleSet {
        self.core.rules.borrow().set.clone()
    }

    /// Puts a set of rules in force in place of the one that is; the catalogue's relations go with it. It is recorded with the
    /// first new event that either of the two watches for, and looks at events from there on. A rule whose text is the same
    /// goes on to know for what it held.
    ///
    /// # Errors
    /// If it rests on more relations than are taken; the one before stays.
    pub fn set_rules(&self, set: &RuleSet, by: Option<Principal>) -> Result<(), RuleSetError> {
        let set = set.relating(self.core.definitions.catalogue().relations())?;
        self.core.enact_rules.send_modify(|rules| *rules = Arc::new(rules.replaced(set, by)));
        Ok(())
    }

    /// What may be seen of the rules: how far they have looked, how many runs they made, what they could not take in last.
    pub fn rules_view(&self) -> Arc<AutomationView> {
        Arc::clone(&self.core.automation_view)
    }

    /// Whether a rule watches for such an event: in event time it enters when those before are answered, and what rules make
    /// of it is done before the next one enters.
    pub(super) fn rules_watch(&self, event: &Event) -> bool {
        self.core.rules.borrow().set.rules().any(|rule| rule.is_on(&event.kind))
    }

    /// The runs of rules, in the order in which they were recorded or the newest first: of one rule, if it is named, and at
    /// most so many.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn runs(
        &self,
        rule: Option<String>,
        limit: Option<usize>,
        order: Order,
    ) -> Result<Vec<RunReport>, StoreError> {
        let least = self.position();
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            runs(reader, rule.as_deref(), limit, order)
        });
        read.await
    }
}
