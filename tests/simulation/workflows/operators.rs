//! People at work on workflows: they begin them, send them events, and do to them what may be done, and more.

use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, Event, Incoming, Principal};
use regie_core::workflow::{Command, Fact, Migration, Operation, Refusal, Unpark, replay_under};
use serde_json::json;

use super::words::{KINDS, workflow_of};
use crate::simulation::dice::Dice;
use crate::simulation::memory::{Asker, Outcome, Reason, Task};
use crate::simulation::world::World;

/// How many correlations each workflow has, besides those that others begin.
const MANY: usize = 2;

/// An event for a workflow, perhaps for one that others have begun.
pub(crate) fn event(dice: &mut Dice, others: &[CorrelationId], (now, made): (Timestamp, u64)) -> Incoming {
    let (workflow, kinds) = *dice.pick(&KINDS);
    let own = format!("{workflow}-{}", dice.below(MANY));
    let others: Vec<&CorrelationId> = others.iter().filter(|other| workflow_of(other) == Some(workflow)).collect();
    let to = if others.is_empty() || dice.one_in(2) { own } else { dice.pick(&others).to_string() };
    event_named((&to, format!("e{made}")), kinds, dice, (now, made))
}

/// Another one for the correlation of an event, under its id.
pub(crate) fn other_event(used: &Event, dice: &mut Dice, (now, made): (Timestamp, u64)) -> Option<Incoming> {
    let workflow = workflow_of(&used.correlation_id)?;
    let (_, kinds) = KINDS.into_iter().find(|(name, _)| *name == workflow)?;
    Some(event_named((&used.correlation_id, used.id.clone()), kinds, dice, (now, made)))
}

fn event_named((to, id): (&str, String), kinds: &[&str], dice: &mut Dice, (now, made): (Timestamp, u64)) -> Incoming {
    let event = Event::new(*dice.pick(kinds), to).id(id).source("client");
    let event = event.actor(Principal::user(*dice.pick(&["ana", "ben"])));
    let event = if dice.one_in(8) { event } else { event.timestamp(now) };
    event.payload(json!({ "raises": dice.one_in(3), "made": made })).build().expect("a good event")
}

fn operation(dice: &mut Dice) -> Operation {
    let unpark = dice.weighted(&[(3, Unpark::Retry), (2, Unpark::Skip), (1, Unpark::Abandon)]);
    dice.weighted(&[
        (4, Operation::Cancel),
        (4, Operation::Pause),
        (5, Operation::Resume),
        (4, Operation::Retry),
        (5, Operation::Unpark(unpark)),
        (2, Operation::Terminate),
        (3, Operation::Migrate { to: 2 }),
    ])
}

impl World {
    /// Somebody does something to a workflow: most often what can be done to it, and now and then twice.
    pub(crate) fn a_person_operates(&mut self) {
        let (waiting, all) = (self.model.parked_workflows(), self.model.workflows());
        let (correlation, operation) = match !waiting.is_empty() && self.dice.one_in(3) {
            true => {
                let how = self.dice.weighted(&[(3, Unpark::Retry), (3, Unpark::Skip), (2, Unpark::Abandon)]);
                (self.dice.pick(&waiting).clone(), Operation::Unpark(how))
            }
            false if all.is_empty() => return,
            false => (self.dice.pick(&all).clone(), operation(&mut self.dice)),
        };
        let id = format!("op{}", self.memory.number());
        let (by, why) = (Principal::user("eva"), "eva says so".to_string());
        let command = match operation {
            Operation::Migrate { to } => match self.migration(&correlation, to, id.clone()) {
                Some(migration) => Command::Migrate(Box::new(migration)),
                None => return,
            },
            operation => Command::Operate { operation, id: id.clone(), by, why },
        };
        let command = Arc::new(command);
        for _ in 0..1 + usize::from(self.dice.one_in(6)) {
            self.enter(&correlation, Task::Command(Arc::clone(&command)), Asker::Operator(operation, id.clone()));
        }
    }

    /// The records of a run are read under another version, as they stand now.
    fn migration(&mut self, correlation: &CorrelationId, to: u32, id: String) -> Option<Migration> {
        let records = self.disk.reader().load(correlation, 0).expect("records");
        let records: Vec<_> = records.into_iter().map(|stored| stored.record).collect();
        match replay_under(&records, to, &self.program.definitions) {
            Ok(state) => {
                let (seen, by, why) = (records.last()?.sequence, Principal::user("eva"), "eva says so".into());
                Some(Migration { to, state, seen, id, by, why })
            }
            Err(why) => {
                assert!(
                    self.program.kind.flows < to || why == "there is no run",
                    "{correlation} cannot be read: {why}"
                );
                self.tally.count("operation: migrate, without that version");
                None
            }
        }
    }

    /// Whether an operation was done under that id: a person's program that crashes begins its numbers anew.
    fn has_operated(&mut self, correlation: &CorrelationId, wanted: (&str, Operation)) -> bool {
        let records = self.disk.reader().load(correlation, 0).expect("records");
        let mut facts = records.iter().flat_map(|stored| &stored.record.facts);
        facts.any(|fact| matches!(fact, Fact::Operated { operation, id, .. } if (id.as_str(), *operation) == wanted))
    }

    pub(crate) fn tell_operator(
        &mut self,
        correlation: &CorrelationId,
        (operation, id): (Operation, &str),
        outcome: &Outcome,
    ) {
        self.say(|| format!("{operation} {correlation}: {outcome:?}"));
        let told = match outcome {
            Outcome::Done => return assert!(self.has_operated(correlation, (id, operation)), "nobody did {operation}"),
            Outcome::Refused(Reason::Store) => "operation: store failed",
            Outcome::Refused(Reason::Core(Refusal::NoRun { .. })) => "operation: no run",
            Outcome::Refused(Reason::Core(Refusal::NotNow { .. })) => "operation: not now",
            Outcome::Refused(Reason::Core(Refusal::UnknownDefinition { .. })) => "operation: no such definition",
            Outcome::Refused(Reason::Core(Refusal::OtherOperation { id, done, asked })) => {
                assert!(*asked == operation && done != asked, "{outcome:?}");
                assert!(self.has_operated(correlation, (id, *done)), "nobody did that: {outcome:?}");
                "operation: another's id"
            }
            other => panic!("an operator is told {other:?}"),
        };
        self.tally.count(told);
    }
}
