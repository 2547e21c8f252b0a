//! Workflows that run for others: whom they tell what, and from whom they take orders.

use regie_core::event::{EventBuilder, LifeState, Pattern, Principal};
use regie_core::governance::{Booking, Grant, Judgement, PolicyDecision, PolicyOutcome, Verdict};
use regie_core::workflow::{
    AgentOutcome, Command, Definitions, Effect, EffectEnd, EffectKey, Fact, Handler, HandlerError, Input, Moment,
    Operation, Reaction, Refusal, State,
};
use regie_core::{Digest, Json};

use super::helpers::{Desk, at, event, submit};
use super::operations::Careful;
use super::toy::{Do, asks, toys};

/// Before the tenth millisecond it refuses `timely.refuse` and keeps `timely.keep`; all else it takes.
struct Timely;

impl Handler for Timely {
    type State = ();
    type Fact = ();

    fn name(&self) -> &str {
        "timely"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("timely.*").expect("a pattern")
    }

    fn decide(&self, _: &(), input: Input<'_>, moment: &Moment<'_>) -> Result<Reaction<()>, HandlerError> {
        let none = Reaction::none();
        let Input::Event(event) = input else { return Ok(none.complete("done")) };
        match event.kind.as_str() {
            "timely.refuse" if moment.now < at(10) => Err(HandlerError("too early".into())),
            "timely.keep" if moment.now < at(10) => Ok(none.keep("too early")),
            "recall" => Ok(none.recall(Pattern::parse("timely.*"))),
            _ => Ok(none.call("work", "agent", Json::null())),
        }
    }

    fn evolve(&self, (): &mut (), (): ()) {}
}

fn desk() -> Desk {
    let mut definitions = toys();
    assert!(definitions.add(Careful) && definitions.add(Timely));
    Desk::new(definitions)
}

/// An event by which something is to run for workflow `p`.
fn for_p(kind: &str, id: &str) -> EventBuilder {
    let parent = r#"{"workflow":"p","key":{"step":"pay","attempt":1}}"#;
    event(kind, id).source("regie:workflow").metadata("runs_for", parent).payload(asks(&[Do::Call("work".into())]))
}

fn operate(by: &Principal) -> Command {
    let (by, why) = (by.clone(), "not wanted".to_string());
    Command::Operate { operation: Operation::Cancel, id: format!("{by}"), by, why }
}

fn workflow(id: &str) -> Principal {
    Principal { kind: "workflow".into(), id: id.into() }
}

fn resolve(event: u64, approved: bool) -> Command {
    Command::Resolve { event, approved, by: Principal::user("ana"), why: "known".into() }
}

fn done(step: &str) -> Command {
    let key = EffectKey { step: step.into(), attempt: 1 };
    Command::EffectEnded { key, end: EffectEnd::Agent(AgentOutcome::Done(Json::null())) }
}

fn escalated() -> Option<Judgement> {
    let verdict = Verdict::Escalated { reason: "who knows".into() };
    Some(Judgement { verdict, ..Judgement::free(at(0), None) })
}

/// What is owed to workflow `p`: how it went, or why nothing ran.
fn reports(desk: &Desk) -> Vec<Result<String, String>> {
    let reports = desk.state.owed().values().filter_map(|effect| match effect {
        Effect::Report { end, .. } => Some(end.clone().map(|end| format!("{end:?}"))),
        _ => None,
    });
    reports.collect()
}

fn is_running(desk: &Desk) -> bool {
    desk.state.run().is_some_and(|run| !run.status.is_over())
}

#[test]
fn what_is_owed_after_the_end_is_owed_still_when_the_run_is_put_back_and_over() {
    let mut desk = desk();
    desk.take(&submit(event("careful", "e"))).expect("it begins");
    ["work", "more"].iter().for_each(|step| drop(desk.take(&done(step)).expect("taken")));
    desk.take(&submit(for_p("careful", "early"))).expect("taken by a run of its own");
    assert_eq!(reports(&desk).len(), 1);
    desk.take(&operate(&Principal::user("ada"))).expect("begun to be cancelled");
    desk.take(&submit(for_p("careful", "late"))).expect("skipped");
    assert_eq!(reports(&desk).len(), 2);
    desk.take(&done("undo")).expect("put back");
    assert!(reports(&desk).len() == 2 && !is_running(&desk), "{:?}", reports(&desk));
}

#[test]
fn a_workflow_cancels_what_runs_for_it_and_no_other() {
    for (event, may) in [(for_p("toy.do", "e"), true), (event("toy.do", "e").payload(asks(&[])), false)] {
        let mut desk = desk();
        desk.take(&submit(event)).expect("it begins");
        let strangers = desk.take(&operate(&workflow("q"))).map(drop);
        assert!(
            matches!(&strangers, Err(Refusal::NotNow { why, .. }) if why == "it does not run for q"),
            "{strangers:?}"
        );
        assert_eq!((desk.take(&operate(&workflow("p"))).is_ok(), is_running(&desk)), (may, !may));
    }
}

