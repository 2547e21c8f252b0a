//! What was owed when a runtime went down happens at the next start, under the same key, once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use regie::actors::agent::AgentLimits;
use regie::core::Json;
use regie::core::event::{CorrelationId, Event, LifeState};
use regie::core::governance::CooldownMode;
use regie::core::limits;
use regie::core::query::Filter;
use regie::core::workflow::{AgentOutcome, Handler, Input, Moment, Reaction};
use regie::runtime::{Ending, Waited};
use regie::{Builder, JournalConfig};

use crate::runtime_support::{Acts, Folder, Gate, Stage, at, event, note_by, one_a_second, script, set, within};

/// Tokens that an agent was given, in order.
type Tokens = Arc<Mutex<Vec<String>>>;

/// Does what its events ask: a call, a timer, a send; ends with the first of them that ends.
fn errand() -> impl Handler {
    script("errand", "work.>", |sum, input: Input<'_>, _: &Moment<'_>| {
        Ok(match input {
            Input::Event(event) => match event.kind.as_str() {
                "work.call" => Reaction::none().call("ask", "oracle", Json::null()),
                "work.timer" => Reaction::none().timer("ring", at(5_000)),
                "work.send" => Reaction::none().send("tell", Event::new("hold.it", "other")),
                _ => Reaction::none().note(1),
            },
            Input::Agent { outcome: AgentOutcome::Done(_), .. } => {
                Reaction::none().complete(&format!("answered, {sum}"))
            }
            Input::Timer { .. } => Reaction::none().complete(&format!("rang, {sum}")),
            Input::Sent { refused: None, .. } => Reaction::none().complete(&format!("sent, {sum}")),
            _ => Reaction::none().fail("something else ended"),
        })
    })
}

/// Waits at a gate before it takes what it was sent.
fn holds_at(gate: &Gate) -> impl Handler + use<> {
    let gate = gate.clone();
    script("holds", "hold.>", move |_, _: Input<'_>, _: &Moment<'_>| {
        gate.pass();
        Ok(Reaction::none())
    })
}

/// An agent that notes what it was given and answers, or never does.
fn oracle(builder: Builder, tokens: &Tokens, answers: bool) -> Builder {
    let tokens = Arc::clone(tokens);
    let act = move |task: regie::actors::agent::AgentTask| {
        tokens.lock().unwrap().push(task.token());
        if answers { futures::future::ready(Ok(Json::of("42"))).boxed() } else { futures::future::pending().boxed() }
    };
    builder.agent("oracle", Acts(act), AgentLimits::default())
}

fn in_file(journal: JournalConfig) -> impl FnOnce(Builder) -> Builder {
    |builder| builder.journal(journal).handler(errand()).grace(Duration::ZERO)
}

/// An errand with so many events before it.
async fn begin(stage: &Stage, kind: &str, events: u64) {
    for nth in 0..events {
        stage.submit(event("work.more", "c", &format!("more-{nth}"))).await;
    }
    stage.submit(event(kind, "c", "errand")).await;
}

/// It has come to its end by itself: to ask how it stands would wake it.
async fn assert_completed(stage: &Stage, output: &str) {
    assert_eq!(stage.handle.metrics().await.runs_finished, 1);
    let Waited::Ended { ending, .. } = stage.handle.wait(&"c".into(), None).await.unwrap() else {
        panic!("it has not ended")
    };
    assert_eq!(ending, Ending::Completed(Json::of(output)));
}

