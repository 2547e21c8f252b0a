//! What a rule's run has changed, and what of it is put back, by what the journal holds.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::automation::{
    BACK, Changed, RULE_SOURCE, RUN, Recorded, UNDO, Whose, changed, run_correlation, undo_correlation,
};
use regie_core::entity::{OfUpdate, UPDATE_SOURCE};
use regie_core::event::{Catalogue, EntityRef, Event, LifeState};
use regie_core::workflow::{Effect, EffectEnd, Fact};
use regie_journal::{Reader, StoreError, StoredRecord};

use crate::updated::received;

/// What there is of a run.
#[derive(Clone, Debug, Default)]
pub struct Traced {
    /// What it has changed and is not put back yet.
    pub changed: Vec<Changed>,
    /// The first of its events, or of those that put it back, that is neither processed nor discarded.
    pub waits: Option<u64>,
}

/// What a run has changed, by all that the index covers; nothing if there is no such run.
///
/// # Errors
/// If the journal cannot be read.
pub fn traced(reader: &mut Reader, run: &str, catalogue: &Catalogue) -> Result<Option<Traced>, StoreError> {
    let records = reader.load(&run_correlation(run), 0)?;
    if records.is_empty() {
        return Ok(None);
    }
    let (back, own): (Vec<Ended>, Vec<Ended>) = ended(&records).into_iter().partition(|ended| ended.is_back);
    let mut whose = Owners::default();
    whose.note(reader, &own, Whose::Run)?;
    whose.note(reader, &back, Whose::Back)?;
    for attempt in 1.. {
        let records = reader.load(&undo_correlation(run, attempt), 0)?;
        if records.is_empty() {
            break;
        }
        whose.note(reader, &ended(&records), Whose::Back)?;
    }
    let (mut found, mut others) = (Traced::default(), BTreeMap::new());
    for entity in &whose.entities {
        let mut events = Vec::new();
        for stored in reader.touches_after(entity, 0)? {
            let is_over = matches!(stored.state, LifeState::Processed | LifeState::Discarded);
            if !is_over && whose.by_position.contains_key(&stored.position) {
                found.waits = found.waits.or(Some(stored.position));
            }
            // What is discarded changed nothing, and what waits nothing yet; and what another run has done that is put back
            // itself is as good as not done.
            let counts =
                stored.state == LifeState::Processed && stored.incoming.event().entity.as_ref() == Some(entity);
            if counts && !is_void(reader, run, stored.incoming.event(), &mut others)? {
                // What there is no way up for is told as it came: it was taken so.
                let event = catalogue.bring_up_shared(stored.incoming.shared());
                events.push((event.unwrap_or_else(|_| stored.incoming.shared()), stored.position));
            }
        }
        let told = events.iter().map(|(event, position)| Recorded {
            event,
            position: *position,
            whose: whose.by_position.get(position).copied().unwrap_or(Whose::Other),
        });
        found.changed.extend(changed(entity, told));
    }
    Ok(Some(found))
}

/// Whether an event is of another run that puts back what it did, or of what does that.
fn is_void(
    reader: &mut Reader,
    run: &str,
    event: &Event,
    known: &mut BTreeMap<String, bool>,
) -> Result<bool, StoreError> {
    let is_own = event.source == UPDATE_SOURCE || event.source == RULE_SOURCE;
    let of = event.metadata.get(RUN).or_else(|| event.metadata.get(UNDO)).filter(|of| is_own && *of != run);
    let Some(of) = of else { return Ok(false) };
    if let Some(is_void) = known.get(of) {
        return Ok(*is_void);
    }
    let records = reader.load(&run_correlation(of), 0)?;
    let mut facts = records.iter().flat_map(|stored| &stored.record.facts);
    let is_void = facts.any(|fact| matches!(fact, Fact::Owes { effect: Effect::Trace, .. }));
    known.insert(of.clone(), is_void);
    Ok(is_void)
}

/// The positions of the events that the ends of a correlation's effects tell of, in order.
///
/// # Errors
/// If the journal cannot be read.
pub fn sent(reader: &mut Reader, records: &[StoredRecord]) -> Result<Vec<u64>, StoreError> {
    let mut found = BTreeSet::new();
    for ended in ended(records) {
        found.extend(positions(reader, &ended)?);
    }
    Ok(found.into_iter().collect())
}

/// What an effect came to.
struct Ended {
    first: u64,
    events: u32,
    is_back: bool,
}

fn ended(records: &[StoredRecord]) -> Vec<Ended> {
    let facts = records.iter().flat_map(|stored| &stored.record.facts);
    let ends = facts.filter_map(|fact| {
        let Fact::Ended { key, end } = fact else { return None };
        let (first, events) = match end {
            EffectEnd::Sent { position, .. } => (*position, 1),
            EffectEnd::Updated { first, events } if *events > 0 => (*first, *events),
            _ => return None,
        };
        Some(Ended { first, events, is_back: key.step.starts_with(BACK) })
    });
    ends.collect()
}

/// The positions of its events: those of an update may have others between them.
fn positions(reader: &mut Reader, ended: &Ended) -> Result<Vec<u64>, StoreError> {
    let mut found = vec![ended.first];
    if ended.events < 2 {
        return Ok(found);
    }
    let Some(first) = reader.record(ended.first)? else { return Ok(found) };
    let of = received(&first.record).and_then(|event| OfUpdate::read(event.event()));
    for stored in reader.load(&first.correlation, first.record.sequence)? {
        if found.len() >= ended.events as usize {
            break;
        }
        let event = received(&stored.record);
        if of.is_some() && event.and_then(|event| OfUpdate::read(event.event())) == of {
            found.push(stored.position);
        }
    }
    Ok(found)
}

#[derive(Default)]
struct Owners {
    by_position: BTreeMap<u64, Whose>,
    /// Those that the run's events are about.
    entities: BTreeSet<EntityRef>,
}

impl Owners {
    fn note(&mut self, reader: &mut Reader, all: &[Ended], whose: Whose) -> Result<(), StoreError> {
        for ended in all {
            for position in positions(reader, ended)? {
                self.by_position.insert(position, whose);
            }
            if whose == Whose::Run
                && let Some(event) = reader.record(ended.first)?.and_then(|stored| received(&stored.record))
            {
                self.entities.extend(event.event().entity.clone());
            }
        }
        Ok(())
    }
}
