//! What a reasoner may do, and what the one who asks is told: always something, always in time.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures::FutureExt;
use futures::future::{join_all, pending, ready};
use regie_actors::faults::{FaultPoint, Faults};
use regie_actors::reasoner::{ActorReasoner, Question, Reasoned, ReasonerLimits, ReasonerSpec, Reply, RuleReasoner};
use regie_core::Json;
use regie_core::event::Pattern;
use regie_core::limits;
use regie_core::reasoning::{
    Ask, Confidence, Mode, Outcome, ReasonError, Reasoning, Request, Rule, Sieve, SignalDraft, SignalFilter, sift,
};

use crate::stage::{Barrier, Blocks, Present, Stage, Thinks, about, ask, says, until};

fn places(concurrency: usize, queue: usize) -> ReasonerLimits {
    ReasonerLimits::default().places(concurrency, queue)
}

fn said(confidence: f64) -> Thinks<impl Fn(Request) -> futures::future::BoxFuture<'static, Reply>> {
    Thinks(move |_| ready(says("risk.high", confidence)).boxed())
}

/// Never answers, and says by `present` whether it is still at it.
fn silent(present: &Present) -> Thinks<impl Fn(Request) -> futures::future::BoxFuture<'static, Reply> + use<>> {
    let present = present.clone();
    Thinks(move |_| {
        let here = present.enter();
        async move {
            let _here = here;
            pending().await
        }
        .boxed()
    })
}

/// Holds its thread at a barrier.
fn held(barrier: &Barrier) -> impl Fn(Request) -> Reply + Send + Sync + use<> {
    let barrier = barrier.clone();
    move |_| {
        barrier.pass();
        says("late", 1.0)
    }
}

fn words(all: &[Reasoned]) -> Vec<String> {
    all.iter().map(|advice| advice.outcome.word().to_string()).collect()
}

/// What is kept of it, where a policy wants a confidence of 0.7.
fn kept(advice: Reasoned) -> Reasoning {
    let any = Pattern::parse(">").unwrap();
    let minimum = Confidence::new(0.7).ok();
    let sure = SignalFilter { minimum, ..SignalFilter::new("sure", any.clone(), any) };
    Reasoning::new("advice", advice, |signals| sift("order.placed", signals, &[Sieve::new(&sure)]))
}

#[test]
fn five_reasoners_harm_nobody_and_each_end_has_its_name() {
    Stage::play(|stage| async move {
        let present = Present::default();
        stage.add("sure", said(0.9), ReasonerLimits::default());
        stage.add("silent", silent(&present), ReasonerLimits::default());
        stage.add("panics", Thinks(|_| async { panic!("lost my head") }.boxed()), ReasonerLimits::default());
        stage.add("boasts", said(1.2), ReasonerLimits::default());
        stage.add("unsure", said(0.6), ReasonerLimits::default());
        let mut silence = stage.begin(ask("silent"), about(())).await.told;
        let mut all = Vec::new();
        for reasoner in ["sure", "panics", "boasts", "unsure"] {
            all.push(stage.asks(reasoner, about(())).await);
        }
        stage.advance(499);
        assert!((&mut silence).now_or_never().is_none(), "it has a millisecond left");
        stage.advance(1);
        all.insert(1, silence.await.unwrap());
        assert_eq!(words(&all), ["ok", "timed_out", "panicked", "invalid", "ok"]);
        assert_eq!(all[1].outcome, Outcome::TimedOut { after_ms: 500 });
        assert_eq!(all[1].elapsed_ms, 500);
        assert_eq!(all[2].outcome, Outcome::Panicked("lost my head".into()));
        assert_eq!(all[3].outcome, Outcome::Invalid("signal 1: confidence 1.2 is not in [0, 1]".into()));
        let kept: Vec<Reasoning> = all.into_iter().map(kept).collect();
        let passed: Vec<f64> = kept.iter().flat_map(|it| &it.signals).map(|signal| signal.confidence.get()).collect();
        assert_eq!(passed, [0.9]);
        let dropped = &kept[4].filtered[0];
        assert_eq!((dropped.signal.confidence.get(), dropped.policy.as_str()), (0.6, "sure"));
        stage.rests().await;
        assert_eq!(present.now(), 0);
        let count =
            |word: &str| stage.reasoners.views().iter().map(|(_, view)| view.modes()["default"].ended(word)).sum();
        let counts: [u64; 4] = ["ok", "timed_out", "panicked", "invalid"].map(count);
        assert_eq!(counts, [2, 1, 1, 1]);
        let calls: u64 = stage.reasoners.views().iter().map(|(_, view)| view.modes()["default"].calls).sum();
        assert_eq!(calls, 5);
    });
}

