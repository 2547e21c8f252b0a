//! The rules in force: which set, and how it is recorded.

use std::collections::BTreeSet;
use std::sync::Arc;

use regie_core::Digest;
use regie_core::automation::RuleSet;
use regie_core::event::{Event, Pattern, Principal};
use regie_core::workflow::Fact;
use regie_journal::{RULES, Reader, SetInForce, SetKind, StoreError};
use tokio::sync::watch;

/// A set of rules in force.
#[derive(Clone, Debug, Default)]
pub struct RulesInForce {
    /// The rules.
    pub set: RuleSet,
    /// The same as it is recorded.
    record: Option<Arc<SetInForce>>,
    /// What the sets watch for that are or may be the last recorded: such an event is the first under this set, too.
    watched: BTreeSet<Pattern>,
}

/// Where the rules in force are found.
pub type CurrentRules = watch::Receiver<Arc<RulesInForce>>;

impl RulesInForce {
    /// A set, who put it in force, and which one was recorded last.
    pub fn new(set: RuleSet, by: Option<Principal>, recorded: Option<&RuleSet>) -> Self {
        let before = Self { watched: recorded.map(patterns).unwrap_or_default(), ..Self::default() };
        // Where there never was a rule, that there is none is not worth a record.
        Self::of(set, by, before.watched, recorded.is_some())
    }

    /// Another set in place of this one, which may have come to be recorded or not.
    pub fn replaced(&self, set: RuleSet, by: Option<Principal>) -> Self {
        let watched = self.watched.clone();
        Self::of(set, by, watched, self.record.is_some())
    }

    fn of(set: RuleSet, by: Option<Principal>, mut watched: BTreeSet<Pattern>, there_were: bool) -> Self {
        let text = if set.is_empty() { String::new() } else { set.text().to_string() };
        let (kind, digest) = (SetKind::Rules, Digest::of(text.as_bytes()));
        let record = (there_were || !set.is_empty()).then(|| Arc::new(SetInForce { kind, digest, text, by }));
        watched.extend(patterns(&set));
        Self { set, record, watched }
    }

    /// What is to be recorded with a new event, if these rules or those before have a say over it.
    pub(crate) fn over(&self, event: &Event) -> Option<&Arc<SetInForce>> {
        let record = self.record.as_ref()?;
        let is_watched = !event.correlation_id.is_own() && self.watched.iter().any(|on| on.matches(&event.kind));
        is_watched.then_some(record)
    }
}

fn patterns(set: &RuleSet) -> BTreeSet<Pattern> {
    set.rules().flat_map(|rule| rule.on().to_vec()).collect()
}

/// The set that was recorded last, if one was.
///
/// # Errors
/// If the journal cannot be read, or holds a set that this version cannot read.
pub fn recorded_rules(reader: &mut Reader) -> Result<Option<RuleSet>, StoreError> {
    let Some(tip) = reader.tip(RULES)? else { return Ok(None) };
    let records = reader.load(RULES, tip.sequence.saturating_sub(1))?;
    let mut facts = records.iter().flat_map(|stored| &stored.record.facts).rev();
    let text = facts.find_map(|fact| if let Fact::RuleSet { text, .. } = fact { Some(text.as_str()) } else { None });
    text.map(read_set).transpose()
}

/// A set from its recorded text.
pub(super) fn read_set(text: &str) -> Result<RuleSet, StoreError> {
    if text.is_empty() {
        return Ok(RuleSet::default());
    }
    RuleSet::parse(text)
        .map_err(|error| StoreError::Damaged { why: format!("a recorded rule set cannot be read: {error}") })
}
