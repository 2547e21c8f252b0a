//! Vetoes and cooldowns: exact instants, racing events, returns, and what is recorded of the set.

use std::collections::BTreeSet;

use regie::actors::faults::{FaultPoint, Faults};
use regie::core::event::{EventBuilder, EventResult, LifeState, Move};
use regie::core::governance::{CooldownMode, Policy, PolicySet};
use regie::core::query::Filter;
use regie::{Builder, JournalConfig};

use crate::runtime_support::{Folder, Stage, at, note, note_by, one_a_second, pattern, set, within};
use LifeState::{Deferred, Discarded, Pending, Processed};

fn veto() -> Policy {
    Policy::veto("too-much", pattern("agent.note"), "more than 10,000", |event| {
        event.payload.value()["amount"].as_u64().is_some_and(|amount| amount > 10_000)
    })
}

fn both() -> PolicySet {
    set(vec![veto(), one_a_second(CooldownMode::Defer)])
}

fn amount(event: EventBuilder, amount: u64) -> EventBuilder {
    event.payload(serde_json::json!({"amount": amount}))
}

/// An event of the one actor that there is, in a correlation of its own.
fn by_ana(id: &str) -> EventBuilder {
    note_by("ana", id, id)
}

fn in_file(policies: PolicySet, journal: JournalConfig) -> impl FnOnce(Builder) -> Builder {
    |builder| builder.policies(policies).journal(journal)
}

#[track_caller]
fn assert_deferred(answer: &EventResult, remaining_ms: u64, until: i64) {
    let remaining: Vec<u64> = answer.policy_decisions.iter().filter_map(|decision| decision.remaining_ms).collect();
    assert_eq!((answer.event_state, answer.deferred_until), (Some(Deferred), Some(at(until))));
    assert_eq!(remaining, [remaining_ms]);
}

fn moves(moves: &[Move]) -> Vec<(LifeState, i64)> {
    moves.iter().map(|it| (it.to, it.at.micros() / 1_000)).collect()
}

/// e1 to e3 of the scenario, up to 400 ms.
async fn up_to_400(stage: &Stage) -> (EventResult, EventResult) {
    assert_eq!(stage.submit(by_ana("e1")).await.event_state, Some(Processed));
    stage.advance_to(at(400)).await;
    (stage.submit(by_ana("e2")).await, stage.submit(amount(by_ana("e3"), 20_000)).await)
}

/// e5 and e6 of the scenario, from 999 ms on, and the whole life of e2.
async fn from_999(stage: &Stage) {
    stage.advance_to(at(999)).await;
    assert_deferred(&stage.submit(by_ana("e5")).await, 1, 2_000);
    stage.advance_to(at(1_000)).await;
    assert_eq!((stage.state_of("e2/e2").await, stage.state_of("e5/e5").await), (Some(Processed), Some(Deferred)));
    assert_eq!(stage.submit(by_ana("e6")).await.deferred_until, Some(at(3_000)));
    stage.advance_to(at(2_000)).await;
    assert_eq!((stage.state_of("e5/e5").await, stage.state_of("e6/e6").await), (Some(Processed), Some(Deferred)));
    let e2 = stage.handle.records(&"e2".into()).await.unwrap();
    let life: Vec<Move> = e2.iter().flat_map(|stored| regie::core::workflow::moves_in(&stored.record, 1)).collect();
    assert_eq!(moves(&life), [(Pending, 400), (Deferred, 400), (Pending, 1_000), (Processed, 1_000)]);
}

#[test]
fn a_veto_and_a_cooldown_act_at_their_exact_instants() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(both())).await;
        let (e2, e3) = up_to_400(&stage).await;
        assert_deferred(&e2, 600, 1_000);
        assert_eq!((e3.event_state, e3.policy_decisions.len()), (Some(Discarded), 1));
        from_999(&stage).await;
        stage.close().await;
    });
}

#[test]
fn a_kill_at_500_changes_nothing() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(in_file(both(), folder.journal())).await;
        assert_deferred(&up_to_400(&stage).await.0, 600, 1_000);
        stage.advance_to(at(500)).await;
        let image = folder.image();
        let stage = Stage::at(at(500), in_file(both(), image.journal())).await;
        from_999(&stage).await;
        stage.close().await;
    });
}

#[test]
fn a_veto_at_its_limit_lets_pass() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(set(vec![veto()]))).await;
        for (sent, state) in [(10_000, Processed), (10_001, Discarded)] {
            let answer = stage.submit(amount(note("c", &sent.to_string()), sent)).await;
            assert_eq!(answer.event_state, Some(state), "{sent}");
        }
    });
}

/// Events of one key from eight threads at once, each in a correlation of its own; at one instant.
async fn race(mode: CooldownMode, each: usize) -> (Stage, Vec<EventResult>) {
    let stage = Stage::with(|builder| builder.policies(set(vec![one_a_second(mode)])).shards(4)).await;
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let handle = stage.handle.clone();
            std::thread::spawn(move || {
                let submit = |nth| handle.submit(by_ana(&format!("{thread}-{nth}")).build().unwrap());
                (0..each).map(|nth| futures::executor::block_on(submit(nth)).unwrap()).collect::<Vec<_>>()
            })
        })
        .collect();
    let answers = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    (stage, answers)
}

fn in_state(answers: &[EventResult], state: LifeState) -> usize {
    answers.iter().filter(|answer| answer.event_state == Some(state)).count()
}

