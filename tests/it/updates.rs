//! Updates: what differs is told by events of the catalogue in one turn, once, and what is not possible is recorded as that.

use std::collections::BTreeSet;

use regie::core::Json;
use regie::core::automation::RuleSet;
use regie::core::entity::{Found, Update, plan_found};
use regie::core::event::{Catalogue, EntityRef, EventType, Incoming, LifeState, Principal};
use regie::core::governance::PolicySet;
use regie::core::query::Filter;
use regie::core::workflow::{EffectEnd, HandlerError, Input, Moment, Reaction};
use regie::runtime::{UpdateResult, UpdateStatus};
use regie::{Builder, JournalConfig};
use serde_json::json;

use crate::runtime_support::{Folder, Stage, at, event, script, within};
use crate::support::Place;

fn of(id: &str) -> Update {
    Update::of(EntityRef::new("task", id), Principal::user("ana"))
}

async fn updated(stage: &Stage, update: Update) -> UpdateResult {
    stage.handle.update(update).await.unwrap()
}

/// Without rules: what is tested here is what updates come to themselves.
async fn staged(more: impl FnOnce(Builder) -> Builder) -> Stage {
    Stage::with(|builder| more(builder.rules(RuleSet::default()))).await
}

/// The types of the events of a correlation, without what they all begin with, by position.
async fn kinds(stage: &Stage, correlation: &str) -> Vec<String> {
    let filter = Filter { correlation: Some(correlation.into()), ..Filter::default() };
    let mut events = stage.handle.events(filter).await.unwrap();
    events.sort_by_key(|stored| stored.position);
    let kind = |kind: &str| kind.trim_start_matches("orchestration.").to_string();
    events.iter().map(|stored| kind(&stored.incoming.event().kind)).collect()
}

async fn field(stage: &Stage, field: &str) -> Option<Json> {
    let state = stage.handle.state(&EntityRef::new("task", "T-1"), None).await.unwrap()?;
    assert_eq!(state.mismatches, []);
    state.fields.get(field).cloned()
}

fn positions(result: &UpdateResult) -> Vec<u64> {
    result.events.iter().filter_map(|event| event.position).collect()
}

