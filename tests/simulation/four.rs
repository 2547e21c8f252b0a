//! The four functions as the world calls them: the real ones, or with one bug put in to see that it is caught.

use std::time::Duration;

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, Event, EventResult, Identity, LifeState};
use regie_core::governance::{Ask, AskId, Governor, Grant, PolicyOutcome, Settled, Verdict};
use regie_core::workflow::{
    self as core, Command, Context, Definitions, Effect, Fact, IllegalFact, Owed, Record, Refusal, State, Turn,
};

/// A bug put in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// `evolve` forgets who an event is, so that the same one is new again.
    ForgetsIdentities,
    /// `evolve` passes over ends in what is read again, so that what has ended is begun again.
    OverlooksEnds,
    /// `pending` forgets what is tried for the second time.
    DropsAnEffect,
    /// `pending` forgets deferred events.
    ForgetsReturns,
    /// `next_due` tells the second instant.
    WakesLate,
    /// `decide` does not give back the place of a deferred event that returns.
    KeepsPlaces,
    /// A cooldown ends five milliseconds early.
    EndsEarly,
    /// A slot is promised a millisecond before the one before it is over.
    BooksTooClose,
    /// What has committed is taken for given up.
    LosesGrants,
    /// The first answer, told again, tells the present state.
    RetellsThePresent,
    /// Callers are answered before the append.
    AnswersEarly,
    /// Effects go out before the append.
    LetsOutEarly,
    /// A dead workflow's reservations are given up before what it appended is settled.
    SkipsTheFence,
    /// A timer is not set again for the instant at which it has just fired.
    FiresOnce,
    /// Who is stopped by a veto asks the policies with state all the same.
    SpendsOnVeto,
    /// Every signal counts.
    BelievesAll,
    /// However often an event was put off, it may be once more.
    DefersForEver,
    /// The policies are not told of places that are free.
    KeepsSeats,
    /// `pending` forgets who is to be asked.
    ForgetsQuestions,
    /// When its time is up, an event that was to go on ends.
    LapsesTheOtherWay,
    /// A rate's acceptance spends half.
    SpendsHalf,
    /// Those who were overtaken in a burst go on.
    LetsAllOfABurstOn,
    /// A turn is judged by whichever policies are in force by then.
    JudgesByHalfASet,
    /// What reasoners say to other policies is taken for an answer to those in force.
    TrustsEarlierSets,
    /// The rules in force are not recorded with the first event that they watch for.
    ForgetsRules,
    /// What rules know is kept while runs are being recorded.
    KeepsTooFar,
    /// What was kept does not tell for which subjects rules held.
    ForgetsEdges,
    /// What was kept does not tell which conditions could not be told.
    ForgetsFailures,
    /// After a death it is looked on from the end of the journal.
    PassesOver,
    /// A run has another id in each life of whoever has it recorded.
    MakesUpRunIds,
    /// An update that is asked for again is another one.
    UpdatesTwice,
    /// Rules see what policies have discarded.
    SeesDiscarded,
    /// Later changes are overwritten by any undo.
    UndoesOverLater,
    /// Who looks up what a run changed does not see what others have changed.
    TracesNoOthers,
    /// An undo that failed is taken for one that is done.
    TakesTriedForUndone,
    /// Updates overwrite what they did not expect.
    ExpectsNothing,
    /// An update whose event is discarded is taken for done.
    TakesDiscardedForDone,
    /// A cursor says that what is still out is done with.
    AcksWhatIsOut,
    /// After its reader's death a subscription goes on where it was.
    ForgetsToRewind,
    /// A delivery that was given up is done with before its letter stands.
    AcksBeforeTheLetter,
    /// A letter that a person lets go on is not tried again.
    ForgetsLetters,
    /// What puts a step of a workflow back is never asked for.
    ForgetsToUndo,
    /// A workflow that ran for another does not tell it how it ended.
    TellsNoParent,
    /// What is done to a workflow is said to be done, and is not.
    OperatesInVain,
    /// A workflow that is taken over to another version stays where it was.
    MigratesInName,
}

