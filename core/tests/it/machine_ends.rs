//! Random machines whose steps are tried again and put back, which send and fail, under random operations: whatever happens, one
//! ends, leaves nothing behind, has put back what it did, the last first, and reads the same again.

use std::time::Duration;

use proptest::prelude::*;
use regie_core::event::{Event, LifeState};
use regie_core::retry::Retry;
use regie_core::workflow::machine::{Machine, MachineBuilder, Unmatched};
use regie_core::workflow::{AgentOutcome, Command, Effect, EffectEnd, Operation, Record, State, Unpark, evolve};
use regie_core::{Digest, Json};
use serde_json::json;

use super::machine_help::Floor;

/// A state: which steps it starts, whether it sends, and what leads on from there.
#[derive(Clone, Debug)]
struct Place {
    starts: Vec<usize>,
    sends: bool,
    caught: Option<usize>,
    waits: bool,
}

#[derive(Clone, Debug)]
struct Plan {
    /// How often each step is tried, whether it can be put back, and how often that is tried.
    steps: [(u32, bool, u32); 3],
    places: Vec<Place>,
    fails: bool,
}

const STEPS: [&str; 3] = ["a", "b", "c"];

fn plan() -> impl Strategy<Value = Plan> {
    let place = (prop::collection::vec(0..3_usize, 0..3), any::<bool>(), prop::option::of(0..3_usize), any::<bool>());
    let place = place.prop_map(|(starts, sends, caught, waits)| Place { starts, sends, caught, waits });
    let steps = prop::array::uniform3((1..3_u32, any::<bool>(), 1..3_u32));
    (steps, prop::collection::vec(place, 1..5), any::<bool>()).prop_map(|(steps, places, fails)| Plan {
        steps,
        places,
        fails,
    })
}

fn tries(attempts: u32) -> Retry {
    Retry { attempts, first: Duration::from_secs(1), jitter_percent: 0, ..Retry::default() }
}

/// From place to place by an event, by time, or by a failure; the last one ends it.
fn machine(plan: &Plan) -> MachineBuilder<usize, u32> {
    let last = plan.places.len();
    let start = Machine::<usize, u32>::named("random", 0).starts_on("go").otherwise(Unmatched::Ignore);
    let with_steps = (0..3).fold(start, |machine, at| {
        let (attempts, undone, undos) = plan.steps[at];
        machine.step(STEPS[at], "agent", |step| {
            let step = step.retry(tries(attempts));
            if undone { step.undo("undoer", |done| json!(done.step)).undo_with(tries(undos), None) } else { step }
        })
    });
    let started = (0..3).fold(with_steps, |machine, at| {
        machine.on::<Json>(0, format!("start.{at}"), |way| way.start(STEPS[at], |_, _| json!(1)))
    });
    let placed = plan.places.iter().enumerate().fold(started, |machine, (at, place)| {
        let machine = machine.on::<Json>(at, "on", |way| {
            let way = way.act("count", |count, _| *count += 1);
            let way = place
                .starts
                .iter()
                .fold(way, |way, step| way.give_up(STEPS[*step]).start(STEPS[*step], |_, _| json!(2)));
            let way = if place.sends { way.send("told", |_, _| Event::new("told", "others")) } else { way };
            way.go(at + 1)
        });
        let machine = match place.caught {
            Some(step) => machine.on_failed(at, STEPS[step], |way| way.go(at + 1)),
            None => machine,
        };
        if place.waits { machine.after(at, Duration::from_secs(5), |way| way.go(at + 1)) } else { machine }
    });
    match plan.fails {
        true => placed.fails(last, |_| "on purpose".into()),
        false => placed.completes(last, |count| json!(count)),
    }
}

/// A run, and what is seen of it from outside.
struct Seen {
    floor: Floor,
    plan: Plan,
}

