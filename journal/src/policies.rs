//! Recording the policy set: with the first turn that was judged under it, and only if it differs from the last recorded.

use regie_core::workflow::{Fact, Record};
use regie_core::{Digest, Timestamp};

use crate::error::StoreError;
use crate::reader::Reader;
use crate::store::{SetInForce, Tip, Turn, Wake};

/// The correlation that policy sets are recorded in.
pub const POLICIES: &str = "regie/policies";

/// What has been recorded of policy sets. The default is that of a journal in which none has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyTrail {
    tip: Tip,
    last: Option<Digest>,
}

impl PolicyTrail {
    /// Reads it from a journal whose index is caught up: for a writer over a store that holds something already.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn read(reader: &mut Reader) -> Result<Self, StoreError> {
        let Some(tip) = reader.tip(POLICIES)? else { return Ok(Self::default()) };
        let records = reader.load(POLICIES, tip.sequence.saturating_sub(1))?;
        let mut facts = records.iter().flat_map(|stored| &stored.record.facts).rev();
        let last = facts.find_map(|fact| if let Fact::PolicySet { digest, .. } = fact { Some(*digest) } else { None });
        Ok(Self { tip, last })
    }

    /// Whether a set is another than the last recorded.
    pub(crate) fn differs(&self, set: &SetInForce) -> bool {
        self.last != Some(set.digest)
    }

    /// The turn that records a set, and the trail after it.
    pub(crate) fn record(&self, set: &SetInForce, at: Timestamp) -> (Turn, Self) {
        let mut facts = Vec::with_capacity(2);
        if self.tip == Tip::default() {
            facts.push(Fact::Opened { correlation: POLICIES.into() });
        }
        let SetInForce { digest, text, by } = set.clone();
        facts.push(Fact::PolicySet { digest, text, by });
        let record = Record { sequence: self.tip.sequence + 1, at, facts }.encode(self.tip.digest);
        let tip = Tip { sequence: self.tip.sequence + 1, digest: record.digest };
        let records = vec![record];
        let turn = Turn { correlation: POLICIES.into(), expected: self.tip, records, at, wake: Wake::Never, set: None };
        (turn, Self { tip, last: Some(digest) })
    }

    /// After somebody else has written there: what they wrote is not known, so that the next set is recorded.
    pub(crate) fn at(tip: Tip) -> Self {
        Self { tip, last: None }
    }
}