/// The bugs of the core's own functions, and those of whoever calls them.
pub(crate) const BUGS: [Bug; 45] = [
    Bug::ForgetsIdentities,
    Bug::OverlooksEnds,
    Bug::DropsAnEffect,
    Bug::ForgetsReturns,
    Bug::WakesLate,
    Bug::KeepsPlaces,
    Bug::EndsEarly,
    Bug::BooksTooClose,
    Bug::LosesGrants,
    Bug::RetellsThePresent,
    Bug::AnswersEarly,
    Bug::LetsOutEarly,
    Bug::SkipsTheFence,
    Bug::FiresOnce,
    Bug::SpendsOnVeto,
    Bug::BelievesAll,
    Bug::DefersForEver,
    Bug::KeepsSeats,
    Bug::ForgetsQuestions,
    Bug::LapsesTheOtherWay,
    Bug::SpendsHalf,
    Bug::LetsAllOfABurstOn,
    Bug::JudgesByHalfASet,
    Bug::TrustsEarlierSets,
    Bug::ForgetsRules,
    Bug::KeepsTooFar,
    Bug::ForgetsEdges,
    Bug::ForgetsFailures,
    Bug::PassesOver,
    Bug::MakesUpRunIds,
    Bug::UpdatesTwice,
    Bug::SeesDiscarded,
    Bug::UndoesOverLater,
    Bug::TracesNoOthers,
    Bug::TakesTriedForUndone,
    Bug::ExpectsNothing,
    Bug::TakesDiscardedForDone,
    Bug::AcksWhatIsOut,
    Bug::ForgetsToRewind,
    Bug::AcksBeforeTheLetter,
    Bug::ForgetsLetters,
    Bug::ForgetsToUndo,
    Bug::TellsNoParent,
    Bug::OperatesInVain,
    Bug::MigratesInName,
];

/// The four functions, perhaps with a bug.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Four(pub(crate) Option<Bug>);

impl Four {
    pub(crate) fn has(self, bug: Bug) -> bool {
        self.0 == Some(bug)
    }

