//! What a set of rules would do with events, and with what follows from them: nothing is done.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use super::evaluate::{Evaluator, Taken};
use super::run::{Act, Run};
use crate::Json;
use crate::entity::Update;
use crate::event::{CorrelationId, Event, Identity, Incoming, Origin};
use crate::query::Committed;
use crate::{Timestamp, automation::WorldError};

/// Says what an update comes to, given the entity's fields: the events that the catalogue tells it by.
pub type Updates<'u> = &'u dyn Fn(&Update, &BTreeMap<String, Json>, Timestamp) -> Result<Vec<Incoming>, String>;

/// What a set would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DryRun {
    /// The runs, in the order in which they would be.
    pub runs: Vec<Run>,
    /// What of the events the world could not take.
    pub errors: Vec<WorldError>,
    /// Acts that would be refused: of which run, and why.
    pub refused: Vec<(String, String)>,
}

/// What rules would do with events: each is told to a copy of what is known, and so is all that follows from it. An event that
/// comes twice counts once. Agents are not called. It ends, since no more than [`RULE_EVENTS`](crate::limits::RULE_EVENTS) come of one
/// event.
pub fn dry_run<'e>(
    evaluator: &Evaluator,
    events: impl IntoIterator<Item = (&'e Event, Timestamp)>,
    updates: Updates<'_>,
) -> DryRun {
    let position = evaluator.world().position();
    let (evaluator, seen) = (evaluator.clone(), HashSet::new());
    let mut trial = Trial { evaluator, position, seen, updates, told: DryRun::default() };
    for (event, recorded_at) in events {
        trial.event(event, recorded_at);
    }
    trial.told
}

struct Trial<'u> {
    evaluator: Evaluator,
    position: u64,
    seen: HashSet<(CorrelationId, Identity)>,
    updates: Updates<'u>,
    told: DryRun,
}

impl Trial<'_> {
    /// An event with all that follows from it.
    fn event(&mut self, event: &Event, recorded_at: Timestamp) {
        let mut waiting: VecDeque<Arc<Event>> = VecDeque::new();
        self.one(event, recorded_at, &mut waiting);
        while let Some(next) = waiting.pop_front() {
            self.one(&next, recorded_at, &mut waiting);
        }
    }

    fn one(&mut self, event: &Event, recorded_at: Timestamp, waiting: &mut VecDeque<Arc<Event>>) {
        let identity = (event.correlation_id.clone(), Identity::of(&event.source, &event.id));
        if !self.seen.insert(identity) {
            return;
        }
        self.position += 1;
        let position = self.position;
        let Taken { runs, errors } = self.evaluator.take(&Committed { event, position, recorded_at, by: position });
        self.told.errors.extend(errors);
        for run in runs {
            for (nth, act) in run.acts.iter().enumerate() {
                match self.follows(act, recorded_at) {
                    Ok(events) => waiting.extend(events.iter().map(Incoming::shared)),
                    Err(why) => self.told.refused.push((run.id.clone(), format!("do[{nth}]: {why}"))),
                }
            }
            self.told.runs.push(run);
        }
    }

    fn follows(&self, act: &Act, at: Timestamp) -> Result<Vec<Incoming>, String> {
        match act {
            Act::Emit(event) => {
                let incoming = Incoming::read(event.text().as_bytes(), Origin::File);
                incoming.map(|incoming| vec![incoming]).map_err(|error| error.to_string())
            }
            Act::Update(update) => (self.updates)(update, &self.evaluator.world().fields(&update.entity), at),
            Act::Call { .. } => Ok(Vec::new()),
        }
    }
}
