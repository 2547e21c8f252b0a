//! The catalogue in a running runtime: what enters is held against it, and what is read is brought up.

use regie::Builder;
use regie::bus::{From, Subscribe};
use regie::core::Json;
use regie::core::automation::RuleSet;
use regie::core::event::{Catalogue, EntityRef, Event, EventBuilder, EventType, LifeState, Told};
use regie::core::governance::PolicySet;
use regie::core::query::{Committed, Projection};
use regie::core::workflow::{HandlerError, Input, Moment, Reaction, RunStatus};
use regie::runtime::Foreseen;
use serde_json::json;

use crate::runtime_support::{Stage, at, event, script, within};
use crate::support::Place;

fn paid(version: u32) -> EventType {
    let schema = json!({"required": ["cents"], "properties": {"cents": {"type": "integer", "minimum": 0}}});
    EventType::new("order.paid").version(version).payload(schema)
}

/// Version 1 told whole euros.
fn cents(told: Told) -> Result<Told, String> {
    let euros = told.payload.value()["euros"].as_i64().ok_or("no euros")?;
    Ok(Told { payload: Json::from(json!({"cents": euros * 100})), ..told })
}

fn order(id: &str, version: u32, payload: serde_json::Value) -> EventBuilder {
    event("order.paid", id, id).schema_version(version).payload(payload)
}

#[test]
fn what_is_none_of_its_type_is_refused_and_handed_back() {
    within(async {
        let catalogue = Catalogue::shipped().with(paid(2).upcast(1, cents)).unwrap();
        let stage = Stage::with(|builder| builder.catalogue(catalogue)).await;
        let event = order("o-1", 2, json!({"cents": -1})).build().unwrap();
        let refused = stage.handle.submit(event.clone()).await.unwrap_err();
        assert_eq!((refused.reason.code(), refused.event.raw()), ("breach", event.raw()));
        assert!(refused.to_string().contains("/payload/cents"), "{refused}");
        let newer = order("o-1", 3, json!({"cents": 1})).build().unwrap();
        assert!(stage.handle.submit(newer).await.unwrap_err().to_string().contains("up to 2"));
        assert_eq!(stage.handle.position(), 0);
        stage.submit(order("o-1", 1, json!({"euros": 1}))).await;
        stage.close().await;
    });
}

#[test]
fn the_shipped_types_hold_unless_another_catalogue_is_given() {
    within(async {
        let bad = || {
            Event::new("orchestration.task.status_changed", "c").entity(EntityRef::new("task", "T")).build().unwrap()
        };
        let shipped = Stage::with(|builder| builder).await;
        assert_eq!(shipped.handle.submit(bad()).await.unwrap_err().reason.code(), "breach");
        shipped.close().await;
        let none = Stage::with(|builder| builder.catalogue(Catalogue::empty())).await;
        assert!(none.handle.submit(bad()).await.is_ok());
        none.close().await;
    });
}

fn cents_of(_: &u64, input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
    Ok(match input {
        Input::Event(event) => {
            Reaction::none().complete(&(event.schema_version, event.payload.value()["cents"].as_i64()))
        }
        other => Reaction::none().fail(format!("{other:?}")),
    })
}

