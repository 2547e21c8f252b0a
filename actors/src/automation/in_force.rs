//! The rules in force: which set, and how it is recorded.

use std::sync::Arc;

use regie_core::Digest;
use regie_core::automation::RuleSet;
use regie_core::event::{Event, Principal};
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
    /// Those that it took over from: an event that they watch for is the first under this set, too.
    before: RuleSet,
}

/// Where the rules in force are found.
pub type CurrentRules = watch::Receiver<Arc<RulesInForce>>;

impl RulesInForce {
    /// A set, who put it in force, and which one it takes over from.
    pub fn new(set: RuleSet, by: Option<Principal>, before: RuleSet) -> Self {
        let text = if set.is_empty() { String::new() } else { set.text().to_string() };
        let digest = Digest::of(text.as_bytes());
        let kind = SetKind::Rules;
        // Where there never was a rule, that there is none is not worth a record.
        let is_worth_it = !(set.is_empty() && before.is_empty());
        let record = is_worth_it.then(|| Arc::new(SetInForce { kind, digest, text, by }));
        Self { set, record, before }
    }

    /// What is to be recorded with a new event, if these rules or those before have a say over it.
    pub(crate) fn over(&self, event: &Event) -> Option<&Arc<SetInForce>> {
        let record = self.record.as_ref()?;
        let mut rules = self.set.rules().chain(self.before.rules());
        (!event.correlation_id.is_own() && rules.any(|rule| rule.is_on(&event.kind))).then_some(record)
    }
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
