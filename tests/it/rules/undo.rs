//! Putting back what a run did: to what it really replaced, and only while that is still there.

use std::time::Duration;

use regie::actors::agent::AgentLimits;
use regie::core::Json;
use regie::core::automation::undo_correlation;
use regie::core::entity::Update;
use regie::core::event::{Catalogue, EntityRef, EventType, Principal};
use regie::core::governance::PolicySet;
use regie::core::query::Filter;
use regie::runtime::{RunReport, RunState, UndoError, UndoneRun};
use regie::testing::ScriptedAgent;

use super::{rules, runs};
use crate::runtime_support::{Stage, event, within};

fn order() -> EntityRef {
    EntityRef::new("order", "1")
}

fn update() -> Update {
    Update::of(order(), Principal::user("ana"))
}

async fn field(stage: &Stage, entity: &EntityRef, field: &str) -> Json {
    let state = stage.handle.state(entity, None).await.unwrap().unwrap();
    assert_eq!(state.mismatches, []);
    state.fields.get(field).cloned().unwrap_or_default()
}

/// A rule that does something, and then calls who refuses.
fn half_way(act: &str) -> String {
    let call = "[[rule.do]]\ncall = { agent = \"mailer\", task = 1 }\n";
    format!("shipped = false\n[[rule]]\nname = \"half\"\non = \"order.staged\"\n[[rule.do]]\n{act}\n{call}")
}

/// With that rule, and an agent who never does anything.
async fn refusing(act: &str) -> Stage {
    let staged = EventType::new("order.staged").entity("order").fields(["stage"]);
    let catalogue = Catalogue::empty().with(staged).unwrap();
    let mailer = ScriptedAgent::new().fails("no mail today");
    let set = rules(&half_way(act));
    Stage::with(|builder| builder.rules(set).catalogue(catalogue).agent("mailer", mailer, AgentLimits::default())).await
}

/// The one run, once it has given up.
async fn gave_up(stage: &Stage) -> RunReport {
    for _ in 0..4 {
        stage.advance(Duration::from_secs(10)).await;
    }
    let [report] = runs(&stage.handle).await.try_into().unwrap();
    report
}

const ACTS: [&str; 2] =
    ["update = { flagged = true }", "emit = { type = \"order.flagged\", changes = { flagged = true } }"];

/// The update tells of the stage, on which the rule fires, and only then, in the same turn, of the flag.
#[test]
fn a_run_that_fails_puts_back_what_it_replaced_and_not_what_was_known_at_its_trigger() {
    for act in ACTS {
        within(async move {
            let stage = refusing(act).await;
            stage.handle.update(update().set("flagged", "no")).await.unwrap();
            stage.handle.update(update().set("stage", "placed").set("flagged", "maybe")).await.unwrap();
            let report = gave_up(&stage).await;
            let RunState::Failed { error } = &report.state else { panic!("{report:?}") };
            assert!(error.ends_with("order/1 was put back"), "{error}");
            let state = stage.handle.state(&order(), None).await.unwrap().unwrap();
            assert_eq!(state.fields["flagged"].text(), "\"maybe\"", "{act}");
            stage.close().await;
        });
    }
}

#[test]
fn a_run_that_fails_leaves_what_others_have_changed_since_and_says_so() {
    for act in ACTS {
        within(async move {
            let stage = refusing(act).await;
            stage.handle.update(update().set("stage", "placed")).await.unwrap();
            stage.settle().await;
            let mine = event("order.noted", "order/1", "mine").entity(order()).change("flagged", true, "mine");
            stage.submit(mine).await;
            let report = gave_up(&stage).await;
            let RunState::Failed { error } = &report.state else { panic!("{report:?}") };
            assert!(error.contains("left as it was changed since: flagged of order/1 by regie:local#mine"), "{error}");
            assert_eq!(field(&stage, &order(), "flagged").await.text(), "\"mine\"", "{act}");
            stage.close().await;
        });
    }
}

/// Each writes over the one before, and all are put back: in whatever order, no value of theirs stays.
#[test]
fn of_runs_that_fail_one_over_the_other_nothing_stays() {
    within(async {
        let stage = refusing("update = { flagged = \"${event.id}\" }").await;
        stage.handle.update(update().set("flagged", "no")).await.unwrap();
        for nth in ["1", "2", "3"] {
            let staged = event("order.staged", "order/1", nth).entity(order()).change("stage", (), nth);
            stage.submit(staged).await;
            stage.settle().await;
        }
        for _ in 0..6 {
            stage.advance(Duration::from_secs(10)).await;
        }
        let states: Vec<RunState> = runs(&stage.handle).await.into_iter().map(|report| report.state).collect();
        assert!(states.len() == 3 && states.iter().all(|it| matches!(it, RunState::Failed { .. })), "{states:?}");
        let state = stage.handle.state(&order(), None).await.unwrap().unwrap();
        assert_eq!(state.fields["flagged"].text(), "\"no\"");
        stage.close().await;
    });
}

async fn undo(stage: &Stage, run: &str, force: bool) -> Result<UndoneRun, UndoError> {
    stage.handle.undo(run, Principal::user("bo"), "wrong", force).await
}

fn flags(act: &str) -> String {
    format!("shipped = false\n[[rule]]\nname = \"flags\"\non = \"order.placed\"\n[[rule.do]]\n{act}\n")
}