    /// Decides a command and takes its record into the state.
    pub(crate) fn take(
        self,
        state: &mut State,
        correlation: &CorrelationId,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Turn, Refusal> {
        if self.has(Bug::OperatesInVain) && matches!(command, Command::Operate { .. }) {
            return Err(Refusal::Over { what: "what was asked".into() });
        }
        let changes = [
            Bug::ForgetsIdentities,
            Bug::KeepsPlaces,
            Bug::LapsesTheOtherWay,
            Bug::ForgetsToUndo,
            Bug::TellsNoParent,
            Bug::MigratesInName,
        ];
        if !changes.into_iter().any(|bug| self.has(bug)) {
            return core::take(state, correlation, command, context);
        }
        let mut facts = core::decide(state, correlation, command, context)?;
        facts.retain(|fact| !self.forgets(fact));
        if self.has(Bug::LapsesTheOtherWay) && matches!(command, Command::Lapse { .. }) {
            facts.iter_mut().for_each(|fact| {
                if let Fact::Moved { to, .. } = fact {
                    *to = LifeState::Discarded;
                }
            });
        }
        let record = Record { sequence: state.sequence + 1, at: context.now, facts };
        let encoded = record.encode(state.digest);
        let illegal = |error: IllegalFact| Refusal::Broken { why: error.to_string() };
        self.evolve(state, &record, context.definitions).map_err(illegal)?;
        state.digest = encoded.digest;
        Ok(Turn { record, encoded })
    }

    /// Whether a fact is left out of its record.
    fn forgets(self, fact: &Fact) -> bool {
        match (self.0, fact) {
            (Some(Bug::KeepsPlaces), Fact::Released { .. }) => true,
            (Some(Bug::ForgetsToUndo), Fact::Owes { key, .. }) => key.step.starts_with("~undo/"),
            (Some(Bug::TellsNoParent), Fact::Owes { effect: Effect::Report { .. }, .. }) => true,
            (Some(Bug::MigratesInName), Fact::Migrated { .. }) => true,
            _ => false,
        }
    }

    /// Takes a record into the state.
    pub(crate) fn evolve(
        self,
        state: &mut State,
        record: &Record,
        definitions: &Definitions,
    ) -> Result<(), IllegalFact> {
        let mut record = record.clone();
        match self.0 {
            Some(Bug::ForgetsIdentities) => record.facts.iter_mut().for_each(|fact| {
                if let Fact::Received { identity, .. } = fact {
                    *identity = Identity::of("forgotten", &record.sequence.to_string());
                }
            }),
            Some(Bug::OverlooksEnds) => record.facts.retain(|fact| !matches!(fact, Fact::Ended { .. })),
            _ => {}
        }
        core::evolve(state, &record, definitions)
    }

    /// Everything that is owed.
    pub(crate) fn pending(self, state: &State) -> Vec<Owed> {
        let mut owed = core::pending(state);
        owed.retain(|owed| match owed {
            Owed::Effect { key, .. } => {
                let is_forgotten = self.has(Bug::ForgetsLetters) && key.step == "retry";
                !is_forgotten && (!self.has(Bug::DropsAnEffect) || key.attempt != 2)
            }
            Owed::Return { .. } => !self.has(Bug::ForgetsReturns),
            Owed::Reason { .. } => !self.has(Bug::ForgetsQuestions),
            _ => true,
        });
        owed
    }

    /// When the correlation must be woken.
    pub(crate) fn next_due(self, state: &State) -> Option<Timestamp> {
        match self.0 {
            Some(Bug::WakesLate) => core::pending(state).get(1).map(Owed::due),
            _ => core::next_due(state),
        }
    }

    /// Asks the policies with state.
    pub(crate) fn ask(self, governor: &mut Governor, ask: Ask, now: Timestamp) -> Option<Settled> {
        let early = Duration::from_millis(5);
        let now = if self.has(Bug::EndsEarly) { now.after(early) } else { now };
        let (id, mut ruling) = governor.ask(ask, now)?;
        for grant in ruling.decisions.iter_mut().filter_map(|decision| decision.grant.as_mut()) {
            match grant {
                Grant::Spent { interval, .. } if self.has(Bug::SpendsHalf) => interval.micros /= 2,
                Grant::Taken { at, .. } if self.has(Bug::EndsEarly) => *at = at.before(early),
                Grant::Booked(booking) if self.has(Bug::BooksTooClose) => {
                    booking.slot = booking.slot.before(Duration::from_millis(1));
                }
                _ => {}
            }
        }
        let overtaken = matches!(&ruling.stopped, Some(Verdict::Discarded { reason }) if reason == "debounced");
        if self.has(Bug::LetsAllOfABurstOn) && overtaken {
            ruling.stopped = None;
            ruling.decisions.iter_mut().for_each(|decision| decision.outcome = PolicyOutcome::Passed);
        }
        if let (true, Some(Verdict::Deferred { until, .. })) = (self.has(Bug::BooksTooClose), &mut ruling.stopped) {
            *until = until.before(Duration::from_millis(1));
        }
        Some((id, ruling))
    }

    /// What became of an ask.
    pub(crate) fn settle(
        self,
        governor: &mut Governor,
        id: AskId,
        committed: Option<u64>,
        now: Timestamp,
    ) -> Vec<Settled> {
        governor.settle(id, committed.filter(|_| !self.has(Bug::LosesGrants)), now)
    }

    /// The first answer to an event, told again from its record.
    pub(crate) fn answer_again(self, event: &Event, record: &Record, place: (u64, core::KnownEvent)) -> EventResult {
        let (position, known) = place;
        let mut answer = core::first_answer(event, record, position);
        answer.status = regie_core::event::Status::Duplicate;
        answer.current_state = Some(known.state);
        if self.has(Bug::RetellsThePresent) {
            answer.event_state = answer.current_state;
        }
        answer
    }
}
