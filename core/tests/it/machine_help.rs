//! A machine for tests, and short ways to let one run.

use std::time::Duration;

use regie_core::event::LifeState;
use regie_core::retry::Retry;
use regie_core::workflow::machine::{Machine, MachineBuilder, MachineData, MachineState, Standing};
use regie_core::workflow::{
    AgentOutcome, Command, Definitions, Effect, EffectEnd, EffectKey, Fact, Handler, Operation, Record, Refusal,
    RunStatus, Turn, pending,
};
use regie_core::{Json, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::helpers::{Desk, event, submit};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Stage {
    New,
    Reserving,
    Charging,
    Late,
    Sent,
    Lost,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) price: u32,
    pub(crate) paid: u32,
    pub(crate) log: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Paid {
    amount: u32,
}

fn twice() -> Retry {
    Retry { attempts: 2, first: Duration::from_secs(1), jitter_percent: 0, ..Retry::default() }
}

/// Paid, reserved, charged, sent: two steps that are put back, a wait of a minute, a guard.
pub(crate) fn order() -> MachineBuilder<Stage, Order> {
    use Stage::{Charging, Lost, New, Reserving, Sent};
    Machine::named("order", New)
        .starts_on("order.placed")
        .begins(|order: &mut Order, event, _| order.price = event.payload.to().unwrap_or(10))
        .step("reserve", "stock", |step| {
            step.undo("stock", |done| json!({ "release": done.input })).within(Duration::from_secs(5))
        })
        .step("charge", "bank", |step| {
            step.retry(twice()).undo("bank", |done| json!({ "refund": done.result })).undo_with(twice(), None)
        })
        .on::<Json>(New, "order.placed", |way| way)
        .on::<Paid>(New, "order.paid", |way| {
            way.guard("enough", |order, paid| order.paid + paid.amount >= order.price)
                .act("count it", |order, paid| order.paid += paid.amount)
                .start("reserve", |order, _| json!(order.paid))
                .go(Reserving)
        })
        .on::<Paid>(New, "order.paid", |way| way.act("count a part", |order, paid| order.paid += paid.amount))
        .leave(New, |deeds| deeds.act("leave", |order, _| order.log.push("left".into())))
        .on_done::<String>(Reserving, "reserve", |way| {
            way.act("note place", |order, place| order.log.push(place.to_string())).go(Charging)
        })
        .on_failed(Reserving, "reserve", |way| way.guard("sold out", |_, error| error.message == "sold out").go(Lost))
        .after(Reserving, Duration::from_secs(60), |way| way.go(Lost))
        .enter(Charging, |deeds| deeds.start("charge", |order, _| json!(order.paid)))
        .on_done::<u32>(Charging, "charge", |way| way.go(Sent))
        .completes(Sent, |order| json!(order.paid))
        .fails(Lost, |_| "nothing to send".into())
}

/// A machine that runs in memory.
pub(crate) struct Floor {
    pub(crate) desk: Desk,
    ids: u32,
}

impl Floor {
    pub(crate) fn new(machine: impl Handler) -> Self {
        let mut definitions = Definitions::default();
        assert!(definitions.add(machine));
        Self { desk: Desk::new(definitions), ids: 0 }
    }

    /// An order that is placed for ten, and paid.
    pub(crate) fn paid() -> Self {
        let mut floor = Self::new(order().build().expect("a good machine"));
        floor.send("order.placed", json!(10));
        floor.send("order.paid", json!({ "amount": 10 }));
        floor
    }

    /// An event comes, and whatever waits and has a place now after it. What became of the event at first, and why.
    pub(crate) fn send(&mut self, kind: &str, payload: Value) -> (LifeState, String) {
        self.ids += 1;
        let turn = self.take(&submit(event(kind, &self.ids.to_string()).payload(payload)));
        let sequence = turn.record.sequence;
        self.come_back();
        let moved = turn.record.facts.iter().rev().find_map(|fact| match fact {
            Fact::Moved { event, to, reason, .. } if *event == sequence => Some((*to, reason.clone())),
            _ => None,
        });
        moved.expect("a move")
    }

    pub(crate) fn take(&mut self, command: &Command) -> Turn {
        self.desk.take(command).unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"))
    }

    /// A step's call ends.
    pub(crate) fn ends(&mut self, step: &str, outcome: AgentOutcome) {
        let key = self.key(step);
        self.take(&Command::EffectEnded { key, end: EffectEnd::Agent(outcome) });
        self.come_back();
    }

    pub(crate) fn done(&mut self, step: &str, result: Value) {
        self.ends(step, AgentOutcome::Done(Json::of(&result)));
    }

    pub(crate) fn failed(&mut self, step: &str, error: &str) {
        self.ends(step, AgentOutcome::Failed(error.into()));
    }

    pub(crate) fn key(&self, step: &str) -> EffectKey {
        let key = self.desk.state.owed().keys().find(|key| key.step == step);
        key.unwrap_or_else(|| panic!("{step} is not owed, but {:?}", self.owed())).clone()
    }

    pub(crate) fn operate(&mut self, operation: Operation) -> Result<(), Refusal> {
        self.ids += 1;
        let (by, why) = (regie_core::event::Principal::user("ana"), "as asked".to_string());
        self.desk.take(&Command::Operate { operation, id: self.ids.to_string(), by, why })?;
        self.come_back();
        Ok(())
    }

    /// Time passes, and what is due by then happens.
    pub(crate) fn wait(&mut self, millis: u64) {
        self.desk.now = self.desk.now.after(Duration::from_millis(millis));
        while let Some(command) = self.first_due() {
            self.take(&command);
            self.come_back();
        }
    }

    fn first_due(&self) -> Option<Command> {
        let due = pending(&self.desk.state).into_iter().filter(|owed| owed.due() <= self.desk.now);
        due.filter_map(|owed| owed.command()).next()
    }

    fn come_back(&mut self) {
        for _ in 0..10_000 {
            let owed = pending(&self.desk.state).into_iter().filter(|owed| owed.due() == Timestamp::MIN);
            let Some(command) = owed.filter_map(|owed| owed.command()).next() else { return };
            self.take(&command);
        }
        panic!("what waits comes back for ever");
    }

    /// What is owed, with the tasks of calls.
    pub(crate) fn owed(&self) -> Vec<String> {
        let told = self.desk.state.owed().iter().map(|(key, effect)| match effect {
            Effect::Call { agent, task, .. } => format!("{key} {agent} {task}"),
            Effect::Timer { due } => format!("{key} at {}", due.since(super::helpers::at(0)).as_millis()),
            _ => key.to_string(),
        });
        told.collect()
    }

    pub(crate) fn status(&self) -> String {
        match &self.desk.state.run().expect("a run").status {
            RunStatus::Completed { output } => format!("completed with {output}"),
            status => status.to_string(),
        }
    }

    /// Where the machine is, by its records.
    pub(crate) fn stand<S: MachineState, D: MachineData>(&self, machine: &Machine<S, D>) -> Standing<S, D> {
        let mut stand = Standing::default();
        for bytes in &self.desk.records {
            for fact in Record::decode(bytes).expect("a record").facts {
                if let Fact::Noted { data } = fact {
                    machine.evolve(&mut stand, data.to().expect("a fact of the machine"));
                }
            }
        }
        stand
    }

    pub(crate) fn order(&self) -> Standing<Stage, Order> {
        self.stand(&order().build().expect("a good machine"))
    }

    pub(crate) fn stage(&self) -> Stage {
        *self.order().state().expect("it has begun")
    }
}
