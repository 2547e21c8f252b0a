//! Policies with conditions in CEL, from a file: vetoes, escalations and who decides of them, places at a limit, and sets
//! that come into force while events come in.

use std::collections::BTreeSet;

use regie::actors::reasoner::Reasoner;
use regie::core::event::{EntityRef, EventBuilder, LifeState, Principal};
use regie::core::governance::{Lapse, PolicySet};
use regie::core::query::Filter;
use regie::core::reasoning::{ReasonError, Request, SignalDraft};
use regie::core::workflow::{HandlerError, Input, Moment, Reaction};
use regie::{Builder, Reason};

use crate::runtime_support::{Folder, Stage, at, event, note, note_by, script, within};
use LifeState::{Deferred, Discarded, Escalated, Processed};

fn policies(text: &str) -> PolicySet {
    PolicySet::parse(text).unwrap()
}

const FOUR_ENDS: &str = r#"
[[policy]]
name = "too-much"
kind = "veto"
match = "agent.note"
when = "event.payload.amount > 10000"
reason = "over 10,000 goes by hand"

[[policy]]
name = "urgent"
kind = "escalate"
match = "agent.note"
when = "event.priority == 'P0'"
timeout = "1h"
then = "reject"

[[policy]]
name = "one-a-second"
kind = "cooldown"
match = "agent.note"
window = "1s"
key = "actor"
mode = "defer"
"#;

fn amount(event: EventBuilder, amount: u64) -> EventBuilder {
    event.payload(serde_json::json!({"amount": amount}))
}

fn urgent(event: EventBuilder) -> EventBuilder {
    event.priority(regie::core::event::Priority::P0)
}

#[test]
fn a_condition_stops_what_it_is_about_and_lets_pass_what_lacks_the_field() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(policies(FOUR_ENDS))).await;
        let plain = stage.submit(note_by("ana", "a", "a")).await;
        assert_eq!(plain.event_state, Some(Processed));
        assert!(plain.policy_decisions[0].observed["error"].text().contains("null has no fields"), "{plain:?}");
        let stopped = stage.submit(amount(note_by("bob", "b", "b"), 20_000)).await;
        assert_eq!((stopped.event_state, stopped.policy_decisions.len()), (Some(Discarded), 1));
        let metrics = stage.handle.metrics().await;
        let said = metrics.by_policy["too-much"];
        assert_eq!((said.passed, said.discarded, metrics.by_policy["one-a-second"].passed), (1, 1, 1));
        assert_eq!(metrics.events.acceptance_rate(), Some(0.5));
        stage.close().await;
    });
}

#[test]
fn an_escalated_event_is_listed_and_goes_on_when_somebody_says_so() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(policies(FOUR_ENDS))).await;
        let asked = stage.submit(urgent(note_by("ana", "a", "a"))).await;
        assert_eq!(asked.event_state, Some(Escalated));
        let waiting = stage.handle.escalations(Filter::default()).await.unwrap();
        let position = waiting[0].position;
        assert_eq!((waiting.len(), waiting[0].lapses), (1, Some((at(3_600_000), Lapse::Reject))));
        stage.advance_to(at(500)).await;
        let approved = stage.handle.approve(position, Principal::user("bea"), "known").await.unwrap();
        assert_eq!(approved.event_state, Some(Processed));
        let last = approved.state_transitions.last().unwrap();
        assert_eq!((last.by.clone(), last.reason.as_str()), (Some(Principal::user("bea")), "known"));
        // The verdict was a person's: no cooldown was spent by it.
        assert_eq!(stage.submit(note_by("ana", "b", "b")).await.event_state, Some(Processed));
        let again = stage.handle.reject(position, Principal::user("bob"), "no").await.unwrap_err();
        assert_eq!(again.code(), "not_escalated");
        stage.close().await;
    });
}