#[test]
fn handlers_and_conditions_see_the_latest_version_and_the_journal_keeps_the_bytes() {
    within(async {
        let policies =
            "[[policy]]\nname = 'large'\nkind = 'veto'\nmatch = 'order.paid'\nwhen = 'event.payload.cents > 10000'\n";
        let policies = PolicySet::parse(policies).unwrap();
        let catalogue = Catalogue::empty().with(paid(2).upcast(1, cents)).unwrap();
        let stage = Stage::with(|builder| {
            builder.catalogue(catalogue).policies(policies).handler(script("cents", "order.*", cents_of))
        })
        .await;
        let small = stage.submit(order("o-1", 1, json!({"euros": 100}))).await;
        let large = stage.submit(order("o-2", 1, json!({"euros": 101}))).await;
        assert_eq!((small.event_state, large.event_state), (Some(LifeState::Processed), Some(LifeState::Discarded)));
        let run = stage.handle.look(&"o-1".into()).await.unwrap().run.unwrap();
        assert_eq!(run.status, RunStatus::Completed { output: Json::of(&(2, 10_000)) });
        let stored = stage.handle.events(Default::default()).await.unwrap();
        assert_eq!(stored[0].incoming.event().payload.text(), r#"{"euros":100}"#);
        stage.close().await;
    });
}

/// How many cents were paid in all.
struct Paid;

impl Projection for Paid {
    type State = i64;
    fn name(&self) -> &str {
        "paid"
    }
    fn apply(&self, paid: &mut i64, committed: &Committed<'_>) {
        *paid += committed.event.payload.value()["cents"].as_i64().unwrap_or(0);
    }
}

/// A runtime that has taken an order of a hundred euros, told in the first version.
async fn paid_in_euros(more: impl FnOnce(Builder) -> Builder) -> Stage {
    let catalogue = Catalogue::empty().with(paid(2).upcast(1, cents)).unwrap();
    let stage = Stage::with(|builder| more(builder.catalogue(catalogue))).await;
    stage.submit(order("o-1", 1, json!({"euros": 100}))).await;
    stage
}

#[test]
fn projections_see_the_latest_version() {
    within(async {
        let stage = paid_in_euros(|builder| builder.projection(Paid)).await;
        let at_least = stage.handle.position();
        assert_eq!(stage.handle.projection("paid", at_least, |paid: &i64| *paid).await, Ok(10_000));
        stage.close().await;
    });
}

#[test]
fn rules_see_the_latest_version() {
    within(async {
        let rules = "shipped = false\n[[rule]]\nname = 'large'\non = 'order.paid'\nwhen = 'event.payload.cents == 10000'\n\
                     do = [{ emit = { type = 'large' } }]\n";
        let stage = paid_in_euros(|builder| builder.rules(RuleSet::parse(rules).unwrap())).await;
        stage.settle().await;
        let events = stage.handle.events(Default::default()).await.unwrap();
        assert!(events.iter().any(|stored| stored.incoming.event().kind == "large"), "{events:?}");
        stage.close().await;
    });
}

#[test]
fn subscribers_and_their_filters_see_the_latest_version_and_its_bytes_as_they_came() {
    within(async {
        let stage = paid_in_euros(|builder| builder).await;
        for large in [Subscribe::to("order.*"), Subscribe::to("order.*").processed_only()] {
            let large = large.filter("event.payload.cents == 10000").unwrap().from(From::Start);
            let mut large = stage.handle.subscribe(large).await.unwrap();
            stage.submit(order("o-2", 2, json!({"cents": 10_000}))).await;
            let delivery = large.next().await.unwrap().unwrap();
            assert_eq!((delivery.event().id.as_str(), delivery.event().schema_version), ("o-1", 2));
            assert!(delivery.raw().contains("euros"));
        }
        stage.close().await;
    });
}

fn sends_bad(_: &u64, input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
    Ok(match input {
        Input::Event(_) => Reaction::none().send("tell", Event::new("orchestration.alert.raised", "alerts")),
        Input::Sent { refused: Some(why), .. } => Reaction::none().complete(why),
        other => Reaction::none().fail(format!("{other:?}")),
    })
}

#[test]
fn what_a_handler_sends_is_held_against_it_too() {
    within(async {
        let stage = Stage::with(|builder| builder.handler(script("alarm", "smoke.*", sends_bad))).await;
        stage.submit(event("smoke.seen", "c", "1")).await;
        stage.settle().await;
        let run = stage.handle.look(&"c".into()).await.unwrap().run.unwrap();
        let RunStatus::Completed { output } = run.status else { panic!("{run:?}") };
        assert!(output.text().contains("/payload"), "{output}");
        stage.close().await;
    });
}

/// Version 1 called the field `state`.
fn renamed(mut told: Told) -> Result<Told, String> {
    let state = told.changes.remove("state").ok_or("no state")?;
    told.changes.insert("status".into(), state);
    Ok(told)
}

#[test]
fn state_is_told_by_the_latest_version_as_handlers_and_rules_see_it() {
    within(async {
        let moved = EventType::new("order.moved").entity("order").version(2).fields(["status"]).upcast(1, renamed);
        let stage = Stage::with(|builder| builder.catalogue(Catalogue::empty().with(moved).unwrap())).await;
        let order = EntityRef::new("order", "1");
        stage.submit(event("order.moved", "o", "1").entity(order.clone()).change("state", (), "open")).await;
        let state = stage.handle.state(&order, None).await.unwrap().unwrap();
        assert_eq!(state.fields.into_iter().collect::<Vec<_>>(), [("status".to_string(), Json::of("open"))]);
        stage.close().await;
    });
}

/// A change of a checked account.
fn book(id: &str, before: u32) -> EventBuilder {
    let account = EntityRef::new("account", "1");
    event("account.booked", "account/1", id).entity(account).change("balance", before, before + 1)
}

/// A runtime that has taken the first of them, stamped a little later than now.
async fn booked() -> Stage {
    let booked = EventType::new("account.booked").entity("account").fields(["balance"]).checked();
    let catalogue = Catalogue::shipped().with(paid(1)).unwrap().with(booked).unwrap();
    let stage = Stage::with(|builder| builder.catalogue(catalogue)).await;
    stage.submit(book("b-1", 0).timestamp(at(2))).await;
    stage
}

#[test]
fn a_look_ahead_tells_what_submit_would_refuse() {
    within(async {
        let stage = booked().await;
        let bad = order("o-1", 1, json!({"cents": -1}));
        let (other, late) = (book("b-2", 7), book("b-2", 1).timestamp(at(1)));
        for refused in [bad, other, late, event("a", "regie/x", "1"), event("a", "c", "1").source("regie:update")] {
            let refused = refused.build().unwrap();
            let reason = stage.handle.submit(refused.clone()).await.unwrap_err().reason;
            assert_eq!(stage.handle.check(&refused).await.unwrap(), Foreseen::Refused(reason));
        }
        stage.close().await;
    });
}

#[test]
fn a_look_ahead_takes_what_submit_would_take() {
    within(async {
        let stage = booked().await;
        // One without a timestamp is of now, and never late.
        for good in [book("b-2", 1).timestamp(at(2)), book("b-3", 2)] {
            let foreseen = stage.handle.check(&good.clone().build().unwrap()).await.unwrap();
            assert!(matches!(foreseen, Foreseen::Judged(_)), "{foreseen:?}");
            stage.submit(good).await;
        }
        stage.close().await;
    });
}

#[test]
fn names_of_the_runtimes_own_are_refused_from_outside_and_what_it_emitted_is_taken_from_a_file() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        for own in ["regie:update", "regie:rule", "regie:workflow", "regie:"] {
            let event = event("a", "c", own).source(own).build().unwrap();
            assert_eq!(stage.handle.submit(event.clone()).await.unwrap_err().reason.code(), "bad_event");
            let batch = stage.handle.submit_batch(vec![event.clone()]).await;
            assert!(batch[0].is_err() && stage.handle.enqueue(event).await.unwrap().await.is_err());
        }
        let own_kind = stage.handle.submit(event("regie.rule.ran", "c", "1").build().unwrap()).await;
        assert!(own_kind.unwrap_err().to_string().contains("'regie.'"));
        stage.submit(event("regieless", "c", "1").source("regie:local")).await;
        stage.close().await;
    });
    let place = Place::new();
    place.run(&["update", "task", "T-1", "status=open"]).succeeds();
    let raw = place.run(&["query", "--raw"]).succeeds();
    place.file("export.jsonl", &raw.out);
    place.run(&["run", "export.jsonl", "--db", "other.db"]).succeeds().tells(&["1 new"]);
    let state = place.run(&["state", "task", "T-1", "--db", "other.db", "--json"]).succeeds().json();
    assert_eq!(state, json!({"status": "open"}));
}