/// Whoever comes just then is either on top of what was put back, or refuses it: nobody is overwritten.
#[test]
fn what_changes_while_a_run_is_undone_is_never_overwritten() {
    for act in ACTS {
        within(async move {
            let stage = Stage::with(|builder| builder.rules(rules(&flags(act)))).await;
            for nth in 0..40 {
                let order = EntityRef::new("order", nth.to_string());
                let to = format!("order/{nth}");
                stage
                    .submit(event("order.placed", &to, "placed").entity(order.clone()).change("flagged", (), "no"))
                    .await;
                stage.settle().await;
                let run = runs(&stage.handle).await.pop().unwrap().run.id;
                let mine = event("order.noted", &to, "mine").entity(order.clone()).change("flagged", true, "mine");
                let both = futures::future::join(undo(&stage, &run, false), async {
                    for _ in 0..nth {
                        futures::future::ready(()).await;
                        stage.handle.state(&order, None).await.unwrap();
                    }
                    stage.handle.submit(mine.build().unwrap()).await.unwrap()
                });
                let (undone, _) = both.await;
                let state = stage.handle.state(&order, None).await.unwrap().unwrap();
                assert_eq!(state.fields["flagged"].text(), "\"mine\"", "round {nth}: {undone:?}");
                let is_undone = runs(&stage.handle).await.pop().unwrap().undone.is_some();
                assert_eq!(is_undone, undone.is_ok(), "round {nth}: {undone:?}");
            }
            stage.close().await;
        });
    }
}

#[test]
fn an_undo_tells_the_events_that_it_came_to_and_is_done_with_them() {
    within(async {
        let stage = Stage::with(|builder| builder.rules(rules(&flags(ACTS[1])))).await;
        stage.submit(event("order.placed", "c", "1").entity(order()).change("flagged", (), "no")).await;
        let [report] = runs(&stage.handle).await.try_into().unwrap();
        let undone = undo(&stage, &report.run.id, false).await.unwrap();
        assert_eq!(field(&stage, &order(), "flagged").await.text(), "\"no\"");
        let [made] = &undone.events[..] else { panic!("{undone:?}") };
        assert_eq!(made.value()["changes"]["flagged"], serde_json::json!({"before": true, "after": "no"}));
        let last = stage.handle.events(Filter::default()).await.unwrap().iter().map(|stored| stored.position).max();
        assert_eq!(last, Some(undone.position));
        let again = undo(&stage, &report.run.id, true).await.unwrap_err();
        assert_eq!(again.code(), "not_undone");
        stage.close().await;
    });
}

/// The sprint had no status, and its type of event does not tell of one that is null.
#[test]
fn an_undo_that_is_refused_leaves_the_run_as_it_is_and_can_be_asked_for_again() {
    within(async {
        let set =
            "shipped = false\n[[rule]]\nname = 'r'\non = 'asked'\ndo = [{ update = { status = \"completed\" } }]\n";
        let stage = Stage::with(|builder| builder.rules(rules(set))).await;
        let sprint = EntityRef::new("sprint", "S");
        stage
            .submit(event("orchestration.sprint.created", "s", "1").entity(sprint.clone()).change("name", (), "S"))
            .await;
        stage.submit(event("asked", "s", "2").entity(sprint.clone())).await;
        let [report] = runs(&stage.handle).await.try_into().unwrap();
        for attempt in 1..=2 {
            let failed = undo(&stage, &report.run.id, false).await.unwrap_err();
            assert_eq!(failed.code(), "undo_failed");
            assert!(failed.to_string().contains("sprint/S was not put back: "), "{failed}");
            assert!(!stage.handle.records(&undo_correlation(&report.run.id, attempt)).await.unwrap().is_empty());
            let [report] = runs(&stage.handle).await.try_into().unwrap();
            assert_eq!((report.undone, report.state), (None, RunState::Done));
        }
        assert_eq!(field(&stage, &sprint, "status").await.text(), "\"completed\"");
        stage.close().await;
    });
}

/// What is discarded changed nothing: so nothing is put back by it.
#[test]
fn an_undo_whose_event_a_policy_discards_is_none_and_another_person_may_still_undo() {
    const BAN: &str = "[[policy]]\nname = 'ban'\nkind = 'veto'\nmatch = 'orchestration.order.*'\nwhen = 'event.actor.id == \"bo\"'\nreason = 'not bo'\n";
    within(async {
        let policies = PolicySet::parse(BAN).unwrap();
        let stage = Stage::with(|builder| builder.rules(rules(&flags(ACTS[0]))).policies(policies)).await;
        stage.submit(event("order.placed", "c", "1").entity(order()).change("flagged", (), "no")).await;
        let [report] = runs(&stage.handle).await.try_into().unwrap();
        let failed = undo(&stage, &report.run.id, false).await.unwrap_err();
        assert!(failed.to_string().contains("order/1 was not put back: ") && failed.to_string().contains("not bo"));
        let [again] = runs(&stage.handle).await.try_into().unwrap();
        assert_eq!((again.undone, field(&stage, &order(), "flagged").await.text()), (None, "true"));
        stage.handle.undo(&report.run.id, Principal::user("cy"), "wrong", false).await.unwrap();
        assert_eq!(field(&stage, &order(), "flagged").await.text(), "\"no\"");
        stage.close().await;
    });
}

#[test]
fn of_two_who_undo_at_once_one_does() {
    within(async {
        let stage = Stage::with(|builder| builder.rules(rules(&flags(ACTS[0])))).await;
        stage.submit(event("order.placed", "c", "1").entity(order()).change("flagged", (), "no")).await;
        let [report] = runs(&stage.handle).await.try_into().unwrap();
        let other = stage.handle.undo(&report.run.id, Principal::user("cy"), "not right", false);
        let (one, other) = futures::future::join(undo(&stage, &report.run.id, false), other).await;
        let mut codes: Vec<&str> =
            [&one, &other].map(|done| done.as_ref().map_or_else(UndoError::code, |_| "done")).to_vec();
        codes.sort_unstable();
        assert_eq!(codes, ["done", "not_undone"]);
        stage.close().await;
    });
}