#[test]
fn of_racing_events_of_one_key_exactly_one_goes_on_and_the_others_are_stopped() {
    within(async {
        let (stage, answers) = race(CooldownMode::Discard, 100).await;
        assert_eq!((in_state(&answers, Processed), in_state(&answers, Discarded)), (1, 799));
        stage.advance_to(at(1_000)).await;
        assert_eq!(stage.submit(by_ana("later")).await.event_state, Some(Processed));
    });
}

#[test]
fn of_racing_events_of_one_key_exactly_one_goes_on_and_each_other_has_a_slot_of_its_own() {
    within(async {
        let (stage, answers) = race(CooldownMode::Defer, 25).await;
        assert_eq!((in_state(&answers, Processed), in_state(&answers, Deferred)), (1, 199));
        let slots: BTreeSet<_> = answers.iter().filter_map(|answer| answer.deferred_until).collect();
        assert_eq!(slots, (1..=199).map(|nth| at(nth * 1_000)).collect());
        stage.close().await;
    });
}

#[test]
fn a_hundred_deferred_ones_come_back_one_by_one() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(both())).await;
        for nth in 0..=100 {
            stage.submit(by_ana(&format!("e-{nth}"))).await;
        }
        for nth in 1..=100_usize {
            stage.advance_to(at(nth as i64 * 1_000 - 1)).await;
            let before = stage.stats().await.by_state["processed"];
            stage.advance_to(at(nth as i64 * 1_000)).await;
            assert_eq!((before, stage.stats().await.by_state["processed"]), (nth as u64, nth as u64 + 1));
            assert_eq!(stage.state_of(&format!("e-{nth}/e-{nth}")).await, Some(Processed));
        }
    });
}

#[test]
fn what_piled_up_while_the_runtime_was_down_goes_on_one_by_one() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(in_file(both(), folder.journal())).await;
        for nth in 0..=5 {
            stage.submit(by_ana(&format!("e-{nth}"))).await;
        }
        stage.close().await;
        let stage = Stage::at(at(60_000), in_file(both(), folder.journal())).await;
        for nth in 1..=5_u64 {
            stage.handle.settle().await;
            assert_eq!(stage.stats().await.by_state["processed"], 1 + nth);
            stage.advance_to(at(60_000 + nth as i64 * 1_000)).await;
        }
    });
}

/// Two wait for their slots; the set that is in force when the first comes back stops it.
#[test]
fn a_return_that_is_stopped_frees_its_slot() {
    within(async {
        let folder = Folder::new();
        let before = set(vec![one_a_second(CooldownMode::Defer)]);
        let stage = Stage::with(in_file(before, folder.journal())).await;
        stage.submit(by_ana("e1")).await;
        assert_eq!(stage.submit(amount(by_ana("e2"), 20_000)).await.deferred_until, Some(at(1_000)));
        stage.close().await;
        let stage = Stage::with(in_file(both(), folder.journal())).await;
        stage.advance_to(at(1_000)).await;
        assert_eq!(stage.state_of("e2/e2").await, Some(Discarded));
        assert_eq!(stage.submit(by_ana("e3")).await.event_state, Some(Processed));
    });
}

/// The control: a return that goes on has spent its slot.
#[test]
fn a_return_that_goes_on_spends_its_slot() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(both())).await;
        stage.submit(by_ana("e1")).await;
        stage.submit(by_ana("e2")).await;
        stage.advance_to(at(1_000)).await;
        assert_eq!(stage.submit(by_ana("e3")).await.deferred_until, Some(at(2_000)));
    });
}

#[test]
fn what_a_dead_workflow_had_reserved_is_given_up() {
    within(async {
        let fired = std::sync::atomic::AtomicBool::new(false);
        let once = Faults::when(move |at, _| {
            at == FaultPoint::Decide && !fired.swap(true, std::sync::atomic::Ordering::Relaxed)
        });
        let discard = set(vec![one_a_second(CooldownMode::Discard)]);
        let stage = Stage::with(|builder| builder.policies(discard).faults(once)).await;
        assert_eq!(stage.submit(by_ana("e1")).await.event_state, Some(Processed));
        assert_eq!(stage.submit(by_ana("e2")).await.event_state, Some(Discarded));
        assert_eq!(stage.handle.metrics().await.restarts, 1);
    });
}

#[test]
fn the_set_is_recorded_once_and_again_only_when_it_differs() {
    within(async {
        let folder = Folder::new();
        let sets = [both(), both(), set(vec![veto()])];
        for (nth, (policies, recorded)) in sets.into_iter().zip([1, 1, 2]).enumerate() {
            let stage = Stage::at(at(nth as i64 * 10_000), in_file(policies, folder.journal())).await;
            for id in ["a", "b"] {
                stage.submit(note("c", &format!("{id}-{nth}"))).await;
            }
            assert_eq!(stage.handle.records(&"regie/policies".into()).await.unwrap().len(), recorded);
            let stats = stage.stats().await;
            assert_eq!((stats.events, stats.correlations), (2 * (nth as u64 + 1), 1));
            assert_eq!(stage.handle.events(Filter::default()).await.unwrap().len() as u64, stats.events);
            stage.close().await;
        }
    });
}

#[test]
fn opening_records_nothing() {
    within(async {
        let folder = Folder::new();
        for _ in 0..2 {
            let stage = Stage::with(in_file(both(), folder.journal())).await;
            stage.handle.settle().await;
            assert_eq!(stage.handle.position(), 0);
            stage.close().await;
        }
    });
}