/// A call is owed when the runtime goes down, by a kill or in good order.
async fn a_call_happens_again(events: u64, killed: bool) {
    let (folder, tokens) = (Folder::new(), Tokens::default());
    let stage = Stage::with(|builder| oracle(in_file(folder.journal())(builder), &tokens, false)).await;
    begin(&stage, "work.call", events).await;
    while tokens.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    let image = folder.image();
    let left = stage.runtime.shutdown().await.left_owed;
    assert_eq!(left, 1);
    let journal = if killed { image.journal() } else { folder.journal() };
    let stage = Stage::with(|builder| oracle(in_file(journal)(builder), &tokens, true)).await;
    if events > limits::SNAPSHOT_RECORDS {
        assert!(
            stage.handle.readers().open().unwrap().snapshot(&CorrelationId::from("c")).unwrap().is_some(),
            "no snapshot is tried"
        );
    }
    stage.handle.settle().await;
    assert_completed(&stage, &format!("answered, {events}")).await;
    assert_eq!(*tokens.lock().unwrap(), ["c/ask#1", "c/ask#1"]);
    stage.close().await;
}

#[test]
fn a_call_that_was_owed_at_a_kill_happens_again_under_its_key() {
    within(a_call_happens_again(0, true));
}

#[test]
fn a_call_that_was_owed_at_a_shutdown_happens_again_under_its_key() {
    within(a_call_happens_again(0, false));
}

#[test]
fn a_call_of_a_workflow_that_wakes_from_a_snapshot_happens_again() {
    within(a_call_happens_again(limits::SNAPSHOT_RECORDS + 50, false));
}

/// A timer is set when the runtime is killed.
async fn a_timer_rings_at_its_instant(events: u64) {
    let folder = Folder::new();
    let stage = Stage::with(in_file(folder.journal())).await;
    begin(&stage, "work.timer", events).await;
    stage.handle.settle().await;
    let image = folder.image();
    let stage = Stage::at(at(100), in_file(image.journal())).await;
    stage.advance_to(at(4_999)).await;
    assert_eq!(stage.handle.metrics().await.runs_finished, 0);
    stage.advance_to(at(5_000)).await;
    assert_completed(&stage, &format!("rang, {events}")).await;
    stage.close().await;
}

#[test]
fn a_timer_rings_at_its_instant_after_a_kill() {
    within(a_timer_rings_at_its_instant(0));
}

#[test]
fn a_timer_of_a_workflow_that_wakes_from_a_snapshot_rings() {
    within(a_timer_rings_at_its_instant(limits::SNAPSHOT_RECORDS + 50));
}

#[test]
fn a_timer_of_a_workflow_that_has_left_memory_rings() {
    within(async {
        let folder = Folder::new();
        let few = |builder: Builder| in_file(folder.journal())(builder).shards(1).keep(1, Duration::from_millis(1));
        let stage = Stage::with(few).await;
        begin(&stage, "work.timer", 3).await;
        stage.submit(event("other.kind", "someone-else", "1")).await;
        assert!(stage.handle.metrics().await.passivated >= 1);
        stage.advance_to(at(5_000)).await;
        assert_completed(&stage, "rang, 3").await;
        stage.close().await;
    });
}

/// A send is on its way when the runtime is killed: held by who is to get it, so that it is not recorded there.
#[test]
fn a_send_that_was_not_delivered_at_a_kill_is_delivered_once() {
    within(async {
        let (folder, gate) = (Folder::new(), Gate::default());
        let stage = Stage::with(|builder| in_file(folder.journal())(builder).handler(holds_at(&gate))).await;
        begin(&stage, "work.send", 0).await;
        gate.wait_for(1);
        let image = folder.image();
        gate.open();
        let stage = Stage::with(|builder| in_file(image.journal())(builder).handler(holds_at(&gate))).await;
        assert_delivered_once(&stage).await;
        assert_eq!(gate.came(), 2, "it was not under way at the kill");
    });
}

