//! What the themes about rules share: an evaluator that is fed, and short ways to say events of tasks and sprints.

use regie_core::Timestamp;
use regie_core::automation::{Act, Committed, Evaluator, Rule, RuleSet, Run, Taken};
use regie_core::event::{EntityRef, Event, EventBuilder, Incoming, Origin};

use super::helpers::at;

/// An evaluator and the position that it has come to.
pub(crate) struct Fed {
    pub(crate) evaluator: Evaluator,
    pub(crate) position: u64,
}

impl Fed {
    pub(crate) fn new(rules: RuleSet) -> Self {
        Self { evaluator: Evaluator::new(rules), position: 0 }
    }

    pub(crate) fn file(text: &str) -> Self {
        Self::new(set(text))
    }

    /// Takes in the next event.
    pub(crate) fn take(&mut self, event: EventBuilder) -> Taken {
        self.position += 1;
        let event = event.id(format!("e-{}", self.position)).timestamp(at(i64::try_from(self.position).unwrap()));
        self.take_built(&event.build().expect("a good event"))
    }

    /// Takes in an event as it is, at the position that it has come to.
    pub(crate) fn take_built(&mut self, event: &Incoming) -> Taken {
        let (position, recorded_at) = (self.position, now(self.position));
        self.evaluator.take(&Committed { event: event.event(), position, recorded_at, by: position })
    }

    /// The runs of the next event; what the world could not take fails the test.
    pub(crate) fn runs(&mut self, event: EventBuilder) -> Vec<Run> {
        let taken = self.take(event);
        assert_eq!(taken.errors, []);
        taken.runs
    }

    /// The rule's name and the subject's id of each run of the next event.
    pub(crate) fn fires(&mut self, event: EventBuilder) -> Vec<(String, String)> {
        self.runs(event).into_iter().map(|run| (run.rule, run.subject.map_or(String::new(), |it| it.id))).collect()
    }
}

/// A set without the shipped rules.
pub(crate) fn set(text: &str) -> RuleSet {
    RuleSet::parse(&format!("shipped = false\n{text}")).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(crate) fn one(rule: Rule) -> RuleSet {
    RuleSet::new(vec![rule]).expect("one rule is a set")
}

/// When the event at a position was recorded.
pub(crate) fn now(position: u64) -> Timestamp {
    at(1_000_000 + i64::try_from(position).unwrap())
}

/// An event about a task, in the task's correlation.
pub(crate) fn task(kind: &str, id: &str) -> EventBuilder {
    Event::new(format!("orchestration.task.{kind}"), format!("task-{id}")).entity(EntityRef::new("task", id))
}

/// A task's status from now on.
pub(crate) fn status(id: &str, after: &str) -> EventBuilder {
    task("status_changed", id).change("status", None::<&str>, after)
}

pub(crate) fn sprint(id: &str) -> EntityRef {
    EntityRef::new("sprint", id)
}

/// The event that a run has go out as its nth act.
pub(crate) fn emitted(run: &Run, nth: usize) -> Incoming {
    match &run.acts[nth] {
        Act::Emit(event) => Incoming::read(event.text().as_bytes(), Origin::File).expect("a good event"),
        other => panic!("no event: {other:?}"),
    }
}
