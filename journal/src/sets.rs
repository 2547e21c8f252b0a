//! Recording the sets that decide: of policies and of rules, each with the first turn under it, and only if it differs from
//! the last recorded of its kind.

use regie_core::workflow::{Fact, Record};
use regie_core::{Digest, Timestamp};

use crate::error::StoreError;
use crate::reader::Reader;
use crate::store::{Placed, SetInForce, SetKind, Tip, Turn, Wake};

/// The correlation that policy sets are recorded in.
pub const POLICIES: &str = "regie/policies";

/// The correlation that rule sets are recorded in.
pub const RULES: &str = "regie/rules";

impl SetKind {
    /// The correlation that sets of this kind are recorded in.
    pub fn correlation(self) -> &'static str {
        match self {
            SetKind::Policies => POLICIES,
            SetKind::Rules => RULES,
        }
    }

    fn digest_in(self, fact: &Fact) -> Option<Digest> {
        match (self, fact) {
            (SetKind::Policies, Fact::PolicySet { digest, .. }) | (SetKind::Rules, Fact::RuleSet { digest, .. }) => {
                Some(*digest)
            }
            _ => None,
        }
    }
}

/// What has been recorded of sets. The default is that of a journal in which none has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trails {
    policies: Trail,
    rules: Trail,
}

/// What has been recorded of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Trail {
    tip: Tip,
    last: Option<Digest>,
    /// The position of its last record; 0 if there is none.
    position: u64,
}

impl Trails {
    /// Reads them from a journal whose index is caught up: for a writer over a store that holds something already.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn read(reader: &mut Reader) -> Result<Self, StoreError> {
        let mut read = |kind| Trail::read(kind, reader);
        Ok(Self { policies: read(SetKind::Policies)?, rules: read(SetKind::Rules)? })
    }

    /// Whether a set is another than the last recorded of its kind.
    pub(crate) fn differs(&self, set: &SetInForce) -> bool {
        self.of(set.kind).last != Some(set.digest)
    }

    /// The turn that records a set; from then on it is the last recorded.
    pub(crate) fn record(&mut self, set: &SetInForce, at: Timestamp) -> Turn {
        let trail = self.of_mut(set.kind);
        let (turn, after) = trail.record(set, at);
        *trail = after;
        turn
    }

    /// After somebody else has written there: what they wrote is not known, so that the next set is recorded.
    pub(crate) fn found(&mut self, kind: SetKind, tip: Tip) {
        let position = self.of(kind).position;
        *self.of_mut(kind) = Trail { tip, last: None, position };
    }

    /// The position of the last record of rules; 0 if there is none.
    pub(crate) fn rules_at(&self) -> u64 {
        self.rules.position
    }

    /// Notes turns that stand, whoever wrote them: a record of rules may be among them.
    pub(crate) fn stand<'t>(&mut self, turns: impl Iterator<Item = (&'t Turn, Option<&'t Placed>)>) {
        for (turn, placed) in turns.filter(|(turn, _)| turn.correlation.as_str() == RULES) {
            let last = placed.map_or(0, |placed| placed.first + turn.records.len() as u64 - 1);
            self.rules.position = self.rules.position.max(last);
        }
    }

    fn of(&self, kind: SetKind) -> &Trail {
        match kind {
            SetKind::Policies => &self.policies,
            SetKind::Rules => &self.rules,
        }
    }

    fn of_mut(&mut self, kind: SetKind) -> &mut Trail {
        match kind {
            SetKind::Policies => &mut self.policies,
            SetKind::Rules => &mut self.rules,
        }
    }
}

impl Trail {
    fn read(kind: SetKind, reader: &mut Reader) -> Result<Self, StoreError> {
        let Some(tip) = reader.tip(kind.correlation())? else { return Ok(Self::default()) };
        let records = reader.load(kind.correlation(), tip.sequence.saturating_sub(1))?;
        let mut facts = records.iter().flat_map(|stored| &stored.record.facts).rev();
        let last = facts.find_map(|fact| kind.digest_in(fact));
        let position = records.last().map_or(0, |stored| stored.position);
        Ok(Self { tip, last, position })
    }

    fn record(&self, set: &SetInForce, at: Timestamp) -> (Turn, Self) {
        let correlation = set.kind.correlation();
        let mut facts = Vec::with_capacity(2);
        if self.tip == Tip::default() {
            facts.push(Fact::Opened { correlation: correlation.into() });
        }
        let SetInForce { kind, digest, text, by } = set.clone();
        facts.push(match kind {
            SetKind::Policies => Fact::PolicySet { digest, text, by },
            SetKind::Rules => Fact::RuleSet { digest, text, by },
        });
        let record = Record { sequence: self.tip.sequence + 1, at, facts }.encode(self.tip.digest);
        let tip = Tip { sequence: self.tip.sequence + 1, digest: record.digest };
        let records = vec![record];
        let (expected, wake) = (self.tip, Wake::Never);
        let turn = Turn { correlation: correlation.into(), expected, records, at, wake, sets: Vec::new() };
        (turn, Self { tip, last: Some(digest), position: self.position })
    }
}
