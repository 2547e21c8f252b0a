//! The policies in force: which set, and how it is recorded. A turn takes the set that is in force when it begins, and
//! keeps it to its end, so that no event is judged by half of one.

use std::sync::Arc;

use regie_core::event::Principal;
use regie_core::governance::PolicySet;
use regie_journal::{SetInForce, SetKind, StoreError};
use tokio::sync::watch;

use crate::reasoner::Unaskable;

/// A set in force.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// The policies.
    pub set: Arc<PolicySet>,
    /// The same as it is recorded; none where there is no policy.
    pub record: Option<Arc<SetInForce>>,
}

impl InForce {
    /// A set, and who put it in force.
    pub fn new(set: PolicySet, by: Option<Principal>) -> Self {
        let kind = SetKind::Policies;
        let record = set.digest().map(|digest| Arc::new(SetInForce { kind, digest, text: set.text().into(), by }));
        Self { set: Arc::new(set), record }
    }
}

/// Where the set in force is found.
pub type Current = watch::Receiver<Arc<InForce>>;

/// Why a set did not come into force; the one before stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnactError {
    /// Another is about to, or the policies' state is being read: try again.
    #[error("another set is about to come into force, or the policies' state is being read: try again")]
    Busy,
    /// A policy asks a reasoner that there is not, or gives it more time than it may take.
    #[error(transparent)]
    Reasoner(#[from] Unaskable),
    /// What its policies have granted in earlier days cannot be read.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// The runtime is shutting down, or its policies were given up.
    #[error("the runtime takes no policies any more")]
    Closing,
}
