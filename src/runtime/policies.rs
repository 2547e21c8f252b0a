//! The policies in force: which, and putting others in force.

use std::sync::Arc;

use regie_actors::in_force::{EnactError, InForce};
use regie_actors::policy::Enact;
use regie_core::event::Principal;
use regie_core::governance::PolicySet;

use super::handle::Handle;

impl Handle {
    /// The policies in force.
    pub fn policies(&self) -> Arc<PolicySet> {
        Arc::clone(&self.core.in_force.borrow().set)
    }

    /// Puts a set of policies in force in place of the one that is. A turn keeps the set that it began with, so that no
    /// event is judged by half of one; what policies of the same names have granted goes on to count, under the new
    /// windows. The set is recorded with the first new event that is judged under it.
    ///
    /// # Errors
    /// If a policy asks a reasoner that there is not, another set is about to come into force, or the journal cannot be
    /// read; the one before stays.
    ///
    /// # Cancellation
    /// Dropping the future does not hold the set back.
    pub async fn set_policies(&self, set: PolicySet, by: Option<Principal>) -> Result<(), EnactError> {
        self.core.known_reasoners.check(&set)?;
        let in_force = Arc::new(InForce::new(set, by));
        self.core.policy.tell(Enact(in_force)).await.unwrap_or(Err(EnactError::Closing))
    }
}
