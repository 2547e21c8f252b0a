//! What a run has changed and is not put back, by the journal: what a run asks that has failed, and whoever undoes one.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::Json;
use regie_core::automation::{BACK, Changed, Recorded, Whose, changed, run_correlation, run_of, undo_correlation};
use regie_core::event::{CorrelationId, EntityRef};
use regie_core::workflow::{EffectEnd, Fact};
use regie_journal::StoredRecord;

use crate::simulation::four::Bug;
use crate::simulation::log::received;
use crate::simulation::memory::Key;
use crate::simulation::world::World;

/// Whose the events are that a run and its undos came to, and what the run's own are about.
#[derive(Default)]
struct Owners {
    by_position: BTreeMap<u64, Whose>,
    entities: BTreeSet<EntityRef>,
}

impl World {
    /// A run that has failed asks what it had changed.
    pub(crate) fn trace(&mut self, key: Key) {
        let run = run_of(&key.0).expect("a run").to_string();
        let changed = self.traced(&run).expect("a run that is recorded");
        self.tally.count("rules: a run is traced");
        self.model.traces(&run, &changed);
        self.end(key, EffectEnd::Traced { changed: Json::of(&changed) });
    }

    /// Nothing if there is no such run.
    pub(crate) fn traced(&mut self, run: &str) -> Option<Vec<Changed>> {
        let mut owners = Owners::default();
        let records = self.records_of(&run_correlation(run))?;
        self.note_owners(&records, &mut owners, Whose::Run);
        for attempt in 1.. {
            let Some(records) = self.records_of(&undo_correlation(run, attempt)) else { break };
            self.note_owners(&records, &mut owners, Whose::Back);
        }
        let Owners { by_position, entities } = owners;
        let whose = |position| by_position.get(position).copied().unwrap_or(Whose::Other);
        let is_told = |whose| !self.four.has(Bug::TracesNoOthers) || whose != Whose::Other;
        let changed = entities.iter().filter_map(|entity| {
            let about = self.disk.log.about(entity).iter();
            let told = about.map(|(position, incoming)| Recorded {
                event: incoming.event(),
                position: *position,
                whose: whose(position),
            });
            changed(entity, told.filter(|recorded| is_told(recorded.whose)))
        });
        Some(changed.collect())
    }

    fn note_owners(&mut self, records: &[StoredRecord], owners: &mut Owners, whose: Whose) {
        for fact in records.iter().flat_map(|stored| &stored.record.facts) {
            let (key, position) = match fact {
                Fact::Ended { key, end: EffectEnd::Sent { position, .. } } => (key, *position),
                Fact::Ended { key, end: EffectEnd::Updated { first, events: 1.. } } => (key, *first),
                _ => continue,
            };
            let whose = if key.step.starts_with(BACK) { Whose::Back } else { whose };
            owners.by_position.insert(position, whose);
            if whose == Whose::Run {
                let event = received(&self.disk.record(position).record);
                owners.entities.extend(event.event().entity.clone());
            }
        }
    }

    /// The records of a correlation, if there are any.
    pub(crate) fn records_of(&mut self, correlation: &CorrelationId) -> Option<Vec<StoredRecord>> {
        let records = self.disk.reader().load(correlation, 0).expect("records");
        (!records.is_empty()).then_some(records)
    }
}