#[test]
fn an_escalation_lapses_at_its_time_over_a_restart_too() {
    within(async {
        let folder = Folder::new();
        let with = |builder: Builder| builder.policies(policies(FOUR_ENDS)).journal(folder.journal());
        let stage = Stage::with(with).await;
        stage.submit(urgent(note("a", "a"))).await;
        stage.close().await;
        let stage = Stage::at(at(3_599_999), with).await;
        stage.handle.settle().await;
        assert_eq!(stage.state_of("a/a").await, Some(Escalated));
        stage.advance_to(at(3_600_000)).await;
        assert_eq!(stage.state_of("a/a").await, Some(Discarded));
        stage.close().await;
    });
}

#[test]
fn a_decision_about_nothing_or_by_nobody_is_refused() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(policies(FOUR_ENDS))).await;
        let nothing = stage.handle.approve(7, Principal::user("ana"), "known").await;
        assert!(matches!(nothing, Err(Reason::NoEvent { position: 7 })), "{nothing:?}");
        let position = stage.submit(urgent(note("a", "a"))).await.position.unwrap();
        let nobody = stage.handle.approve(position, Principal::user(""), "known").await.unwrap_err();
        let no_reason = stage.handle.approve(position, Principal::user("ana"), " ").await.unwrap_err();
        assert_eq!((nobody.code(), no_reason.code()), ("unsigned", "unsigned"));
        stage.close().await;
    });
}

#[test]
fn a_condition_sees_the_entity_and_the_workflow_as_they_were_before() {
    let text = r#"
        [[policy]]
        name = "closed-is-closed"
        kind = "veto"
        match = "task.>"
        when = "entity != null && entity.fields.status == 'closed'"

        [[policy]]
        name = "no-more-than-two"
        kind = "veto"
        match = "agent.note"
        when = "workflow.records >= 2"
    "#;
    within(async move {
        let stage = Stage::with(|builder| builder.policies(policies(text))).await;
        let change = |id: &str, to: &str| {
            event("task.changed", "t", id).entity(EntityRef::new("task", "T-1")).change("status", (), to)
        };
        let states = [stage.submit(change("1", "open")).await, stage.submit(change("2", "closed")).await];
        assert!(states.iter().all(|answer| answer.event_state == Some(Processed)));
        assert_eq!(stage.submit(change("3", "open")).await.event_state, Some(Discarded));
        let mut notes = Vec::new();
        for id in ["1", "2", "3"] {
            notes.push(stage.submit(note("n", id)).await.event_state);
        }
        assert_eq!(notes, [Some(Processed), Some(Processed), Some(Discarded)]);
        stage.close().await;
    });
}

#[test]
fn a_set_that_comes_into_force_judges_from_then_on_and_is_recorded() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(|builder| builder.policies(policies(FOUR_ENDS)).journal(folder.journal())).await;
        assert_eq!(stage.submit(note_by("ana", "a", "a")).await.event_state, Some(Processed));
        let wider = FOUR_ENDS.replace("window = \"1s\"", "window = \"10s\"").replace("10000", "5");
        stage.handle.set_policies(policies(&wider), Some(Principal::user("ops"))).await.unwrap();
        stage.advance_to(at(2_000)).await;
        // What was granted under the old set counts, for as long as the new one says.
        assert_eq!(stage.submit(note_by("ana", "b", "b")).await.deferred_until, Some(at(10_000)));
        assert_eq!(stage.submit(amount(note_by("bob", "c", "c"), 6)).await.event_state, Some(Discarded));
        stage.handle.set_policies(PolicySet::default(), None).await.unwrap();
        assert_eq!(stage.submit(amount(note_by("ana", "d", "d"), 6)).await.event_state, Some(Processed));
        let recorded = stage.handle.records(&"regie/policies".into()).await.unwrap();
        assert_eq!(recorded.len(), 2, "each set once, and none that judged nothing");
        stage.advance_to(at(10_000)).await;
        assert_eq!(stage.state_of("b/b").await, Some(Processed), "a return under no policy goes on");
        stage.close().await;
    });
}

fn works(_: &u64, input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
    Ok(match input {
        Input::Event(event) if event.kind == "work.end" => Reaction::none().complete("enough"),
        _ => Reaction::none().note(1),
    })
}

