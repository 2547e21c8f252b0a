//! Ten thousand questions to a reasoner that does whatever a reasoner can do wrong: each has its outcome in time.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use regie_actors::clock::Clock;
use regie_actors::reasoner::{Reasoned, ReasonerLimits, Reply};
use regie_core::Json;
use regie_core::reasoning::{Ask, Outcome, ReasonError, Request, SignalDraft};

use crate::stage::{Present, Stage, Thinks, UnderWay, about, ask};

const QUESTIONS: u64 = 10_000;
/// Asked at once; the gate takes them all, and works on a few.
const WAVE: u64 = 500;
const AT_ONCE: usize = 32;
/// The clock goes on by this much at a time: an outcome is there by the limit and this.
const STEP_MS: u64 = 50;
const LONGEST_MS: u64 = 1_000;

/// A number that looks random, the same for the same question.
fn dice(mark: u64, throw: u64, sides: u64) -> u64 {
    let mut mixed = (mark.wrapping_mul(31).wrapping_add(throw)).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % sides
}

/// What a question is answered with, and which outcomes that may lead to besides running out of time.
fn conduct(mark: u64) -> (&'static str, fn(u64) -> Reply) {
    match dice(mark, 1, 8) {
        0..=2 => ("ok", |mark| Ok(vec![SignalDraft::new("mark", 0.5).payload(Json::of(&mark))])),
        3 => ("panicked", |mark| panic!("a storm at {mark}")),
        4 => ("invalid", |_| Ok(vec![SignalDraft::new("mark", 1.5)])),
        5 => ("invalid", |_| Ok(vec![SignalDraft::new("mark", 0.5).rationale("x".repeat(1_000_000))])),
        6 => ("invalid", |_| Ok(vec![SignalDraft::new("", f64::NAN); 1_000])),
        _ => ("failed", |_| Err(ReasonError::Failed("no idea".into()))),
    }
}

async fn behave(clock: Clock, request: Request) -> Reply {
    let mark = request.view.value()["payload"].as_u64().unwrap();
    match dice(mark, 2, 4) {
        0 => pending().await,
        1 | 2 => clock.limit(Duration::from_millis(dice(mark, 3, 2 * LONGEST_MS))).is_up.await,
        _ => {}
    }
    conduct(mark).1(mark)
}

fn check(mark: u64, limit_ms: u64, advice: &Reasoned) {
    match &advice.outcome {
        Outcome::TimedOut { after_ms } => assert_eq!(*after_ms, limit_ms, "question {mark}"),
        other => assert_eq!(other.word(), conduct(mark).0, "question {mark}: {other}"),
    }
    for signal in &advice.signals {
        assert_eq!(signal.payload, Json::of(&mark), "another's advice");
    }
}

/// Asks a wave, and lets time pass: whoever's limit is up must have been told by then, without the clock going on.
async fn wave(stage: &Stage, first: u64, words: &mut BTreeMap<&'static str, u64>) {
    let mut asked: Vec<(u64, u64, UnderWay)> = Vec::new();
    for mark in first..first + WAVE {
        let limit_ms = 1 + dice(mark, 4, LONGEST_MS);
        asked.push((mark, limit_ms, stage.begin(Ask { limit_ms: Some(limit_ms), ..ask("storm") }, about(mark)).await));
    }
    for passed in (STEP_MS..=LONGEST_MS + STEP_MS).step_by(STEP_MS as usize) {
        stage.advance(STEP_MS);
        let (due, later) = asked.into_iter().partition(|(_, limit_ms, _)| *limit_ms <= passed);
        asked = later;
        let due: Vec<(u64, u64, UnderWay)> = due;
        for (mark, limit_ms, question) in due {
            let advice = question.told.await.unwrap();
            check(mark, limit_ms, &advice);
            *words.entry(advice.outcome.word()).or_default() += 1;
        }
    }
    assert!(asked.is_empty());
}

#[test]
fn each_of_ten_thousand_questions_has_its_outcome_in_time_and_nothing_is_left_of_them() {
    let tells = std::panic::take_hook();
    // More than a thousand, on purpose: only of others it is told.
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with("a storm")) {
            tells(panic);
        }
    }));
    Stage::play(|stage| async move {
        let (present, clock) = (Present::default(), stage.clock.clone());
        let at_work = present.clone();
        let storm = Thinks(move |request| -> BoxFuture<'static, Reply> {
            let (here, work) = (at_work.enter(), behave(clock.clone(), request));
            async move {
                let _here = here;
                work.await
            }
            .boxed()
        });
        stage.add("storm", storm, ReasonerLimits::default().places(AT_ONCE, WAVE as usize));
        let mut words = BTreeMap::new();
        for first in (0..QUESTIONS).step_by(WAVE as usize) {
            wave(&stage, first, &mut words).await;
            assert!(present.most() <= AT_ONCE, "{} at once", present.most());
        }
        stage.rests().await;
        assert_eq!((words.values().sum::<u64>(), present.now()), (QUESTIONS, 0), "{words:?}");
        assert_eq!(words.len(), 5, "each kind of end came about: {words:?}");
        let counts = &stage.view("storm").modes()["default"];
        let counted: BTreeMap<&str, u64> = counts.outcomes.iter().map(|(word, count)| (*word, *count)).collect();
        assert_eq!((counts.calls, counted), (QUESTIONS, words));
    });
}
