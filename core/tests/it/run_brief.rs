//! A run in brief, followed fact by fact, stands as the run that the whole state has.

use proptest::prelude::*;
use regie_core::event::Principal;
use regie_core::workflow::{
    AgentOutcome, Command, EffectEnd, EffectKey, Fact, Operation, Record, Refusal, Run, RunBrief, RunChange, RunStatus,
    Standing, State, Unpark,
};
use regie_core::{Json, Timestamp};

use super::helpers::{Desk, event, submit};
use super::operations::Careful;
use super::toy::{Do, asks, toys};

/// What becomes of one step of a story.
#[derive(Clone, Debug)]
enum Op {
    Event(bool, Vec<Do>),
    End(usize, AgentOutcome),
    Operate(Operation),
    Poison(usize),
}

fn wanted() -> impl Strategy<Value = Do> {
    let step = proptest::sample::select(vec!["a", "b", "c"]).prop_map(str::to_string);
    prop_oneof![
        4 => step.clone().prop_map(Do::Call),
        1 => step.prop_map(Do::Note),
        1 => Just(Do::Refuse),
        1 => prop_oneof![Just(Do::Complete), Just(Do::Fail)],
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        3 => Just(AgentOutcome::Done(Json::null())),
        3 => Just(AgentOutcome::Failed("no".into())),
        3 => Just(AgentOutcome::Refused("full".into())),
        1 => Just(AgentOutcome::TimedOut { after_ms: 1 }),
    ];
    let operations = vec![
        Operation::Cancel,
        Operation::Pause,
        Operation::Resume,
        Operation::Retry,
        Operation::Unpark(Unpark::Retry),
        Operation::Unpark(Unpark::Skip),
        Operation::Unpark(Unpark::Abandon),
        Operation::Terminate,
    ];
    prop_oneof![
        3 => (any::<bool>(), proptest::collection::vec(wanted(), 0..3)).prop_map(|(careful, all)| Op::Event(careful, all)),
        4 => (0_usize..4, outcome).prop_map(|(nth, outcome)| Op::End(nth, outcome)),
        4 => proptest::sample::select(operations).prop_map(Op::Operate),
        1 => (0_usize..4).prop_map(Op::Poison),
    ]
}

fn command(op: &Op, nth: usize, state: &State) -> Option<Command> {
    let by = Principal::user("ada");
    let key = |at: usize| -> Option<EffectKey> { state.owed().keys().nth(at % state.owed().len().max(1)).cloned() };
    Some(match op {
        Op::Event(careful, wanted) => {
            let kind = if *careful { "careful" } else { "toy.do" };
            submit(event(kind, &nth.to_string()).payload(asks(wanted)))
        }
        Op::End(at, outcome) => Command::EffectEnded { key: key(*at)?, end: EffectEnd::Agent(outcome.clone()) },
        Op::Poison(at) => Command::EffectEnded { key: key(*at)?, end: EffectEnd::TimerFired },
        Op::Operate(operation) => {
            Command::Operate { operation: *operation, id: nth.to_string(), by, why: "because".into() }
        }
    })
}

/// The run in brief after a record.
fn follow(mut run: Option<RunBrief>, record: &Record) -> Option<RunBrief> {
    let mut follows_end = false;
    for fact in &record.facts {
        if let Some(change) = RunChange::of(fact, follows_end) {
            run = RunBrief::follow(run, change, record.at);
        }
        follows_end = matches!(fact, Fact::Ended { .. });
    }
    run
}

fn assert_same(brief: Option<&RunBrief>, run: Option<&Run>) -> Result<(), TestCaseError> {
    let (Some(brief), Some(run)) = (brief, run) else {
        prop_assert_eq!((brief.is_none(), run.is_none()), (true, true));
        return Ok(());
    };
    prop_assert_eq!((&brief.definition, brief.version), (&run.definition, run.version));
    prop_assert_eq!((brief.status, brief.status.as_str()), (Standing::from(&run.status), run.status.name()));
    prop_assert_eq!((brief.paused, brief.parked as usize), (run.paused, run.parked.len()));
    prop_assert_eq!(brief.ended_at.is_some(), run.status.is_over());
    let why = match &run.status {
        RunStatus::Failed { error: why }
        | RunStatus::Cancelled { reason: why }
        | RunStatus::Terminated { reason: why } => Some(why.clone()),
        RunStatus::Compensating { then } => match RunStatus::from(then) {
            RunStatus::Cancelled { reason } => Some(reason),
            _ => None,
        },
        _ => None,
    };
    prop_assert_eq!(&brief.error, &why);
    Ok(())
}

proptest! {
    #[test]
    fn a_run_in_brief_stands_as_the_state_has_it(ops in proptest::collection::vec(op(), 1..40)) {
        let mut definitions = toys();
        prop_assert!(definitions.add(Careful));
        let mut desk = Desk::new(definitions);
        let mut brief = None;
        for (nth, op) in ops.iter().enumerate() {
            desk.now = Timestamp::from_millis(nth as i64);
            let Some(command) = command(op, nth, &desk.state) else { continue };
            match desk.take(&command) {
                Ok(turn) => brief = follow(brief, &turn.record),
                Err(refusal) => prop_assert!(!matches!(refusal, Refusal::Broken { .. }), "{refusal}"),
            }
            assert_same(brief.as_ref(), desk.state.run())?;
        }
    }
}

#[test]
fn why_a_run_ended_is_kept_in_its_beginning_alone_at_a_whole_letter() {
    let mut desk = Desk::new(toys());
    desk.take(&submit(event("toy.do", "e").payload(asks(&[Do::Call("a".into())])))).expect("it begins");
    let why = "ä".repeat(200);
    let by = Principal::user("ada");
    let terminate = Command::Operate { operation: Operation::Terminate, id: "o".into(), by, why };
    let turn = desk.take(&terminate).expect("terminated");
    let begun = RunBrief::follow(None, RunChange::Started { definition: "toy".into(), version: 3 }, desk.now);
    let brief = follow(begun, &turn.record).expect("a run");
    assert_eq!((brief.status, brief.error), (Standing::Terminated, Some("ä".repeat(150))));
}