const TWO_AT_ONCE: &str = r#"
[[policy]]
name = "two-at-once"
kind = "concurrency"
match = "work.begin"
limit = 2
"#;

fn begin(name: &str) -> EventBuilder {
    event("work.begin", name, "begin")
}

#[test]
fn who_comes_over_a_limit_waits_and_goes_on_first_come_first_when_a_place_is_free() {
    within(async {
        let folder = Folder::new();
        let with = |builder: Builder| {
            builder.policies(policies(TWO_AT_ONCE)).journal(folder.journal()).handler(script("works", "work.>", works))
        };
        let stage = Stage::with(with).await;
        let mut states = Vec::new();
        for name in ["a", "b", "c", "d"] {
            states.push(stage.submit(begin(name)).await.event_state);
        }
        assert_eq!(states, [Some(Processed), Some(Processed), Some(Deferred), Some(Deferred)]);
        stage.submit(event("work.end", "b", "end")).await;
        stage.handle.settle().await;
        assert_eq!(
            (stage.state_of("c/begin").await, stage.state_of("d/begin").await),
            (Some(Processed), Some(Deferred))
        );
        stage.close().await;
        let stage = Stage::with(with).await;
        stage.submit(event("work.end", "a", "end")).await;
        stage.handle.settle().await;
        assert_eq!(stage.state_of("d/begin").await, Some(Processed), "over a restart too");
        stage.close().await;
    });
}

#[test]
fn who_waits_at_a_limit_goes_on_when_that_is_taken_away_at_once_or_at_a_start() {
    for at_a_start in [false, true] {
        within(async move {
            let folder = Folder::new();
            let limited = |text: &'static str| {
                let journal = folder.journal();
                |builder: Builder| {
                    builder.policies(policies(text)).journal(journal).handler(script("works", "work.>", works))
                }
            };
            let mut stage = Stage::with(limited(TWO_AT_ONCE)).await;
            for name in ["a", "b", "c", "d"] {
                stage.submit(begin(name)).await;
            }
            if at_a_start {
                stage.close().await;
                stage = Stage::with(limited("")).await;
            } else {
                stage.handle.set_policies(PolicySet::default(), None).await.unwrap();
            }
            stage.handle.settle().await;
            let states = (stage.state_of("c/begin").await, stage.state_of("d/begin").await);
            assert_eq!(states, (Some(Processed), Some(Processed)), "at a start: {at_a_start}");
            stage.close().await;
        });
    }
}

#[test]
fn one_that_was_called_in_vain_and_waits_again_at_once_is_called_again() {
    let text = r#"
        [[policy]]
        name = "one-at-once"
        kind = "concurrency"
        match = "work.begin.*"
        limit = 1

        [[policy]]
        name = "pace"
        kind = "rate"
        match = "*.*.paced"
        rate = 10
        per = "1s"
        mode = "defer"
    "#;
    within(async move {
        let with = |builder: Builder| builder.policies(policies(text)).handler(script("works", "work.>", works));
        let stage = Stage::with(with).await;
        let begins = async |kind: &str, name: &str| stage.submit(event(kind, name, "begin")).await.event_state;
        let ends = async |name: &str| stage.submit(event("work.end", name, "end")).await.event_state;
        assert_eq!(begins("work.begin.free", "a").await, Some(Processed));
        assert_eq!(begins("work.begin.paced", "e").await, Some(Deferred), "no place");
        stage.advance_to(at(140)).await;
        assert_eq!(begins("note.it.paced", "n").await, Some(Processed));
        assert_eq!(ends("a").await, Some(Processed)); // e is called, and may not go on before 240
        stage.handle.settle().await;
        assert_eq!(begins("work.begin.free", "h").await, Some(Processed), "the place is free");
        stage.advance_to(at(240)).await;
        assert_eq!(stage.state_of("e/begin").await, Some(Deferred), "the place is taken");
        assert_eq!(ends("h").await, Some(Processed));
        stage.handle.settle().await;
        assert_eq!(stage.state_of("e/begin").await, Some(Processed));
        stage.close().await;
    });
}

