//! Reasoners that must not hurt: whatever becomes of asking one, its event goes on, and what it said is kept or filtered.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use regie::core::event::{EventBuilder, EventResult, LifeState};
use regie::core::governance::PolicySet;
use regie::reasoning::{ReasonError, Reasoner, ReasonerLimits, Request, SignalDraft};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::runtime_support::{Gate, Stage, event, within};

const NAMES: [&str; 5] = ["sure", "silent", "panics", "overdone", "unsure"];

/// Each event is asked about by the reasoner that its type names, one of these.
fn policies(names: &[&str], limit: &str) -> PolicySet {
    let mut text =
        "[[policy]]\nname = 'sure-enough'\nkind = 'signals'\nmatch = 'ask.>'\nmin_confidence = 0.7\n".to_string();
    for name in names {
        text += &format!(
            "[[policy]]\nname = 'ask-{name}'\nkind = 'reason'\nmatch = 'ask.{name}'\nreasoner = '{name}'\nlimit = '{limit}'\n"
        );
    }
    PolicySet::parse(&text).unwrap()
}

type Reply = Result<Vec<SignalDraft>, ReasonError>;

/// A reasoner made of a closure.
struct Says<F>(F);

impl<F: Fn(Request) -> BoxFuture<'static, Reply> + Send + Sync + 'static> Reasoner for Says<F> {
    fn reason(&self, request: Request) -> impl Future<Output = Reply> + Send {
        (self.0)(request)
    }
}

fn with_confidence(confidence: f64) -> impl Reasoner {
    Says(move |_| futures::future::ready(Ok(vec![SignalDraft::new("risk.fraud", confidence)])).boxed())
}

/// Never answers; who holds a copy of what it holds can tell that it is gone.
fn silent(gate: &Gate, held: &Arc<()>) -> impl Reasoner {
    let (gate, held) = (gate.clone(), Arc::clone(held));
    Says(move |_| {
        let (gate, held) = (gate.clone(), Arc::clone(&held));
        async move {
            gate.come();
            let _held = held;
            std::future::pending().await
        }
        .boxed()
    })
}

fn panics() -> impl Reasoner {
    Says(|_| async { panic!("out of ideas") }.boxed())
}

async fn five(gate: &Gate, held: &Arc<()>) -> Stage {
    Stage::with(|builder| {
        let builder = builder.policies(policies(&NAMES, "500ms"));
        let builder = builder.reasoner("sure", with_confidence(0.9)).reasoner("silent", silent(gate, held));
        let builder = builder.reasoner("panics", panics()).reasoner("overdone", with_confidence(1.2));
        builder.reasoner("unsure", with_confidence(0.6))
    })
    .await
}

fn ask(name: &str) -> EventBuilder {
    event(&format!("ask.{name}"), name, "1")
}

/// What was observed of the one reasoner that was asked.
fn observed(answer: &EventResult, what: &str) -> Value {
    let asked = answer.policy_decisions.iter().find(|decision| decision.policy.starts_with("ask-")).unwrap();
    asked.observed[what].value()
}

async fn ask_all(stage: &Stage, gate: &Gate) -> Vec<EventResult> {
    let mut answers = Vec::new();
    for name in NAMES {
        let answer = stage.handle.enqueue(ask(name).build().unwrap()).await.unwrap();
        if name == "silent" {
            gate.wait_for(1);
            stage.clock.advance(Duration::from_millis(500));
        }
        answers.push(answer.await.unwrap());
    }
    answers
}

