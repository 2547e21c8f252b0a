//! Handlers: retries under one step, panics, poison, what a program without the handler does.

use std::cell::Cell;
use std::sync::Once;

use regie_core::Json;
use regie_core::event::{LifeState, Pattern};
use regie_core::workflow::{
    AgentOutcome, Command, Context, Definitions, EffectEnd, EffectKey, Fact, Handler, HandlerError, Input, Moment,
    Poison, Reaction, Record, Refusal, RunStatus, State, evolve, pending, take,
};

use super::helpers::{Desk, at, correlation, event, submit};
use super::toy::{Do, Toy, asks, toys};

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics on purpose of this thread out of the output, while it lives.
pub(crate) struct Quiet;

impl Quiet {
    pub(crate) fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let loud = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let text = info.to_string();
                let on_purpose = ["the toy panics", "the toy blew up", "no state"].iter().any(|it| text.contains(it));
                if !(on_purpose && QUIET.get()) {
                    loud(info);
                }
            }));
        });
        QUIET.set(true);
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(false);
    }
}

fn toy(id: &str, wanted: &[Do]) -> Command {
    submit(event("toy.do", id).payload(asks(wanted)))
}

fn ended(step: &str, attempt: u32, outcome: AgentOutcome) -> Command {
    let key = EffectKey { step: step.into(), attempt };
    Command::EffectEnded { key, end: EffectEnd::Agent(outcome) }
}

fn owed(desk: &Desk) -> Vec<String> {
    desk.state.owed().keys().map(ToString::to_string).collect()
}

#[test]
fn a_step_may_be_asked_again_by_the_reaction_to_its_own_end() {
    let mut desk = Desk::new(toys());
    desk.take(&toy("1", &[Do::Call("pay".into())])).expect("taken");
    for attempt in 1..5 {
        desk.take(&ended("pay", attempt, AgentOutcome::Failed("no".into()))).expect("taken");
        assert_eq!(owed(&desk), [format!("pay#{}", attempt + 1)]);
    }
    assert!(matches!(desk.take(&ended("pay", 1, AgentOutcome::Done(Json::of("x")))), Err(Refusal::Over { .. })));
}

#[test]
fn a_step_that_is_under_way_is_not_asked_twice() {
    let mut desk = Desk::new(toys());
    desk.take(&toy("1", &[Do::Call("pay".into())])).expect("taken");
    for (id, wanted) in [("2", vec![Do::Call("pay".into())]), ("3", vec![Do::Send("x".into()), Do::Send("x".into())])] {
        let turn = desk.take(&toy(id, &wanted)).expect("taken");
        assert!(matches!(&turn.record.facts[..], [.., Fact::Parked { error, .. }] if error.contains("under way")));
        assert_eq!(owed(&desk), ["pay#1"]);
    }
}

#[test]
fn a_panic_refuses_and_leaves_everything_as_it_was() {
    let _quiet = Quiet::new();
    let mut desk = Desk::new(toys());
    desk.take(&toy("1", &[Do::Note("one".into())])).expect("taken");
    for (id, wanted) in [("2", Do::Panic), ("3", Do::Bomb)] {
        let refusal = desk.take(&toy(id, &[wanted])).expect_err("a panic");
        assert!(refusal.spoils_the_state() && refusal.to_string().contains("the toy"), "{refusal}");
        assert_eq!(desk.records.len(), 1);
        desk.state = reread(&desk);
    }
    desk.take(&toy("2", &[Do::Note("two".into())])).expect("it goes on");
}

fn reread(desk: &Desk) -> State {
    let mut state = State::default();
    for bytes in &desk.records {
        evolve(&mut state, &Record::decode(bytes).expect("a record"), &desk.definitions).expect("legal");
        state.digest = state.digest.chain(bytes);
    }
    state
}

fn take_poisoned(desk: &mut Desk, command: &Command) -> Vec<Fact> {
    let poison = Some(Poison { attempts: 3, error: "it dies".into() });
    let context = Context { now: desk.now, judgement: None, definitions: &desk.definitions, poison };
    take(&mut desk.state, &correlation(), command, &context).expect("parked").record.facts
}

#[test]
fn poison_is_escalated_and_parked_and_the_next_event_goes_on() {
    let mut desk = Desk::new(toys());
    desk.take(&toy("1", &[Do::Note("one".into())])).expect("taken");
    let facts = take_poisoned(&mut desk, &toy("2", &[Do::Panic]));
    assert!(matches!(&facts[1], Fact::Moved { to: LifeState::Escalated, reason, .. } if reason == "poison: it dies"));
    assert!(matches!(&facts[2], Fact::Parked { input, attempts: 3, .. } if input == "event 2"));
    desk.take(&toy("3", &[Do::Note("three".into())])).expect("it goes on");
}

#[test]
fn poison_of_a_ledger_is_parked_too() {
    let mut desk = Desk::new(Definitions::default());
    let facts = take_poisoned(&mut desk, &submit(event("plain", "1")));
    assert!(matches!(&facts[2..], [Fact::Moved { to: LifeState::Escalated, .. }, Fact::Parked { .. }]));
}