#[test]
fn a_limit_that_has_become_another_kind_of_policy_holds_nobody_after_a_start() {
    const EVERY_SECOND: &str = r#"
        [[policy]]
        name = "two-at-once"
        kind = "cooldown"
        match = "work.begin"
        window = "1s"
        mode = "defer"
    "#;
    within(async move {
        let folder = Folder::new();
        let with = |text: &'static str| {
            let journal = folder.journal();
            |builder: Builder| {
                builder.policies(policies(text)).journal(journal).handler(script("works", "work.>", works))
            }
        };
        let stage = Stage::with(with(TWO_AT_ONCE)).await;
        for name in ["a", "b", "c", "d"] {
            stage.submit(begin(name)).await;
        }
        stage.close().await;
        let stage = Stage::with(with(EVERY_SECOND)).await;
        stage.handle.settle().await; // one goes on, and the other a second later
        stage.advance_to(at(10_000)).await;
        let states = (stage.state_of("c/begin").await, stage.state_of("d/begin").await);
        assert_eq!(states, (Some(Processed), Some(Processed)));
        stage.close().await;
    });
}

#[test]
fn a_policy_that_asks_a_reasoner_that_there_is_not_or_for_longer_than_it_may_does_not_come_into_force() {
    within(async {
        let alone = regie::builder().policies(policies(ASKS)).start().await.map(drop).unwrap_err();
        let words = "the policy 'fraud' asks the reasoner 'fraud': this runtime has no reasoners";
        assert!(alone.to_string().contains(words), "{alone}");
        let stage = Stage::with(|builder| builder.reasoner("other", Fraud)).await;
        let other = stage.handle.set_policies(policies(ASKS), None).await.unwrap_err();
        assert!(other.to_string().contains("there are: other"), "{other}");
        let long = ASKS.replace("reasoner = \"fraud\"", "reasoner = \"other\"\nlimit = \"1h\"");
        let long = stage.handle.set_policies(policies(&long), None).await.unwrap_err();
        assert!(long.to_string().contains("3600000"), "{long}");
        assert!(stage.handle.policies().is_empty());
        stage.close().await;
    });
}

#[test]
fn a_condition_over_an_entity_sees_its_events_by_their_timestamps_though_some_came_late() {
    let stops_reopened_and_held = r#"
        [[policy]]
        name = "not-reopened"
        kind = "veto"
        match = "task.>"
        when = "entity.fields.status == 'reopened' || has(entity.fields.held)"
    "#;
    let task = EntityRef::new("task", "T-1");
    let says = |id: &str, (field, value): (&str, &str), seconds: i64| {
        let about = event("task.told", "tasks", id).entity(task.clone());
        about.change(field, None::<&str>, value).timestamp(at(seconds * 1_000))
    };
    let told = [
        says("1", ("status", "open"), 10),
        says("2", ("status", "closed"), 20),
        says("3", ("status", "reopened"), 15), // it was closed after that
        says("4", ("held", "yes"), 16),
    ];
    let last = says("5", ("status", "open"), 40);
    within(async move {
        let stage = Stage::with(|builder| builder.policies(policies(stops_reopened_and_held))).await;
        for event in told {
            assert_eq!(stage.submit(event).await.event_state, Some(Processed));
        }
        assert_eq!(stage.submit(last).await.event_state, Some(Discarded), "held, though that came late");
        stage.close().await;
    });
}

#[test]
fn an_event_that_policies_send_from_one_to_the_other_is_escalated_in_the_end() {
    let text = r#"
        max_deferrals = 2

        [[policy]]
        name = "ask"
        kind = "reason"
        match = "agent.note"
        reasoner = "helpless"
        on_failure = "defer"
        retry_after = "1s"
    "#;
    within(async move {
        // It is asked about no number, and fails.
        let stage = Stage::with(|builder| builder.policies(policies(text)).reasoner("helpless", Fraud)).await;
        let mut states = vec![stage.submit(note("a", "a")).await.event_state];
        for second in 1..=3 {
            stage.advance_to(at(second * 1_000)).await;
            states.push(stage.state_of("a/a").await);
        }
        assert_eq!(states, [Some(Deferred), Some(Deferred), Some(Escalated), Some(Escalated)]);
        stage.close().await;
    });
}

