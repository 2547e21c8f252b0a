//! Flows, on a bench where agents answer when they are told to.

mod drawn;
mod faults;
mod joins;
mod large;
mod listening;
mod long;
mod operated;
mod ordered;
mod random;
mod saga;
mod tried;
mod versions;
mod within;

use regie_core::event::EventBuilder;
use regie_core::event::Principal;
use regie_core::workflow::flow::Flow;
use regie_core::workflow::{
    AgentOutcome, Command, Definitions, Effect, EffectEnd, EffectKey, Operation, Owed, RunEnd, RunStatus, State,
    evolve, pending,
};
use regie_core::workflow::{Record, Refusal};
use regie_core::{Digest, Json};

use super::helpers::{Desk, at, event, submit};

/// One run of a flow.
pub(super) struct Bench {
    desk: Desk,
    events: u32,
}

/// A run of a flow that begins on `go`, given that.
pub(super) fn run(flow: Flow, input: serde_json::Value) -> Bench {
    let mut definitions = Definitions::default();
    assert!(definitions.add(flow));
    let mut bench = Bench { desk: Desk::new(definitions), events: 0 };
    bench.send("go", input);
    bench
}

impl Bench {
    /// An event comes to it.
    pub(super) fn send(&mut self, kind: &str, payload: serde_json::Value) {
        self.events += 1;
        let event: EventBuilder = event(kind, &format!("e{}", self.events)).payload(payload);
        self.take(&submit(event));
    }

    fn take(&mut self, command: &Command) {
        self.desk.take(command).unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"));
    }

    /// What is owed to agents, as `step task`, in the order of the steps.
    pub(super) fn calls(&self) -> Vec<String> {
        let call = |(key, effect): (&EffectKey, &Effect)| match effect {
            Effect::Call { task, .. } => Some(format!("{} {task}", key.step)),
            _ => None,
        };
        self.desk.state.owed().iter().filter_map(call).collect()
    }

    /// The steps and timers that are owed.
    pub(super) fn owed(&self) -> Vec<String> {
        self.desk.state.owed().keys().map(ToString::to_string).collect()
    }

    /// What goes out to other correlations, as `step effect`.
    pub(super) fn others(&self) -> Vec<(&str, &Effect)> {
        let others = self.desk.state.owed().iter().filter(|(_, effect)| {
            matches!(effect, Effect::Send { .. } | Effect::Run { .. } | Effect::Operate { .. } | Effect::Report { .. })
        });
        others.map(|(key, effect)| (key.step.as_str(), effect)).collect()
    }

    fn key(&self, step: &str) -> EffectKey {
        let mut keys = self.desk.state.owed().keys();
        keys.find(|key| key.step == step).unwrap_or_else(|| panic!("'{step}' of {:?}", self.owed())).clone()
    }

    pub(super) fn ends(&mut self, step: &str, end: EffectEnd) {
        let key = self.key(step);
        self.take(&Command::EffectEnded { key, end });
    }

    /// An agent gives a result.
    pub(super) fn done(&mut self, step: &str, result: serde_json::Value) {
        self.ends(step, EffectEnd::Agent(AgentOutcome::Done(Json::of(&result))));
    }

    /// An agent gives an error.
    pub(super) fn fails(&mut self, step: &str) {
        self.ends(step, EffectEnd::Agent(AgentOutcome::Failed("no".into())));
    }

    /// The next timer that is due runs; its name comes back.
    pub(super) fn tick(&mut self) -> String {
        let timer = pending(&self.desk.state).into_iter().find_map(|owed| match owed {
            Owed::Timer { key, due } => Some((key, due)),
            _ => None,
        });
        let (key, due) = timer.expect("a timer");
        self.desk.now = self.desk.now.max(due);
        self.take(&Command::EffectEnded { key: key.clone(), end: EffectEnd::TimerFired });
        key.step
    }

    pub(super) fn operate(&mut self, operation: Operation) -> Result<(), Refusal> {
        self.events += 1;
        let (id, by, why) = (format!("o{}", self.events), Principal::user("ada"), "because".into());
        self.desk.take(&Command::Operate { operation, id, by, why }).map(drop)
    }

    /// It as a picture.
    pub(super) fn diagram(&self) -> String {
        self.desk.state.diagram(&self.desk.definitions).expect("it can be drawn")
    }

    pub(super) fn status(&self) -> &RunStatus {
        &self.desk.state.run().expect("a run").status
    }

    /// What it gave.
    pub(super) fn output(&self) -> serde_json::Value {
        match self.status() {
            RunStatus::Completed { output } => output.value(),
            other => panic!("it is {other}, owes {:?}", self.owed()),
        }
    }

    /// Why it failed, or is going to once all is put back.
    pub(super) fn error(&self) -> &str {
        match self.status() {
            RunStatus::Failed { error } | RunStatus::Compensating { then: RunEnd::Failed { error } } => error,
            other => panic!("it is {other}, owes {:?}", self.owed()),
        }
    }

    /// All of it, read from its records alone and from a snapshot, is what it is.
    pub(super) fn assert_replays(&self) {
        let (mut state, mut digest) = (State::default(), Digest::ZERO);
        for bytes in &self.desk.records {
            let record = Record::decode(bytes).expect("a record");
            evolve(&mut state, &record, &self.desk.definitions).expect("legal facts");
            digest = digest.chain(bytes);
            state.digest = digest;
            state.placed(record.sequence, record.sequence);
        }
        let saved = |state: &State| state.save(&self.desk.definitions).expect("saved");
        assert_eq!(saved(&state), saved(&self.desk.state), "replayed");
        let bytes = saved(&state);
        let restored = State::restore(&bytes, state.sequence, state.digest, &self.desk.definitions).expect("restored");
        assert_eq!(saved(&restored), bytes, "restored");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_replays();
        }
    }
}

pub(super) fn millis(millis: i64) -> regie_core::Timestamp {
    at(millis)
}