/// A handler that cannot even begin.
struct Stillborn;

struct NoState;

impl Default for NoState {
    fn default() -> Self {
        panic!("no state");
    }
}

impl serde::Serialize for NoState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> serde::Deserialize<'de> for NoState {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("no state");
    }
}

impl Handler for Stillborn {
    type State = NoState;
    type Fact = ();

    fn name(&self) -> &str {
        "stillborn"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("toy.>").expect("a pattern")
    }

    fn decide(&self, _: &NoState, _: Input<'_>, _: &Moment<'_>) -> Result<Reaction<()>, HandlerError> {
        Ok(Reaction::none())
    }

    fn evolve(&self, _: &mut NoState, (): ()) {}
}

#[test]
fn poison_begins_no_run_so_that_a_handler_that_cannot_begin_does_not_die_for_ever() {
    let _quiet = Quiet::new();
    let mut definitions = Definitions::default();
    definitions.add(Stillborn);
    let mut desk = Desk::new(definitions);
    assert!(matches!(desk.take(&toy("1", &[])), Err(Refusal::Panicked { .. })));
    take_poisoned(&mut desk, &toy("1", &[]));
    assert!(desk.state.run().is_none());
}

#[test]
fn an_error_of_the_handler_is_parked_at_once() {
    let mut desk = Desk::new(toys());
    let turn = desk.take(&toy("1", &[Do::Refuse])).expect("parked");
    assert!(matches!(turn.record.facts.last(), Some(Fact::Parked { attempts: 1, error, .. }) if error == "no"));
}

#[test]
fn a_run_that_failed_skips_and_one_that_completed_records() {
    for (end, state) in [(Do::Fail, LifeState::Discarded), (Do::Complete, LifeState::Processed)] {
        let mut desk = Desk::new(toys());
        desk.take(&toy("1", &[Do::Call("a".into()), Do::Timer("b".into(), 5), end])).expect("taken");
        assert!(pending(&desk.state).is_empty() && desk.state.has_ended());
        let turn = desk.take(&toy("2", &[Do::Panic])).expect("recorded");
        assert!(matches!(turn.record.facts.last(), Some(Fact::Moved { to, .. }) if *to == state));
    }
}

#[test]
fn an_unknown_definition_is_refused_by_name_and_what_is_owed_stays() {
    let mut desk = Desk::new(toys());
    desk.take(&toy("1", &[Do::Call("a".into()), Do::Note("n".into())])).expect("taken");
    desk.definitions = Definitions::default();
    desk.state = reread(&desk);
    for command in [toy("2", &[]), ended("a", 1, AgentOutcome::Done(Json::of("x")))] {
        let refusal = desk.take(&command).expect_err("no handler");
        assert!(!refusal.spoils_the_state() && refusal.to_string().contains("'toy' version 3"), "{refusal}");
    }
    assert_eq!((owed(&desk), desk.records.len()), (vec!["a#1".to_string()], 1));
    assert_eq!(desk.state.save(&desk.definitions), None, "a state that is only half known makes no snapshot");
    assert!(matches!(desk.state.run().map(|run| &run.status), Some(RunStatus::Running)));
}

#[test]
fn a_duplicate_is_known_by_its_first_sequence_whatever_its_content() {
    let mut desk = Desk::new(toys());
    desk.take(&submit(event("plain", "1"))).expect("taken");
    desk.take(&submit(event("plain", "2"))).expect("taken");
    let again = desk.take(&submit(event("plain", "1").session("other")));
    assert_eq!(again.map(|turn| turn.record), Err(Refusal::Known { sequence: 1 }));
}

#[test]
fn what_a_workflow_sends_has_an_id_of_its_own_for_each_attempt() {
    let mut desk = Desk::new(toys());
    let mut sent = Vec::new();
    for id in ["1", "2"] {
        let turn = desk.take(&toy(id, &[Do::Send("tell".into())])).expect("taken");
        sent.extend(turn.record.facts.into_iter().filter_map(|fact| match fact {
            Fact::Owes { key, effect } => Some((key, format!("{effect:?}"))),
            _ => None,
        }));
        let key = sent.last().expect("sent").0.clone();
        let end = EffectEnd::Sent { position: 7, state: LifeState::Processed };
        desk.take(&Command::EffectEnded { key, end }).expect("taken");
    }
    assert_ne!(sent[0], sent[1]);
    assert!(sent[0].1.contains("regie:workflow") && sent[0].1.contains("regie:local#1"));
}

#[test]
fn the_newest_version_of_the_first_name_takes_over() {
    let mut definitions = toys();
    assert!(!definitions.add(Toy), "the name and version are taken");
    definitions.add(Stillborn);
    assert_eq!(definitions.names().collect::<Vec<_>>(), [("stillborn", 1), ("toy", 3)]);
    let mut desk = Desk::new(definitions);
    desk.take(&submit(event("plain", "1"))).expect("a ledger's");
    assert!(desk.state.run().is_none() && desk.now == at(0));
}