/// A send is recorded where it went, and its sender does not know it yet.
#[test]
fn a_send_that_was_delivered_just_before_a_kill_is_not_delivered_twice() {
    within(async {
        let (folder, gate) = (Folder::new(), Gate::default());
        let held = gate.clone();
        let waits = script("errand", "work.>", move |_, input: Input<'_>, _: &Moment<'_>| {
            if let Input::Sent { .. } = input {
                held.pass();
            }
            Ok(Reaction::none().send("tell", Event::new("hold.it", "other")))
        });
        let stage = Stage::with(|builder| builder.journal(folder.journal()).handler(waits)).await;
        begin(&stage, "work.send", 0).await;
        gate.wait_for(1);
        let image = folder.image();
        gate.open();
        let stage = Stage::with(in_file(image.journal())).await;
        assert_eq!(stage.stats().await.events, 2);
        assert_delivered_once(&stage).await;
    });
}

async fn assert_delivered_once(stage: &Stage) {
    stage.handle.settle().await;
    assert_completed(stage, "sent, 0").await;
    let got = stage.handle.events(Filter { correlation: Some("other".into()), ..Filter::default() }).await.unwrap();
    let got: Vec<&Event> = got.iter().map(|stored| stored.incoming.event()).collect();
    assert_eq!(
        (got.len(), got[0].kind.as_str(), got[0].causation_id.as_deref()),
        (1, "hold.it", Some("regie:local#errand"))
    );
}

#[test]
fn a_deferral_is_kept_over_a_kill_and_over_a_shutdown() {
    within(async {
        let folder = Folder::new();
        let cooled = |journal| {
            move |builder: Builder| builder.policies(set(vec![one_a_second(CooldownMode::Defer)])).journal(journal)
        };
        let stage = Stage::with(cooled(folder.journal())).await;
        for id in ["1", "2", "3"] {
            stage.submit(note_by("ana", "c", id)).await;
        }
        let image = folder.image();
        stage.close().await;
        for journal in [image.journal(), folder.journal()] {
            let stage = Stage::with(cooled(journal)).await;
            stage.advance_to(at(1_000)).await;
            assert_eq!(stage.state_of("c/2").await, Some(LifeState::Processed));
            assert_eq!(stage.state_of("c/3").await, Some(LifeState::Deferred));
            stage.close().await;
        }
    });
}

#[test]
fn a_program_without_the_handler_refuses_by_name_and_leaves_what_is_owed() {
    within(async {
        let (folder, tokens) = (Folder::new(), Tokens::default());
        let stage = Stage::with(|builder| oracle(in_file(folder.journal())(builder), &tokens, false)).await;
        begin(&stage, "work.call", 0).await;
        stage.runtime.shutdown().await;
        let stage = Stage::with(|builder| builder.journal(folder.journal())).await;
        stage.handle.settle().await;
        let refused = stage.handle.submit(event("work.more", "c", "2").build().unwrap()).await.unwrap_err();
        assert!(refused.reason.code() == "unknown_definition" && refused.to_string().contains("'errand' version 1"));
        assert_eq!(stage.handle.look(&"c".into()).await.unwrap().owed.len(), 1);
        stage.close().await;
        let stage = Stage::with(|builder| oracle(in_file(folder.journal())(builder), &tokens, true)).await;
        stage.handle.settle().await;
        assert_completed(&stage, "answered, 0").await;
    });
}

#[test]
fn a_hundred_owed_calls_all_happen_at_the_next_start() {
    within(async {
        let (folder, tokens) = (Folder::new(), Tokens::default());
        let wide = AgentLimits { concurrency: 200, ..AgentLimits::default() };
        let never = Acts(|_| futures::future::pending().boxed());
        let stage = Stage::with(|builder| in_file(folder.journal())(builder).agent("oracle", never, wide)).await;
        for nth in 0..100 {
            stage.submit(event("work.call", &format!("c-{nth}"), "errand")).await;
        }
        stage.runtime.shutdown().await;
        let stage = Stage::with(|builder| oracle(in_file(folder.journal())(builder), &tokens, true)).await;
        stage.handle.settle().await;
        assert_eq!(stage.handle.metrics().await.runs_finished, 100);
        assert_eq!(tokens.lock().unwrap().len(), 100);
    });
}
