//! Four ends of one policy file: an event goes on, comes back, is stopped, or waits for a person.

use regie::core::event::{EventBuilder, EventResult, LifeState, Move, Principal, Priority};
use regie::core::governance::PolicySet;
use regie::core::query::Filter;
use regie::{Builder, JournalConfig};
use serde_json::json;

use crate::runtime_support::{Folder, Stage, at, note_by, within};
use crate::scene::{Scene, tell, wait_to_be_killed};
use LifeState::{Deferred, Discarded, Escalated, Pending, Processed};

const POLICIES: &str = r#"
[[policy]]
name = "too-much"
kind = "veto"
match = "agent.note"
when = "has(event.payload.amount) && event.payload.amount > 10000"
reason = "over 10,000 goes by hand"

[[policy]]
name = "urgent"
kind = "escalate"
match = "agent.note"
when = "event.priority == 'P0'"

[[policy]]
name = "one-a-second"
kind = "cooldown"
match = "agent.note"
window = "1000ms"
key = "actor"
mode = "defer"
"#;

fn governed(journal: JournalConfig) -> impl FnOnce(Builder) -> Builder {
    |builder| builder.policies(PolicySet::parse(POLICIES).unwrap()).journal(journal)
}

fn by_ana(id: &str) -> EventBuilder {
    note_by("ana", id, id)
}

fn outcome(answer: &EventResult) -> (Option<LifeState>, Option<u64>, Option<i64>) {
    let remaining = answer.policy_decisions.last().and_then(|last| last.remaining_ms);
    (answer.event_state, remaining, answer.deferred_until.map(|until| until.micros() / 1_000))
}

/// The first 500 ms.
async fn begin(stage: &Stage) {
    assert_eq!(outcome(&stage.submit(by_ana("e1")).await), (Some(Processed), None, None));
    stage.advance_to(at(400)).await;
    assert_eq!(outcome(&stage.submit(by_ana("e2")).await), (Some(Deferred), Some(600), Some(1_000)));
    let e3 = stage.submit(by_ana("e3").payload(json!({"amount": 20_000}))).await;
    assert_eq!((e3.event_state, e3.policy_decisions.len()), (Some(Discarded), 1));
    assert_eq!(e3.policy_decisions[0].policy, "too-much");
    let e4 = stage.submit(by_ana("e4").priority(Priority::P0)).await;
    assert_eq!((e4.event_state, e4.policy_decisions.len()), (Some(Escalated), 2));
    stage.advance_to(at(500)).await;
}

/// From 999 ms on.
async fn go_on(stage: &Stage) {
    stage.advance_to(at(999)).await;
    assert_eq!(outcome(&stage.submit(by_ana("e5")).await), (Some(Deferred), Some(1), Some(2_000)));
    let waiting = stage.handle.escalations(Filter::default()).await.unwrap();
    assert_eq!(waiting.iter().map(|it| it.event.event().id.as_str()).collect::<Vec<_>>(), ["e4"]);
    let approved = stage.handle.approve(waiting[0].position, Principal::user("ana"), "known").await.unwrap();
    assert_eq!(approved.event_state, Some(Processed));
    come_back(stage).await;
}

/// e2, then e5, ahead of e6.
async fn come_back(stage: &Stage) {
    stage.advance_to(at(1_000)).await;
    assert_eq!(states(stage, ["e2", "e5"]).await, [Some(Processed), Some(Deferred)]);
    assert_eq!(outcome(&stage.submit(by_ana("e6")).await), (Some(Deferred), Some(1_000), Some(3_000)));
    stage.advance_to(at(1_999)).await;
    assert_eq!(states(stage, ["e5", "e6"]).await, [Some(Deferred), Some(Deferred)]);
    stage.advance_to(at(2_000)).await;
    assert_eq!(states(stage, ["e5", "e6"]).await, [Some(Processed), Some(Deferred)]);
    assert_lives(stage).await;
}

async fn assert_lives(stage: &Stage) {
    assert_eq!(life(stage, "e2").await, [(Pending, 400), (Deferred, 400), (Pending, 1_000), (Processed, 1_000)]);
    assert_eq!(life(stage, "e4").await, [(Pending, 400), (Escalated, 400), (Processed, 999)]);
}

async fn states<const N: usize>(stage: &Stage, ids: [&str; N]) -> [Option<LifeState>; N] {
    let states = stage.states().await;
    ids.map(|id| states.get(&format!("{id}/{id}")).copied())
}

async fn life(stage: &Stage, id: &str) -> Vec<(LifeState, i64)> {
    let records = stage.handle.records(&id.into()).await.unwrap();
    let moves: Vec<Move> =
        records.iter().flat_map(|stored| regie::core::workflow::moves_in(&stored.record, 1)).collect();
    moves.iter().map(|it| (it.to, it.at.micros() / 1_000)).collect()
}

#[test]
fn each_event_comes_to_its_end() {
    within(async {
        let stage = Stage::with(governed(JournalConfig::memory())).await;
        begin(&stage).await;
        go_on(&stage).await;
        assert_eq!(stage.handle.now(), at(2_000));
        stage.close().await;
    });
}

/// The first 500 ms, in a process of its own.
pub(super) async fn scene(journal: JournalConfig) {
    let stage = Stage::with(governed(journal)).await;
    begin(&stage).await;
    tell(&json!({"at": 500}));
    wait_to_be_killed();
}

#[test]
fn a_process_that_is_killed_at_500_and_started_again_comes_to_the_same() {
    let folder = Folder::new();
    let mut scene = Scene::start("four-ends", &folder.path());
    assert_eq!(scene.next(), Some(json!({"at": 500})));
    scene.kill();
    within(async move {
        let stage = Stage::at(at(500), governed(folder.journal())).await;
        go_on(&stage).await;
        stage.close().await;
    });
}