/// Answers after a while, with what it saw; by `present` it says that its while has begun.
fn echo_after(
    stage: &Stage,
    present: &Present,
    after_ms: u64,
) -> Thinks<impl Fn(Request) -> futures::future::BoxFuture<'static, Reply> + use<>> {
    let (clock, present) = (stage.clock.clone(), present.clone());
    Thinks(move |request: Request| {
        let pause = clock.limit(Duration::from_millis(after_ms)).is_up;
        let here = present.enter();
        async move {
            pause.await;
            drop(here);
            Ok(vec![SignalDraft::new("mark", 1.0).payload(request.view)])
        }
        .boxed()
    })
}

#[test]
fn of_a_hundred_at_once_none_sees_anothers_question() {
    Stage::play(|stage| async move {
        let present = Present::default();
        stage.add("echoes", echo_after(&stage, &present, 10), places(100, 0));
        let mut asked = Vec::new();
        for mark in 0..100_u64 {
            asked.push(stage.begin(ask("echoes"), about(mark)).await.told);
        }
        until(|| present.now() == 100).await;
        stage.advance(10);
        for (mark, told) in asked.into_iter().enumerate() {
            let advice = told.await.unwrap();
            let seen = advice.signals[0].payload.value();
            assert_eq!(seen["payload"].as_u64(), Some(mark as u64));
            assert_eq!((seen["id"].as_str(), advice.outcome), (Some("e-1"), Outcome::Ok));
        }
        stage.rests().await;
    });
}

#[test]
fn waiting_for_a_place_takes_of_the_time() {
    Stage::play(|stage| async move {
        let present = Present::default();
        stage.add("silent", silent(&present), places(1, 2));
        let first = stage.begin(ask("silent"), about(1)).await.told;
        until(|| present.now() == 1).await;
        stage.advance(300);
        let waits = stage.begin(Ask { limit_ms: Some(100), ..ask("silent") }, about(2)).await.told;
        let follows = stage.begin(ask("silent"), about(3)).await.told;
        assert_eq!((stage.view("silent").running(), stage.view("silent").waiting()), (1, 2));
        stage.advance(100);
        assert_eq!(waits.await.unwrap().outcome, Outcome::TimedOut { after_ms: 100 });
        assert_eq!(present.most(), 1);
        stage.advance(100);
        assert_eq!(first.await.unwrap().elapsed_ms, 500);
        until(|| present.now() == 1).await; // the third has the place now, and 300 ms left
        stage.advance(300);
        assert_eq!(follows.await.unwrap().outcome, Outcome::TimedOut { after_ms: 500 });
        stage.rests().await;
        assert_eq!((present.now(), present.most()), (0, 1));
    });
}

#[test]
fn a_declared_blocker_is_left_behind_and_counted_until_it_ends() {
    Stage::play(|stage| async move {
        let barrier = Barrier::default();
        stage.add_blocking("holds", Blocks(held(&barrier)), places(1, 4));
        let first = stage.begin(ask("holds"), about(1)).await.told;
        stage.advance(500);
        assert_eq!(first.await.unwrap().outcome, Outcome::TimedOut { after_ms: 500 });
        assert_eq!((stage.view("holds").stuck(), stage.view("holds").running()), (1, 0));
        let second = stage.begin(ask("holds"), about(2)).await.told;
        barrier.open();
        assert_eq!(second.await.unwrap().signals[0].kind, "late");
        until(|| stage.view("holds").stuck() == 0).await;
    });
}

#[test]
fn no_more_threads_are_left_behind_than_there_may_be() {
    Stage::play(|stage| async move {
        let barrier = Barrier::default();
        stage.add_blocking("holds", Blocks(held(&barrier)), places(limits::AGENT_STUCK, 0));
        let mut asked = Vec::new();
        for nth in 0..limits::AGENT_STUCK {
            asked.push(stage.begin(ask("holds"), about(nth)).await.told);
        }
        stage.advance(500);
        join_all(asked).await;
        let refused = stage.asks("holds", about(())).await;
        assert_eq!(refused.outcome.to_string(), "refused: 64 threads of 'holds' are stuck");
        barrier.open();
        until(|| stage.view("holds").stuck() == 0).await;
        assert_eq!(stage.asks("holds", about(())).await.outcome, Outcome::Ok);
    });
}

