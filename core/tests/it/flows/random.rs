//! Random flows under random answers: whatever happens, a run ends, leaves nothing behind, and reads the same again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use regie_core::Json;
use regie_core::event::{CorrelationId, Event, Incoming, LifeState, Origin};
use regie_core::retry::Retry;
use regie_core::workflow::flow::{
    Flow, IntoTask, Task, attempt, call, choose, each, emit, fork, listen, raise, run as run_other, sequence, set,
    steps, wait,
};
use regie_core::workflow::{AgentOutcome, Effect, EffectEnd, EffectKey, Operation, RunEnd, Unpark};
use serde_json::json;

use super::{Bench, run};

#[derive(Clone, Debug)]
enum Plan {
    Call(bool, bool),
    Set,
    Wait,
    Listen,
    Raise,
    Emit,
    Run,
    Sequence(Vec<Plan>),
    Steps(Vec<Plan>),
    Fork(Vec<Plan>, u8),
    Each(Box<Plan>, usize),
    Try(Box<Plan>, bool, Option<Box<Plan>>),
    Choose(Box<Plan>, bool),
    Late(Box<Plan>),
}

fn plan() -> impl Strategy<Value = Plan> {
    let leaf = prop_oneof![
        6 => any::<(bool, bool)>().prop_map(|(retried, undone)| Plan::Call(retried, undone)),
        1 => Just(Plan::Set),
        1 => Just(Plan::Wait),
        1 => Just(Plan::Listen),
        1 => Just(Plan::Raise),
        1 => Just(Plan::Emit),
        2 => Just(Plan::Run),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let some = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            some().prop_map(Plan::Sequence),
            some().prop_map(Plan::Steps),
            (some(), 0..4_u8).prop_map(|(branches, join)| Plan::Fork(branches, join)),
            (inner.clone(), 1..3_usize).prop_map(|(body, at_most)| Plan::Each(Box::new(body), at_most)),
            (inner.clone(), any::<bool>(), prop::option::of(inner.clone()))
                .prop_map(|(tried, retried, caught)| Plan::Try(Box::new(tried), retried, caught.map(Box::new))),
            (inner.clone(), any::<bool>()).prop_map(|(inner, holds)| Plan::Choose(Box::new(inner), holds)),
            inner.prop_map(|inner| Plan::Late(Box::new(inner))),
        ]
    })
}

fn twice() -> Retry {
    Retry { first: Duration::from_secs(1), ..Retry::times(2) }
}

fn task(plan: &Plan) -> Task {
    let named = |plans: &[Plan]| {
        plans.iter().map(task).enumerate().map(|(at, task)| (format!("t{at}"), task)).collect::<Vec<_>>()
    };
    match plan {
        Plan::Call(retried, undone) => {
            let call = call("agent").retry(if *retried { twice() } else { Retry::never() });
            if *undone { call.undo("undoer").undo_retry(Retry::never()).into() } else { call.into() }
        }
        Plan::Set => set("x", |scope| scope.value().clone()).into(),
        Plan::Wait => wait(Duration::from_secs(3)),
        Plan::Listen => listen("ping").into(),
        Plan::Emit => emit(|_| Event::new("told", "elsewhere")),
        Plan::Run => run_other(|_| Event::new("child.go", "c/child")),
        Plan::Raise => raise("on-purpose", |_| json!("!")),
        Plan::Sequence(plans) => {
            named(plans).into_iter().fold(sequence(), |all, (name, task)| all.task(&name, task)).into()
        }
        Plan::Steps(plans) => {
            let graph = named(plans).into_iter().enumerate().fold(steps(), |all, (at, (name, task))| match at {
                0 | 1 => all.task(&name, &[], task),
                _ => all.task(&name, &["t0", "t1"], task),
            });
            graph.into()
        }
        Plan::Fork(plans, join) => {
            let branches = named(plans).into_iter().fold(fork(), |all, (name, task)| all.branch(&name, task));
            match join {
                0 => branches.into(),
                1 => branches.collect().into(),
                2 => branches.first().into(),
                _ => branches.at_least(plans.len().min(2)).into(),
            }
        }
        Plan::Each(body, at_most) => each("i", |_| json!([1, 2, 3])).at_most(*at_most).task("b", task(body)).into(),
        Plan::Try(tried, retried, caught) => {
            let tried = attempt("tried", task(tried));
            let tried = if *retried { tried.retry(twice()) } else { tried };
            match caught {
                Some(caught) => tried.otherwise("caught", task(caught)).into(),
                None => tried.into(),
            }
        }
        Plan::Choose(inner, holds) => {
            let holds = *holds;
            choose().case("c", move |_| holds, task(inner)).into()
        }
        Plan::Late(inner) => task(inner).within(Duration::from_secs(2)),
    }
}

/// What is seen from outside of the workflows that run for it.
#[derive(Default)]
struct Children {
    asked: BTreeMap<EffectKey, CorrelationId>,
    reported: BTreeSet<CorrelationId>,
    cancelled: BTreeSet<CorrelationId>,
    terminated: bool,
}