#[test]
fn one_that_was_not_begun_when_its_parent_cancelled_it_never_begins_and_tells_nobody() {
    for approved in [true, false] {
        let mut desk = desk();
        desk.take_judged(&submit(for_p("toy.do", "e")), escalated()).expect("it waits");
        assert!(matches!(desk.take(&operate(&workflow("q"))), Err(Refusal::NoRun { .. })), "it is none of its own");
        desk.take(&operate(&workflow("p"))).expect("not wanted any more");
        assert!(matches!(desk.take(&operate(&workflow("p"))), Err(Refusal::NoRun { .. })), "once");
        let saved = desk.state.save(&desk.definitions).expect("told");
        desk.state = State::restore(&saved, 2, desk.state.digest, &desk.definitions).expect("restored");
        let facts = desk.take(&resolve(1, approved)).expect("resolved").record.facts;
        let told = if approved { "its workflow was cancelled: not wanted; known" } else { "known" };
        let [Fact::Moved { to: LifeState::Discarded, reason, by: Some(_), .. }] = &facts[..] else {
            panic!("{facts:?}")
        };
        assert!(reason == told && desk.state.run().is_none() && reports(&desk).is_empty(), "{reason}");
    }
}

#[test]
fn what_was_booked_for_one_that_never_begins_is_given_back() {
    let mut desk = desk();
    let booking = Booking { policy: "p".into(), key: "k".into(), slot: at(5) };
    let decision = PolicyDecision {
        policy: "p".into(),
        version: "1".into(),
        outcome: PolicyOutcome::Deferred,
        reason: "why".into(),
        observed: Default::default(),
        at: at(0),
        remaining_ms: None,
        grant: Some(Grant::Booked(booking.clone())),
    };
    let verdict = Verdict::Deferred { until: at(5), reason: "later".into() };
    let later = Judgement { verdict, decisions: vec![decision], ..Judgement::free(at(0), None) };
    desk.take_judged(&submit(for_p("toy.do", "e")), Some(later)).expect("put off");
    desk.take(&operate(&workflow("p"))).expect("not wanted any more");
    desk.now = at(5);
    let facts = desk.take(&Command::Return { event: 1 }).expect("its time has come").record.facts;
    assert!(facts.contains(&Fact::Released { booking }) && desk.state.open().is_empty(), "{facts:?}");
    assert!(desk.state.run().is_none() && reports(&desk).is_empty());
}

#[test]
fn a_child_whose_first_event_was_refused_or_kept_at_first_is_one_that_ran() {
    for kind in ["timely.refuse", "timely.keep"] {
        let mut desk = desk();
        desk.take(&submit(for_p(kind, "e"))).expect("recorded");
        desk.now = at(10);
        match kind {
            "timely.refuse" => drop(desk.take(&resolve(1, true)).expect("approved")),
            _ => {
                desk.take(&submit(event("recall", "r"))).expect("recalled");
                desk.take(&Command::Return { event: 1 }).expect("it comes back");
            }
        }
        assert_eq!((reports(&desk), is_running(&desk)), (Vec::new(), true), "{kind}");
        desk.take(&done("work")).expect("it ends");
        assert!(matches!(&reports(&desk)[..], [Ok(end)] if end.contains("done")), "{kind}: {:?}", reports(&desk));
    }
}

#[test]
fn an_event_that_its_definition_cannot_take_begins_no_run_and_another_does() {
    let mut desk = desk();
    desk.take(&submit(event("timely.refuse", "e"))).expect("it waits");
    assert!(desk.state.run().is_none() && desk.state.open()[&1].state == LifeState::Escalated);
    desk.take(&submit(event("note", "n"))).expect("recorded");
    assert!(desk.state.run().is_none(), "one on which nothing begins is nobody's input");
    desk.take(&resolve(1, true)).expect("it still cannot be taken");
    assert!(desk.state.run().is_none() && desk.state.open().contains_key(&1));
    desk.take(&submit(event("timely.go", "g"))).expect("it begins");
    assert!(is_running(&desk));
}

/// Cancels another one, by the same name, with each event; and says something at its end by that name too.
struct Insistent;

impl Handler for Insistent {
    type State = ();
    type Fact = ();

    fn name(&self) -> &str {
        "insistent"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("go").expect("a pattern")
    }

    fn decide(&self, _: &(), input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<()>, HandlerError> {
        let Input::Event(event) = input else { return Ok(Reaction::none()) };
        let cancels = Reaction::none().cancel_other("x", "other".into(), "enough");
        Ok(if event.id == "last" { cancels.complete("done") } else { cancels })
    }

    fn farewell(
        &self,
        _: &(),
        _: (&regie_core::workflow::RunEnd, &[()]),
        _: &Moment<'_>,
    ) -> Vec<(String, EventBuilder)> {
        ["x", "x"].map(|step| (step.to_string(), regie_core::event::Event::new("bye", "elsewhere"))).into()
    }

    fn evolve(&self, (): &mut (), (): ()) {}
}

#[test]
fn what_goes_out_after_the_end_never_clashes_by_its_name() {
    let mut definitions = Definitions::default();
    assert!(definitions.add(Insistent));
    let mut desk = Desk::new(definitions);
    for id in ["first", "second", "last"] {
        let facts = desk.take(&submit(event("go", id))).expect("taken").record.facts;
        assert!(!facts.iter().any(|fact| matches!(fact, Fact::Parked { .. })), "{facts:?}");
    }
    let owed: Vec<String> = desk.state.owed().keys().map(ToString::to_string).collect();
    assert_eq!(owed, ["~end/x#1", "~end/x#2", "~end/x#3", "~end/x#4", "~end/x#5"]);
    let mut again = State::default();
    for bytes in &desk.records {
        let record = regie_core::workflow::Record::decode(bytes).expect("a record");
        regie_core::workflow::evolve(&mut again, &record, &desk.definitions).expect("legal");
    }
    assert_eq!((again.owed(), again.digest), (desk.state.owed(), Digest::default()));
}