const ASKS: &str = r#"
[[policy]]
name = "no-notes-by-bob"
kind = "veto"
match = "agent.note"
when = "event.actor.id == 'bob'"

[[policy]]
name = "fraud"
kind = "reason"
match = "agent.note"
reasoner = "fraud"
mode = "risk_flagging"

[[policy]]
name = "sure-enough"
kind = "signals"
match = "agent.note"
min_confidence = 0.7

[[policy]]
name = "risky"
kind = "veto"
match = "agent.note"
when = "signals.exists(s, s.kind == 'risk.high')"

[[policy]]
name = "one-a-second"
kind = "cooldown"
match = "agent.note"
window = "1s"
mode = "discard"
"#;

/// Says as sure as the event's payload asks it to.
struct Fraud;

impl Reasoner for Fraud {
    async fn reason(&self, request: Request) -> Result<Vec<SignalDraft>, ReasonError> {
        let view = request.view.value();
        let sure = view["payload"].as_f64().ok_or_else(|| ReasonError::Failed("no number".into()))?;
        Ok(vec![SignalDraft::new("risk.high", sure).rationale("as asked")])
    }
}

#[test]
fn a_reasoner_is_asked_before_the_event_goes_on_and_what_it_says_counts_if_it_is_sure_enough() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(policies(ASKS)).reasoner("fraud", Fraud)).await;
        let say = |id: &str, sure: f64| note_by("ana", id, id).payload(serde_json::json!(sure));
        let risky = stage.submit(say("a", 0.9)).await;
        assert_eq!((risky.event_state, risky.signals.len(), risky.signals_filtered.len()), (Some(Discarded), 1, 0));
        let unsure = stage.submit(say("b", 0.6)).await;
        assert_eq!((unsure.event_state, unsure.signals.len(), unsure.signals_filtered.len()), (Some(Processed), 0, 1));
        assert!(unsure.signals_filtered[0].text().contains("sure-enough"), "{unsure:?}");
        // A veto spends nothing of the cooldown, and one that names no signals asks nobody.
        assert_eq!(stage.submit(say("c", 0.1)).await.event_state, Some(Discarded));
        let bob = stage.submit(note_by("bob", "d", "d").payload(serde_json::json!(0.1))).await;
        assert_eq!((bob.event_state, bob.policy_decisions.len()), (Some(Discarded), 1));
        stage.close().await;
    });
}

#[test]
fn who_sends_it_again_gets_the_same_answer_with_its_signals() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(policies(ASKS)).reasoner("fraud", Fraud)).await;
        let say = || note_by("ana", "a", "a").payload(serde_json::json!(0.9)).timestamp(at(0));
        let (first, again) = (stage.submit(say()).await, stage.submit(say()).await);
        assert_eq!(again.status, regie::core::event::Status::Duplicate);
        assert_eq!((again.signals, again.policy_decisions), (first.signals, first.policy_decisions));
        assert_eq!((again.state_transitions, again.current_state), (first.state_transitions, first.event_state));
        stage.close().await;
    });
}

#[test]
fn events_and_changes_of_the_set_may_come_at_once() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(policies(FOUR_ENDS))).await;
        let (handle, other) = (stage.handle.clone(), stage.handle.clone());
        let changes = std::thread::spawn(move || {
            for nth in 1..=20 {
                let text = FOUR_ENDS.replace("10000", &format!("{nth}"));
                let _ = futures::executor::block_on(other.set_policies(policies(&text), None));
                std::thread::yield_now();
            }
        });
        let mut digests = BTreeSet::new();
        for nth in 0..200 {
            let answer = handle.submit(amount(note(&nth.to_string(), "e"), 7).build().unwrap()).await.unwrap();
            let versions: BTreeSet<_> = answer.policy_decisions.iter().map(|it| it.version.clone()).collect();
            digests.insert(versions);
        }
        changes.join().unwrap();
        assert!(!digests.is_empty());
        stage.close().await;
    });
}