#[test]
fn one_that_blocks_undeclared_is_answered_for_in_time_and_keeps_its_place_until_it_ends() {
    Stage::play(|stage| async move {
        let (barrier, present) = (Barrier::default(), Present::default());
        let (holds, comes) = (Arc::new(held(&barrier)), present.clone());
        let blocks = Thinks(move |request| {
            let (holds, comes) = (Arc::clone(&holds), comes.clone());
            async move {
                let _here = comes.enter();
                holds(request)
            }
            .boxed()
        });
        stage.add("blocks", blocks, places(1, 1));
        let first = stage.begin(ask("blocks"), about(1)).await.told;
        until(|| present.now() == 1).await;
        stage.advance(500);
        assert_eq!(first.await.unwrap().outcome, Outcome::TimedOut { after_ms: 500 });
        assert_eq!(stage.view("blocks").running(), 1, "it holds its thread, and with that its place");
        let waits = stage.begin(ask("blocks"), about(2)).await.told;
        assert_eq!(stage.asks("blocks", about(3)).await.outcome.word(), "refused");
        barrier.open();
        assert_eq!(waits.await.unwrap().outcome, Outcome::Ok);
        stage.rests().await;
    });
}

#[test]
fn a_question_that_is_given_up_is_aborted_whether_it_runs_or_waits() {
    Stage::play(|stage| async move {
        let present = Present::default();
        stage.add("silent", silent(&present), places(1, 1));
        let runs = stage.begin(ask("silent"), about(1)).await;
        until(|| present.now() == 1).await;
        let waits = stage.begin(ask("silent"), about(2)).await;
        waits.abort.abort();
        assert!(waits.told.await.is_err());
        runs.abort.abort();
        assert!(runs.told.await.is_err());
        stage.rests().await;
        assert_eq!((present.now(), present.most()), (0, 1));
        let counts = &stage.view("silent").modes()["default"];
        assert_eq!((counts.calls, counts.outcomes.len()), (2, 0));
    });
}

#[test]
fn a_future_that_panics_as_it_is_dropped_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("boom");
        }
    }
    Stage::play(|stage| async move {
        let bombs = Present::default();
        let lays = bombs.clone();
        let rigged = Thinks(move |_| {
            let here = lays.enter();
            async move {
                let _bomb = Bomb;
                let _here = here;
                pending().await
            }
            .boxed()
        });
        stage.add("rigged", rigged, places(1, 1));
        for _ in 0..3 {
            let asked = stage.begin(ask("rigged"), about(())).await.told;
            until(|| bombs.now() == 1).await;
            stage.advance(500);
            assert_eq!(asked.await.unwrap().outcome.word(), "timed_out");
        }
        stage.rests().await;
    });
}

#[test]
fn a_limit_beyond_what_is_allowed_is_refused_unless_it_is_allowed_at_registration() {
    Stage::play(|stage| async move {
        let longer = ReasonerLimits::default().allow_longer(Duration::from_secs(6));
        stage.add("plain", said(0.9), ReasonerLimits::default());
        stage.add("slow", said(0.9), longer);
        let six_seconds = |name| Ask { limit_ms: Some(6_000), ..ask(name) };
        let refused = stage.begin(six_seconds("plain"), about(())).await.told.await.unwrap();
        assert_eq!(refused.outcome.to_string(), "refused: a limit of 6000 ms; 1 to 5000 are allowed");
        let allowed = stage.begin(six_seconds("slow"), about(())).await.told.await.unwrap();
        assert_eq!(allowed.outcome, Outcome::Ok);
        let none = stage.begin(Ask { limit_ms: Some(0), ..ask("slow") }, about(())).await.told.await.unwrap();
        assert_eq!(none.outcome.word(), "refused");
    });
}

#[test]
fn what_is_too_large_to_be_handed_over_never_reaches_the_reasoner() {
    Stage::play(|stage| async move {
        stage.add("unasked", Thinks(|_| panic!("asked")), ReasonerLimits::default());
        stage.add_blocking("unasked too", Blocks(|_| panic!("asked")), ReasonerLimits::default());
        for reasoner in ["unasked", "unasked too"] {
            let mut request = about(());
            request.view = Json::of(&serde_json::json!({"text": "x".repeat(limits::REASONING_VIEW_BYTES)}));
            let advice = stage.asks(reasoner, request).await;
            assert!(
                matches!(&advice.outcome, Outcome::Refused(why) if why.word() == "too_large"),
                "{}",
                advice.outcome
            );
        }
    });
}

#[test]
fn ten_mebibytes_of_advice_are_invalid() {
    Stage::play(|stage| async move {
        let floods = Thinks(|_| {
            let payload = Json::of(&"x".repeat(10 * 1024 * 1024));
            ready(Ok(vec![SignalDraft::new("flood", 0.5).payload(payload)])).boxed()
        });
        stage.add("floods", floods, ReasonerLimits::default());
        let advice = stage.asks("floods", about(())).await;
        assert!(
            matches!(&advice.outcome, Outcome::Invalid(why) if why.contains("10485767 bytes")),
            "{}",
            advice.outcome
        );
    });
}

