//! What policies know after a restart, or a kill, is what they would have known without it: a script of submits has the same
//! answers wherever it is cut.
//!
//! `REGIE_CUTS=1` cuts at every step; otherwise it says at every how many (7 unless said).

use std::time::Duration;

use regie::core::Timestamp;
use regie::core::event::{Event, EventBuilder, Incoming, Principal};
use regie::core::governance::PolicySet;
use regie::core::query::Filter;
use regie::core::workflow::{HandlerError, Input, Moment, Reaction};
use regie::{Builder, JournalConfig};
use serde_json::{Value, json};

use super::size;
use crate::runtime_support::{Dice, Folder, Stage, at, script, within_at_most};

/// Every kind that holds state. The session is over ten seconds after the script begins, and opens again on Monday, after the
/// clocks were changed.
const POLICIES: &str = r#"
[[policy]]
name = "cool"
kind = "cooldown"
match = "cool.>"
window = "700ms"
key = "actor"
mode = "discard"

[[policy]]
name = "wait"
kind = "cooldown"
match = "wait.>"
window = "900ms"
key = "actor"
mode = "defer"

[[policy]]
name = "desk"
kind = "window"
match = "desk.>"
zone = "Europe/Berlin"
days = ["mon-fri"]
start = "09:00"
end = "17:00"
at_most = 3
key = "actor"
mode = "defer"

[[policy]]
name = "rate"
kind = "rate"
match = "rate.>"
rate = 3
per = "2s"
burst = 2
key = "actor"
mode = "defer"

[[policy]]
name = "slow-rate"
kind = "rate"
match = "*.ask"
rate = 7
per = "5s"
burst = 3
key = "actor"
mode = "discard"

[[policy]]
name = "typing"
kind = "debounce"
match = "typing.>"
wait = "300ms"
max = "1s"
key = "actor"

[[policy]]
name = "places"
kind = "concurrency"
match = "work.begin"
limit = 2
"#;
const BEGINS: &str = "2026-03-27T15:59:50Z";
const STEPS: usize = 120;
const KINDS: [&str; 7] = ["cool.ask", "wait.ask", "desk.ask", "rate.ask", "typing.note", "work.begin", "work.end"];

/// So many milliseconds on, then this event.
struct Step {
    on: u64,
    event: Incoming,
}

fn script_of_steps() -> Vec<Step> {
    let mut dice = Dice(5);
    let step = |nth: usize| {
        let kind = KINDS[dice.below(KINDS.len() as u64) as usize];
        // Who has a place ends its run some time: one of few correlations begins it, and ends it.
        let correlation = match kind {
            "work.begin" | "work.end" => format!("work-{}", dice.below(6)),
            _ => format!("c-{nth}"),
        };
        let actor = ["ana", "ben"][dice.below(2) as usize];
        let event: EventBuilder =
            Event::new(kind, correlation.as_str()).id(format!("e-{nth}")).actor(Principal::user(actor));
        Step { on: dice.below(250), event: event.build().unwrap() }
    };
    (0..STEPS).map(step).collect()
}

fn works(_: &u64, input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
    Ok(match input {
        Input::Event(event) if event.kind == "work.end" => Reaction::none().complete("enough"),
        _ => Reaction::none().note(1),
    })
}

fn governed(journal: JournalConfig) -> impl FnOnce(Builder) -> Builder {
    let policies = PolicySet::parse(POLICIES).unwrap();
    |builder| builder.policies(policies).journal(journal).handler(script("works", "work.>", works))
}

/// How a script is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Restart,
    Kill,
}

/// The answers of a script that is cut before a step, and what becomes of each event in the end.
async fn answers(cut: Option<(usize, Cut)>) -> Vec<Value> {
    let mut now = Timestamp::parse(BEGINS).unwrap();
    let mut folder = Folder::new();
    let mut stage = Stage::at(at(now.micros() / 1_000), governed(folder.journal())).await;
    let mut told = Vec::new();
    for (nth, step) in script_of_steps().into_iter().enumerate() {
        match cut.filter(|(at, _)| *at == nth) {
            Some((_, Cut::Restart)) => {
                stage.close().await;
                stage = Stage::at(at(now.micros() / 1_000), governed(folder.journal())).await;
            }
            Some((_, Cut::Kill)) => {
                folder = folder.image();
                stage = Stage::at(at(now.micros() / 1_000), governed(folder.journal())).await;
            }
            None => {}
        }
        now = now.after(Duration::from_millis(step.on));
        // Time jumps, as it does for one that was down meanwhile.
        stage.clock.advance_to(at(now.micros() / 1_000));
        stage.settle().await;
        let answer = stage.handle.submit(step.event).await.unwrap();
        stage.handle.settle().await;
        told.push(json!([nth, answer.event_state, answer.deferred_until, answer.policy_decisions]));
    }
    stage.handle.advance_to(now.after(Duration::from_secs(4 * 86_400))).await;
    stage.handle.settle().await;
    told.extend(lives(&stage).await);
    stage.close().await;
    told
}

/// When each event moved, where to and why.
async fn lives(stage: &Stage) -> Vec<Value> {
    let mut lives = Vec::new();
    for stored in stage.handle.events(Filter::default()).await.unwrap() {
        let records = stage.handle.records(&stored.incoming.event().correlation_id).await.unwrap();
        let moves: Vec<_> =
            records.iter().flat_map(|it| regie::core::workflow::moves_in(&it.record, stored.sequence)).collect();
        lives.push(json!([stored.incoming.event().id, moves]));
    }
    lives
}

#[track_caller]
fn assert_same(undisturbed: &[Value], cut: &[Value], what: &str) {
    let differs = undisturbed.iter().zip(cut).find(|(one, other)| one != other);
    if let Some((one, other)) = differs {
        panic!("{what}:\nundisturbed {one}\ncut         {other}");
    }
    assert_eq!(undisturbed.len(), cut.len(), "{what}");
}

#[test]
fn a_script_that_is_cut_anywhere_has_the_answers_of_one_that_is_not() {
    within_at_most(Duration::from_secs(3_600), async {
        let undisturbed = answers(None).await;
        let deferred = undisturbed[..STEPS].iter().filter(|told| told[1] == "deferred").count();
        let discarded = undisturbed[..STEPS].iter().filter(|told| told[1] == "discarded").count();
        assert!(
            deferred > 20 && discarded > 5,
            "the script tries too little: {deferred} deferred, {discarded} discarded"
        );
        let each = size("REGIE_CUTS", 7);
        let cuts: Vec<(usize, Cut)> =
            (1..STEPS).step_by(each).flat_map(|at| [(at, Cut::Restart), (at, Cut::Kill)]).collect();
        for (at, cut) in &cuts {
            let told = answers(Some((*at, *cut))).await;
            assert_same(&undisturbed, &told, &format!("{cut:?} before step {at}"));
        }
        println!("{} cuts: all had the answers of a script without", cuts.len());
    });
}