#[test]
fn five_reasoners_and_five_events_that_go_on() {
    within(async {
        let (gate, held) = (Gate::default(), Arc::new(()));
        let stage = five(&gate, &held).await;
        let answers = ask_all(&stage, &gate).await;
        assert!(answers.iter().all(|answer| answer.event_state == Some(LifeState::Processed)), "{answers:?}");
        let outcomes: Vec<Value> = answers.iter().map(|answer| observed(answer, "outcome")).collect();
        assert_eq!(outcomes, ["ok", "timed_out", "panicked", "invalid", "ok"]);
        assert_eq!(observed(&answers[1], "elapsed_ms"), json!(500));

        let signals: Vec<Value> = answers.iter().flat_map(|answer| &answer.signals).map(|it| it.value()).collect();
        assert_eq!(signals.iter().map(|it| it["confidence"].clone()).collect::<Vec<_>>(), [json!(0.9)]);
        let filtered: Vec<Value> = answers.iter().flat_map(|it| &it.signals_filtered).map(|it| it.value()).collect();
        assert_eq!(filtered.len(), 1, "{filtered:?}");
        assert_eq!(
            (&filtered[0]["signal"]["confidence"], &filtered[0]["policy"]),
            (&json!(0.6), &json!("sure-enough"))
        );

        stage.handle.settle().await;
        let reasoners = stage.handle.metrics().await.reasoners;
        assert!(reasoners.values().all(|it| it.running + it.waiting + it.stuck == 0), "{reasoners:?}");
        let count = |word: &str| -> u64 {
            reasoners.values().flat_map(|it| it.modes.values()).map(|mode| mode.ended(word)).sum()
        };
        let calls: u64 = reasoners.values().flat_map(|it| it.modes.values()).map(|mode| mode.calls).sum();
        let counts = [count("ok"), count("timed_out"), count("panicked"), count("invalid")];
        assert_eq!((calls, counts), (5, [2, 1, 1, 1]));
        stage.close().await;
        assert_eq!(Arc::strong_count(&held), 1, "what never answered is left behind");
    });
}

#[test]
fn a_limit_of_six_seconds_is_refused_unless_it_is_allowed() {
    within(async {
        let six = Duration::from_millis(6_000);
        let refused = ReasonerLimits::default().limit(six);
        let allowed = refused.allow_longer(six);
        // Of its own, and by a policy that asks for it.
        for (limits, asked) in [(refused, "500ms"), (ReasonerLimits::default(), "6s")] {
            let builder = regie::builder().reasoner_with("sure", with_confidence(0.9), limits);
            let error = builder.policies(policies(&["sure"], asked)).start().await.err().map(|error| error.to_string());
            assert!(error.as_ref().is_some_and(|error| error.contains("6000")), "{error:?}");
        }
        for asked in ["500ms", "6s"] {
            let with = |it: regie::Builder| it.reasoner_with("sure", with_confidence(0.9), allowed);
            let stage = Stage::with(|it| with(it.policies(policies(&["sure"], asked)))).await;
            assert_eq!(observed(&stage.submit(ask("sure")).await, "outcome"), "ok");
            stage.close().await;
        }
    });
}

/// All are asked at once; each is told of the mark that it saw.
fn marks(barrier: Arc<Barrier>) -> impl Reasoner {
    Says(move |request: Request| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Ok(vec![SignalDraft::new("mark.seen", 1.0).payload(request.view.value()["payload"].clone())])
        }
        .boxed()
    })
}

#[test]
fn of_a_hundred_at_once_none_sees_what_is_anothers() {
    within(async {
        let reasoner = marks(Arc::new(Barrier::new(100)));
        let with = |it: regie::Builder| {
            it.policies(policies(&["sure"], "500ms")).reasoner_with(
                "sure",
                reasoner,
                ReasonerLimits::default().places(100, 100),
            )
        };
        let stage = Stage::with(with).await;
        let asked = (0..100).map(|nth| {
            let marked = event("ask.sure", &format!("c-{nth}"), "1").payload(json!({"mark": nth})).build().unwrap();
            stage.handle.submit(marked)
        });
        for (nth, answer) in join_all(asked).await.into_iter().enumerate() {
            let seen: Vec<Value> = answer.unwrap().signals.iter().map(|it| it.value()["payload"].clone()).collect();
            assert_eq!(seen, [json!({"mark": nth})]);
        }
        stage.close().await;
    });
}