#[test]
fn an_error_of_the_reasoners_is_an_outcome() {
    Stage::play(|stage| async move {
        let fails = Thinks(|_| ready(Err(ReasonError::Failed("no model".into()))).boxed());
        stage.add("fails", fails, ReasonerLimits::default());
        assert_eq!(stage.asks("fails", about(())).await.outcome, Outcome::Failed("no model".into()));
    });
}

#[test]
fn what_is_counted_is_counted_by_mode_with_its_time() {
    Stage::play(|stage| async move {
        let present = Present::default();
        stage.add("slow", echo_after(&stage, &present, 40), ReasonerLimits::default());
        for mode in [Mode::RISK_FLAGGING, Mode::RISK_FLAGGING, Mode::named("own").unwrap()] {
            let asked = stage.begin(Ask { mode, ..ask("slow") }, about(())).await.told;
            until(|| present.now() == 1).await;
            stage.advance(41);
            let advice = asked.await.unwrap();
            assert_eq!((advice.elapsed_ms, advice.signals[0].elapsed_ms), (41, 41));
        }
        let modes = stage.view("slow").modes();
        assert_eq!(modes.keys().collect::<Vec<_>>(), ["own", "risk_flagging"]);
        let risk = &modes["risk_flagging"];
        assert_eq!((risk.calls, risk.ended("ok"), risk.signals), (2, 2, 2));
        assert_eq!((risk.longest_ms, risk.elapsed_ms), (41, 82));
        assert_eq!(risk.latency, [0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
    });
}

#[test]
fn modes_beyond_what_is_counted_apart_are_counted_together() {
    Stage::play(|stage| async move {
        stage.add("sure", said(0.9), ReasonerLimits::default());
        for nth in 0..limits::MODES_COUNTED + 10 {
            let mode = Mode::named(&format!("mode-{nth}")).unwrap();
            stage.begin(Ask { mode, ..ask("sure") }, about(())).await.told.await.unwrap();
        }
        let modes = stage.view("sure").modes();
        assert_eq!((modes.len(), modes["others"].calls), (limits::MODES_COUNTED + 1, 10));
    });
}

#[test]
fn a_gate_that_dies_loses_its_questions_and_leaves_no_work_behind() {
    Stage::play(|stage| async move {
        let present = Present::default();
        let spec = ReasonerSpec::new("silent", silent(&present), places(2, 2));
        let second = std::sync::atomic::AtomicUsize::new(0);
        let dies = move |at, _: &_| {
            at == FaultPoint::GateBegun && second.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1
        };
        stage.raise(spec, Faults::when(dies));
        let first = stage.begin(ask("silent"), about(1)).await.told;
        until(|| present.now() == 1).await;
        let fatal = stage.begin(ask("silent"), about(2)).await.told;
        assert!(first.await.is_err() && fatal.await.is_err());
        stage.rests().await;
        assert_eq!(present.now(), 0);
    });
}

struct Oracle {
    asked: u32,
}

impl Actor for Oracle {
    type Context = Context<Self>;
}

impl actix::Handler<Question> for Oracle {
    type Result = Reply;

    fn handle(&mut self, Question(request): Question, ctx: &mut Self::Context) -> Reply {
        self.asked += 1;
        if request.view.value()["payload"] == "go" {
            ctx.stop();
        }
        Ok(vec![SignalDraft::new("answer", 1.0).payload(Json::of(&self.asked))])
    }
}

#[test]
fn an_actor_of_the_users_reasons_where_it_was_started() {
    Stage::play(|stage| async move {
        let oracle = Oracle { asked: 0 }.start();
        stage.add("oracle", ActorReasoner(oracle.recipient()), ReasonerLimits::default());
        stage.asks("oracle", about("once")).await;
        assert_eq!(stage.asks("oracle", about("go")).await.signals[0].payload.text(), "2");
        let silent = stage.asks("oracle", about("gone")).await;
        assert!(
            matches!(&silent.outcome, Outcome::Failed(why) if why.contains("does not answer")),
            "{}",
            silent.outcome
        );
    });
}

#[test]
fn rules_advise_at_once() {
    Stage::play(|stage| async move {
        let over = |sum: u64| {
            move |request: &Request| {
                request.view.value()["payload"].as_u64().map(|found| found > sum).ok_or("no sum".to_string())
            }
        };
        let rule = |kind: &str, confidence, sum| Rule::new(kind, confidence, "large", over(sum)).unwrap();
        let rules = vec![rule("risk.some", 0.6, 10), rule("risk.high", 0.9, 100)];
        stage.add("rules", RuleReasoner::new(rules), ReasonerLimits::default());
        assert_eq!(stage.asks("rules", about(50)).await.signals.len(), 1);
        assert_eq!(stage.asks("rules", about(500)).await.signals.len(), 2);
        assert_eq!(
            stage.asks("rules", about("x")).await.outcome.to_string(),
            "failed: the rule for 'risk.some': no sum"
        );
    });
}
