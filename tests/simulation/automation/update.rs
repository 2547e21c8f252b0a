//! Updates: what an effect asks of an entity, compared with what is known of it within the turn.

use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::entity::{Found, LatestFields, Update, event_id, refused_type};
use regie_core::event::{EntityRef, Identity, LifeState};
use regie_core::workflow::{self as core, Command, EffectEnd, Refusal};

use crate::simulation::four::Bug;
use crate::simulation::log::received;
use crate::simulation::memory::{Asker, Item, Key, Out, Outcome, Reason, Task};
use crate::simulation::turn::{Step, Taking};
use crate::simulation::world::World;

impl World {
    /// An update goes out.
    pub(crate) fn update(&mut self, key: Key, update: Box<Update>) {
        let to = update.correlation();
        let mut asked = update.clone();
        if self.four.has(Bug::UpdatesTwice) {
            asked.id = Some(self.memory.number().to_string());
        }
        if self.four.has(Bug::ExpectsNothing) {
            asked.expected.clear();
        }
        self.memory.out.insert(key.clone(), Out::Updating(update));
        self.enter(&to, Task::Command(Arc::new(Command::Update(asked))), Asker::Update(key));
    }

    /// A turn takes it: by the event that tells the difference, if there is one.
    pub(crate) fn take_update(&mut self, taking: &mut Taking, item: &Item, update: &Update) -> Step {
        let identity = Identity::of(regie_core::entity::UPDATE_SOURCE, &event_id(update, 0));
        if let Some(known) = taking.life.state.known().get(identity) {
            taking.tell(item, Outcome::Known(known));
            return Step::Taken;
        }
        let (mut fields, read) = self.fields_of(&update.entity);
        // What this very turn has processed counts too.
        for event in taking.turn.changes.iter().filter(|event| event.entity.as_ref() == Some(&update.entity)) {
            fields.tell(event, u64::MAX);
        }
        let last = fields.last().unwrap_or(Timestamp::MIN);
        let at = self.now.max(taking.life.state.last_at).max(last);
        let catalogue = self.program.definitions.catalogue();
        let found = Found { fields: fields.values(), read };
        let events = core::expand(&taking.life.state, update, &found, catalogue, at);
        let event = events.expect("an update that can be told").pop();
        self.model.plans(update, event.as_ref(), (&taking.correlation, &taking.turn.records));
        match event {
            None => {
                taking.tell(item, Outcome::Done);
                Step::Taken
            }
            Some(event) => self.command(taking, item, &Arc::new(core::emitted(event))),
        }
    }

    fn fields_of(&self, entity: &EntityRef) -> (LatestFields, u64) {
        let mut fields = LatestFields::default();
        let about = self.disk.log.about(entity);
        about.iter().for_each(|(position, incoming)| fields.tell(incoming.event(), *position));
        (fields, about.last().map_or(0, |(position, _)| *position))
    }

    /// What became of an update that is out.
    pub(crate) fn tell_updater(&mut self, key: Key, outcome: &Outcome, first: u64) {
        let Some(Out::Updating(update)) = self.memory.out.remove(&key) else { panic!("{key:?} updates nothing") };
        let position = match outcome {
            Outcome::Recorded(_, at) => first + *at as u64,
            Outcome::Known(known) => known.position,
            Outcome::Done => 0,
            Outcome::Refused(Reason::Store) => {
                self.memory.out.insert(key, Out::UpdateAgain(update));
                return;
            }
            Outcome::Refused(Reason::Core(refusal @ Refusal::UnknownDefinition { .. })) => {
                self.tally.count("rules: an update comes to a workflow without its definition");
                return self.end(key, EffectEnd::NotSent { reason: refusal.to_string() });
            }
            Outcome::Refused(reason) => panic!("an update is refused: {reason:?}"),
        };
        let (end, what) = self.ended(position, &update);
        self.tally.count(what);
        self.end(key, end);
    }

    /// How an update has ended that came to the event at a position, or to none.
    fn ended(&mut self, position: u64, update: &Update) -> (EffectEnd, &'static str) {
        if position == 0 {
            return (EffectEnd::Updated { first: 0, events: 0 }, "rules: an update of nothing");
        }
        let refused = |reason: &str| EffectEnd::NotSent { reason: reason.into() };
        if self.model.kind_at(position) == refused_type(&update.entity.kind) {
            return (refused("a field is not what it was expected to be"), "rules: an update is refused");
        }
        let stored = self.disk.record(position);
        let answer = core::first_answer(received(&stored.record).event(), &stored.record, position);
        if answer.event_state == Some(LifeState::Discarded) && !self.four.has(Bug::TakesDiscardedForDone) {
            return (refused("its event was discarded"), "rules: an update is discarded");
        }
        (EffectEnd::Updated { first: position, events: 1 }, "rules: an update is recorded")
    }
}