impl Children {
    fn look(&mut self, run: &Bench) {
        for (key, effect) in run.desk.state.owed() {
            match effect {
                Effect::Run { event } => {
                    let incoming = Incoming::read(event.as_bytes(), Origin::File).expect("an event");
                    let on = incoming.event().correlation_id.clone();
                    let is_new = self.asked.insert(key.clone(), on.clone()).is_none();
                    let once = self.asked.values().filter(|other| **other == on).count() == 1;
                    assert!(!is_new || once, "{on} is asked twice");
                }
                Effect::Operate { on, .. } => {
                    assert!(self.asked.values().any(|asked| asked == on), "{on} was never asked");
                    self.cancelled.insert(on.clone());
                }
                _ => {}
            }
        }
    }

    /// Each is over, or told to be.
    fn assert_none_is_left(&self) {
        let left = |on: &&CorrelationId| !self.reported.contains(*on) && !self.cancelled.contains(*on);
        let left: Vec<_> = self.asked.values().filter(left).collect();
        assert!(self.terminated || left.is_empty(), "{left:?}");
    }
}

/// An operation on the run, by a number; says whether it was one that goes on.
fn operated(run: &mut Bench, children: &mut Children, what: u8) -> bool {
    let paused = run.desk.state.run().expect("a run").paused;
    match (run.status().name(), what) {
        ("failed", 5..) => run.operate(Operation::Retry).is_ok(),
        ("failed" | "completed" | "cancelled" | "terminated", _) => false,
        _ if paused => run.operate(Operation::Resume).is_ok(),
        (_, 10) => run.operate(Operation::Pause).is_ok(),
        (_, 11) => {
            children.terminated = true;
            run.operate(Operation::Terminate).is_ok()
        }
        _ => false,
    }
}

/// How something that is owed ends.
fn end_of(effect: &Effect, choice: u8, what: u8) -> EffectEnd {
    let well = what < 6;
    match effect {
        Effect::Send { .. } | Effect::Run { .. } if what > 7 => EffectEnd::NotSent { reason: "no".into() },
        Effect::Send { .. } => EffectEnd::Sent { position: 1, state: LifeState::Processed },
        Effect::Run { .. } if well => EffectEnd::Ran { end: RunEnd::Completed { output: Json::of(&choice) } },
        Effect::Run { .. } => EffectEnd::Ran { end: RunEnd::Failed { error: "no".into() } },
        Effect::Operate { .. } => EffectEnd::Told,
        _ => EffectEnd::Agent(match what {
            0..5 => AgentOutcome::Done(Json::of(&choice)),
            5 => AgentOutcome::TimedOut { after_ms: 1 },
            6 => AgentOutcome::Panicked("oh".into()),
            _ => AgentOutcome::Failed("no".into()),
        }),
    }
}

/// Something happens to the run; says whether anything could.
fn happen(run: &mut Bench, children: &mut Children, (choice, what): (u8, u8)) -> bool {
    let went_on = operated(run, children, what);
    children.look(run);
    if went_on || run.status().is_over() {
        return went_on;
    }
    let owed: Vec<(String, Effect)> =
        run.desk.state.owed().iter().map(|(key, effect)| (key.step.clone(), effect.clone())).collect();
    if !run.desk.state.run().expect("a run").parked.is_empty() {
        let how = [Unpark::Retry, Unpark::Skip, Unpark::Abandon][usize::from(what) % 3];
        run.operate(Operation::Unpark(how)).expect("taken on");
    } else if owed.is_empty() || what == 9 {
        run.send("ping", json!(choice));
    } else {
        let (step, effect) = owed[usize::from(choice) % owed.len()].clone();
        match effect {
            Effect::Timer { .. } => drop(run.tick()),
            effect => {
                if let Effect::Run { .. } = &effect {
                    children.reported.extend(children.asked.get(&run.key(&step)).cloned());
                }
                run.ends(&step, end_of(&effect, choice, what));
            }
        }
    }
    children.look(run);
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_a_flow_ends_and_leaves_nothing(
        plans in prop::collection::vec(plan(), 1..4),
        happens in prop::collection::vec((any::<u8>(), 0..12_u8), 0..60),
        cancel_at in prop::option::of(0..40_usize),
    ) {
        let flow = plans.iter().enumerate().fold(Flow::named("f").starts_on("go"), |flow, (at, plan)| {
            flow.task(&format!("p{at}"), task(plan))
        });
        let mut run = run(flow.build().expect("a good flow"), json!("in"));
        let mut children = Children::default();
        children.look(&run);
        for (at, (choice, what)) in happens.into_iter().enumerate() {
            if cancel_at == Some(at) && run.status().name() == "running" {
                run.operate(Operation::Cancel).expect("cancelled");
            }
            if !happen(&mut run, &mut children, (choice, what)) {
                break;
            }
        }
        // Everything goes well from now on.
        for turn in 0..10_000_u32 {
            let agents_first = u8::from(turn % 3 == 2) * 255;
            if !happen(&mut run, &mut children, (agents_first, 0)) {
                break;
            }
        }
        prop_assert!(run.status().is_over(), "{} owes {:?}", run.status(), run.owed());
        prop_assert!(run.owed().iter().all(|owed| owed.starts_with("~end/")), "{:?}", run.owed());
        children.assert_none_is_left();
    }
}