#[test]
fn what_differs_is_told_in_one_turn_and_where_nothing_does_nothing_is() {
    within(async {
        let stage = staged(|builder| builder).await;
        let created = updated(&stage, of("T-1").set("status", "open").set("title", "a")).await;
        assert_eq!((created.status, created.correlation_id.as_str()), (UpdateStatus::New, "task/T-1"));
        let blocked = updated(&stage, of("T-1").set("status", "blocked").set("title", "b")).await;
        let positions = positions(&blocked);
        assert_eq!(positions.len(), 3);
        assert!(positions.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{positions:?}");
        assert!(blocked.events.iter().all(|event| event.event_state == Some(LifeState::Processed)));
        let same = updated(&stage, of("T-1").set("status", "blocked")).await;
        assert_eq!((same.status, same.events.len()), (UpdateStatus::Unchanged, 0));
        let told = ["task.created", "task.status_changed", "task.blocked", "task.updated"];
        assert_eq!(kinds(&stage, "task/T-1").await, told);
        assert_eq!(field(&stage, "status").await, Some(Json::of("blocked")));
        stage.close().await;
    });
}

#[test]
fn asked_twice_under_one_id_is_once_and_other_content_is_refused_with_both_digests() {
    within(async {
        let stage = staged(|builder| builder).await;
        updated(&stage, of("T-1").set("status", "open")).await;
        let block = || of("T-1").set("status", "blocked").id("u-1");
        let first = updated(&stage, block()).await;
        updated(&stage, of("T-1").set("status", "open")).await;
        let again = updated(&stage, block()).await;
        assert_eq!((again.status, positions(&again)), (UpdateStatus::Duplicate, positions(&first)));
        assert_eq!(field(&stage, "status").await, Some(Json::of("open")));
        let other = stage.handle.update(block().set("title", "x")).await.unwrap_err();
        let digests = [block(), block().set("title", "x")].map(|it| regie::core::entity::digest(&it).to_string());
        assert_eq!(other.code(), "other_content");
        assert!(digests.iter().all(|digest| other.to_string().contains(digest)), "{other}");
        stage.close().await;
    });
}

#[test]
fn a_refused_update_is_recorded_as_that_and_asked_again_is_refused_again() {
    within(async {
        let stage = staged(|builder| builder).await;
        updated(&stage, of("T-1").set("status", "open")).await;
        let close = || of("T-1").set("status", "closed").expect("status", "blocked").id("u-1").within("elsewhere");
        let refused = updated(&stage, close()).await;
        assert_eq!((refused.status, refused.field.as_deref()), (UpdateStatus::Refused, Some("status")));
        assert_eq!(kinds(&stage, "elsewhere").await, ["task.validation_failed"]);
        // What it expects is so by now, but this was decided.
        updated(&stage, of("T-1").set("status", "blocked")).await;
        let again = updated(&stage, close()).await;
        assert_eq!((again.status, positions(&again)), (UpdateStatus::Refused, positions(&refused)));
        assert_eq!(again.reason, refused.reason);
        let bad = updated(&stage, of("T-1").set("progress", 101).set("status", "done")).await;
        assert!(bad.reason.unwrap().contains("/changes/progress/after"));
        assert_eq!(field(&stage, "status").await, Some(Json::of("blocked")));
        stage.close().await;
    });
}

#[test]
fn what_no_event_can_tell_is_refused_and_leaves_no_record() {
    within(async {
        let metadata =
            |name: &str| Update { metadata: [(name.to_string(), "0".to_string())].into(), ..of("T-1").set("a", 1) };
        let stage = staged(|builder| builder).await;
        for bad in [
            of("").set("a", 1),
            of("T\n").set("a", 1),
            of("T-1").within("regie/x"),
            of("T-1").id("\u{202e}"),
            of("T-1").id(""),
            metadata("undo"),
            metadata("run_share"),
        ] {
            assert_eq!(stage.handle.update(bad).await.unwrap_err().code(), "bad_event");
        }
        assert_eq!(stage.handle.position(), 0);
        stage.close().await;
    });
}

/// Many ask at once: each update sees those before it, so that as many steps are recorded as were taken.
#[test]
fn of_racing_updates_that_expect_the_same_one_is_done() {
    within(async {
        let stage = staged(|builder| builder.shards(4)).await;
        updated(&stage, of("T-1").set("status", "s-0")).await;
        for round in 0..20 {
            let asks = (0..8).map(|nth| {
                let update = of("T-1").set("status", format!("s-{}", round + 1)).set("by", nth);
                stage.handle.update(update.expect("status", format!("s-{round}")))
            });
            let done = futures::future::join_all(asks).await;
            let new = done.iter().filter(|it| it.as_ref().unwrap().status == UpdateStatus::New).count();
            assert_eq!(new, 1, "round {round}");
        }
        assert_eq!(field(&stage, "status").await, Some(Json::of("s-20")));
        stage.close().await;
    });
}

#[test]
fn an_update_is_the_latest_whatever_was_stamped_before() {
    within(async {
        let stage = staged(|builder| builder).await;
        let late = event("task.noted", "c", "1").entity(EntityRef::new("task", "T-1")).timestamp(at(9_000));
        stage.submit(late.change("status", (), "from afar")).await;
        updated(&stage, of("T-1").set("status", "here")).await;
        assert_eq!(field(&stage, "status").await, Some(Json::of("here")));
        stage.close().await;
    });
}

/// A policy with state has a say in each granular event, and a turn has one ask.
fn twice_asked(builder: Builder) -> Builder {
    let policies = "[[policy]]\nname = 'r'\nkind = 'rate'\nmatch = 'orchestration.task.*'\nrate = 100\nper = '1s'\nmode = 'discard'\n";
    builder.policies(PolicySet::parse(policies).unwrap())
}

#[test]
fn governance_judges_each_event_and_policies_with_state_take_a_turn_for_each() {
    within(async {
        let stage = staged(twice_asked).await;
        updated(&stage, of("T-1").set("status", "open")).await;
        let block = || of("T-1").set("status", "blocked").set("priority", "P0").id("u-1");
        let done = updated(&stage, block()).await;
        assert_eq!((done.status, done.events.len()), (UpdateStatus::New, 3));
        assert!(done.events.iter().all(|event| event.policy_decisions.len() == 1), "{done:?}");
        let again = updated(&stage, block()).await;
        assert_eq!((again.status, positions(&again)), (UpdateStatus::Duplicate, positions(&done)));
        assert_eq!(kinds(&stage, "task/T-1").await.len(), 4);
        stage.close().await;
    });
}

/// Has an event recorded that the runtime itself has made: from outside a file alone may hold such.
fn record(folder: &Folder, event: &Incoming) {
    let (place, db) = (Place::new(), folder.path());
    place.file("made.jsonl", event.raw().as_bytes());
    place.run(&["run", "made.jsonl", "--clock", "event", "--db", db.to_str().unwrap()]).succeeds();
}

/// Of an update whose turns were cut off after the first, what is left is made anew by what was known before it.
#[test]
fn an_update_that_was_cut_off_goes_on_when_it_is_asked_again() {
    within(async {
        let folder = Folder::new();
        let over = |builder: Builder| builder.journal(JournalConfig::sqlite(folder.path()));
        let block = || of("T-1").set("status", "blocked").set("priority", "P0").id("u-1");
        let cut = staged(over).await;
        updated(&cut, of("T-1").set("status", "open")).await;
        // The first event of the plan alone, as a turn before a crash would have left it.
        let before = [("status".to_string(), Json::of("open"))].into();
        let planned = regie::core::entity::plan(&block(), &before, &Catalogue::shipped(), at(1)).unwrap();
        cut.close().await;
        record(&folder, &planned[0]);
        let stage = staged(over).await;
        let done = updated(&stage, block()).await;
        assert_eq!(done.events.len(), 3);
        assert_eq!(kinds(&stage, "task/T-1").await.len(), 4);
        let ids: BTreeSet<String> = done.events.iter().map(|event| event.event_id.clone()).collect();
        assert_eq!(ids, planned.iter().map(|it| it.event().id.clone()).collect());
        assert_eq!(field(&stage, "priority").await, Some(Json::of("P0")));
        stage.close().await;
    });
}

/// What another correlation changed after the plan, and before its first event was recorded, is no part of the plan.
#[test]
fn what_is_left_of_an_update_is_what_was_planned_whatever_others_have_changed_since() {
    within(async {
        let folder = Folder::new();
        let over = |builder: Builder| builder.journal(JournalConfig::sqlite(folder.path()));
        let block = || of("T-1").set("status", "blocked").set("priority", "P0").id("u-1");
        let cut = staged(over).await;
        let open = updated(&cut, of("T-1").set("status", "open")).await;
        let found = Found { fields: [("status".to_string(), Json::of("open"))].into(), read: positions(&open)[0] };
        let planned = plan_found(&block(), &found, &Catalogue::shipped(), at(1)).unwrap();
        let other = event("task.noted", "elsewhere", "1").entity(EntityRef::new("task", "T-1"));
        cut.submit(other.change("status", "open", "blocked")).await;
        cut.close().await;
        record(&folder, &planned[0]);
        let stage = staged(over).await;
        let done = updated(&stage, block()).await;
        let ids: Vec<String> = done.events.iter().map(|event| event.event_id.clone()).collect();
        assert_eq!(ids, planned.iter().map(|it| it.event().id.clone()).collect::<Vec<_>>());
        assert_eq!(kinds(&stage, "task/T-1").await.len(), 4);
        stage.close().await;
    });
}

fn accounts() -> Catalogue {
    Catalogue::empty().with(EventType::new("account.moved").entity("account").fields(["balance"]).checked()).unwrap()
}

#[test]
fn what_an_event_claims_of_a_checked_entity_must_be_so() {
    within(async {
        let stage = staged(|builder| builder.catalogue(accounts())).await;
        let moved = |id: &str, before: i64, after: i64| {
            let event = event("account.moved", "account/a", id).entity(EntityRef::new("account", "a"));
            event.change("balance", before, after).build().unwrap()
        };
        let account = || Update::of(EntityRef::new("account", "a"), Principal::user("ana"));
        updated(&stage, account().set("balance", 10)).await;
        let refused = stage.handle.submit(moved("1", 7, 8)).await.unwrap_err();
        assert_eq!(refused.reason.code(), "breach");
        assert!(refused.reason.to_string().contains("/changes/balance/before: 10 is wanted, this is 7"));
        // Two in one turn: the second claims what the first has made so.
        let pair = stage.handle.submit_batch(vec![moved("2", 10, 20), moved("3", 20, 30), moved("4", 10, 40)]).await;
        assert_eq!(pair.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
        let late = event("account.moved", "account/a", "late").entity(EntityRef::new("account", "a"));
        let late = late.change("balance", 30, 50).timestamp(at(-9_000)).build().unwrap();
        let refused = stage.handle.submit(late).await.unwrap_err();
        assert!(refused.reason.to_string().contains("/timestamp"), "{}", refused.reason);
        let elsewhere =
            event("account.moved", "c", "5").entity(EntityRef::new("account", "a")).change("balance", 30, 1);
        let refused = stage.handle.submit(elsewhere.build().unwrap()).await.unwrap_err();
        assert!(refused.reason.to_string().contains("/correlation_id"));
        let refused = updated(&stage, account().set("balance", 1).within("c")).await;
        assert_eq!(refused.status, UpdateStatus::Refused);
        stage.close().await;
    });
}

fn closes(_: &u64, input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
    Ok(match input {
        Input::Event(event) => {
            let progress = event.payload.value()["progress"].clone();
            Reaction::none().update("close", of("T-1").set("status", "done").set("progress", progress))
        }
        Input::Sent { refused: None, .. } => Reaction::none().complete("closed"),
        Input::Sent { refused: Some(why), .. } => Reaction::none().complete(why),
        other => Reaction::none().fail(format!("{other:?}")),
    })
}

#[test]
fn a_handler_updates_an_entity_and_is_told_how_that_ended() {
    within(async {
        let stage = staged(|builder| builder.handler(script("closer", "work.*", closes))).await;
        for (correlation, progress) in [("c-1", json!(100)), ("c-2", json!(101)), ("c-3", json!(100))] {
            stage.submit(event("work.done", correlation, "w").payload(json!({"progress": progress}))).await;
            stage.settle().await;
        }
        assert_eq!(kinds(&stage, "task/T-1").await, ["task.created", "task.validation_failed"]);
        let mut ends = Vec::new();
        for correlation in ["c-1", "c-2", "c-3"] {
            for stored in stage.handle.records(&correlation.into()).await.unwrap() {
                ends.extend(stored.record.facts.into_iter().filter_map(|fact| match fact {
                    regie::core::workflow::Fact::Ended { end, .. } => Some(end),
                    _ => None,
                }));
            }
        }
        assert!(matches!(ends[0], EffectEnd::Updated { events: 1, .. }), "{ends:?}");
        assert!(matches!(&ends[1], EffectEnd::NotSent { reason } if reason.contains("at most 100")), "{ends:?}");
        assert!(matches!(ends[2], EffectEnd::Updated { first: 0, events: 0 }), "{ends:?}");
        let filter = Filter { correlation: Some("task/T-1".into()), ..Filter::default() };
        let made = stage.handle.events(filter).await.unwrap();
        let made = made[0].incoming.event();
        assert_eq!(made.causation_id.as_deref(), Some("regie:local#w"));
        assert_eq!(made.correlation_chain, ["c-1".into()]);
        stage.close().await;
    });
}

#[test]
fn in_event_time_nothing_is_recorded_before_the_first_event_has_told_a_time() {
    within(async {
        let runtime =
            regie::builder().clock(regie::ClockKind::EventTime).rules(RuleSet::default()).start().await.unwrap();
        let handle = runtime.handle();
        let open = || of("T-1").set("status", "open");
        assert_eq!(handle.update(open()).await.unwrap_err().code(), "no_time");
        let untimed = event("a", "c", "1").build().unwrap();
        assert_eq!(handle.submit(untimed.clone()).await.unwrap_err().reason.code(), "no_time");
        assert_eq!(handle.position(), 0);
        handle.submit(event("a", "c", "2").timestamp(at(7_000)).build().unwrap()).await.unwrap();
        handle.submit(untimed).await.unwrap();
        handle.update(open()).await.unwrap();
        let events = handle.events(Filter::default()).await.unwrap();
        assert!(events.iter().all(|stored| stored.incoming.event().timestamp == at(7_000)), "{events:?}");
        runtime.shutdown().await;
    });
}

#[test]
fn two_entities_never_share_the_correlation_of_their_updates() {
    within(async {
        let stage = staged(|builder| builder).await;
        let mut correlations = BTreeSet::new();
        for entity in [EntityRef::new("a/b", "c"), EntityRef::new("a", "b/c"), EntityRef::new("a%2Fb", "c")] {
            let done = updated(&stage, Update::of(entity.clone(), Principal::user("ana")).set("x", 1)).await;
            assert_eq!(stage.handle.state(&entity, None).await.unwrap().unwrap().events, 1);
            correlations.insert(done.correlation_id);
        }
        assert_eq!(correlations, BTreeSet::from(["a%2Fb/c", "a/b/c", "a%252Fb/c"].map(String::from)));
        stage.close().await;
    });
}