impl Seen {
    fn status(&self) -> &'static str {
        self.floor.desk.state.run().expect("a run").status.name()
    }

    /// An operation, by a number; says whether something came of it.
    fn operated(&mut self, what: u8) -> bool {
        let run = self.floor.desk.state.run().expect("a run");
        let (paused, parked) = (run.paused, !run.parked.is_empty());
        let how = [Unpark::Retry, Unpark::Skip, Unpark::Abandon][usize::from(what) % 3];
        let operation = match (self.status(), what) {
            ("failed", 6..) => Operation::Retry,
            ("failed" | "completed" | "cancelled" | "terminated", _) => return false,
            _ if paused => Operation::Resume,
            _ if parked => Operation::Unpark(how),
            ("running", 10) => Operation::Cancel,
            (_, 11) => Operation::Pause,
            _ => return false,
        };
        self.floor.operate(operation).is_ok()
    }

    fn ends(&mut self, step: &str, effect: &Effect, what: u8) {
        let end = match effect {
            Effect::Timer { .. } => EffectEnd::TimerFired,
            Effect::Send { .. } if what < 8 => EffectEnd::Sent { position: 1, state: LifeState::Processed },
            Effect::Send { .. } => EffectEnd::NotSent { reason: "no".into() },
            _ => EffectEnd::Agent(match what {
                0..6 => AgentOutcome::Done(Json::null()),
                6 => AgentOutcome::TimedOut { after_ms: 1 },
                _ => AgentOutcome::Failed("no".into()),
            }),
        };
        if let Some(undone) = step.strip_prefix("~undo/") {
            assert_eq!(self.steps_done().first().map(String::as_str), Some(undone), "the last is put back first");
        }
        let key = self.floor.key(step);
        self.floor.take(&Command::EffectEnded { key, end });
    }

    /// What can be put back by the machine's own account, the last first.
    fn steps_done(&self) -> Vec<String> {
        let built = machine(&self.plan).build().expect("a good machine");
        self.floor.stand(&built).steps().done().map(|done| done.step.clone()).collect()
    }

    /// Something happens; says whether anything could.
    fn happens(&mut self, choice: u8, what: u8) -> bool {
        if self.operated(what) {
            return true;
        }
        if self.floor.desk.state.has_ended() {
            return false;
        }
        let owed: Vec<(String, Effect)> =
            self.floor.desk.state.owed().iter().map(|(key, effect)| (key.step.clone(), effect.clone())).collect();
        if owed.is_empty() || what == 9 {
            let kind = if choice.is_multiple_of(2) { "on".to_string() } else { format!("start.{}", choice % 3) };
            self.floor.send(&kind, json!(null));
        } else {
            let (step, effect) = owed[usize::from(choice) % owed.len()].clone();
            self.ends(&step, &effect, what);
        }
        true
    }

    fn assert_replays(&self) {
        let (mut state, mut digest) = (State::default(), Digest::ZERO);
        for bytes in &self.floor.desk.records {
            let record = Record::decode(bytes).expect("a record");
            evolve(&mut state, &record, &self.floor.desk.definitions).expect("a legal record");
            digest = digest.chain(bytes);
            state.digest = digest;
            state.placed(record.sequence, record.sequence);
        }
        let definitions = &self.floor.desk.definitions;
        assert_eq!(state.save(definitions), self.floor.desk.state.save(definitions));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_a_machine_ends_and_leaves_nothing(
        plan in plan(),
        happens in prop::collection::vec((any::<u8>(), 0..12_u8), 0..60),
    ) {
        let mut floor = Floor::new(machine(&plan).build().expect("a good machine"));
        floor.send("go", json!(null));
        let mut seen = Seen { floor, plan };
        for (choice, what) in happens {
            if !seen.happens(choice, what) {
                break;
            }
        }
        // Everything goes well from now on.
        for turn in 0..2_000_u32 {
            if !seen.happens(u8::from(turn % 3 == 0) * 2, if turn % 5 == 4 { 9 } else { 0 }) {
                break;
            }
        }
        prop_assert!(seen.floor.desk.state.has_ended(), "{} owes {:?}", seen.floor.status(), seen.floor.owed());
        prop_assert!(seen.floor.owed().is_empty());
        seen.assert_replays();
    }
}
