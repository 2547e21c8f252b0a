//! The catalogue in a running runtime: what enters is held against it, and what is read is brought up.

use regie::Builder;
use regie::bus::{From, Subscribe};
use regie::core::Json;
use regie::core::automation::RuleSet;
use regie::core::event::{Catalogue, EntityRef, Event, EventType, LifeState, Told};
use regie::core::governance::PolicySet;
use regie::core::query::{Committed, Projection};
use regie::core::workflow::{HandlerError, Input, Moment, Reaction, RunStatus};
use serde_json::json;

use crate::runtime_support::{Stage, event, script, within};

fn paid(version: u32) -> EventType {
    let schema = json!({"required": ["cents"], "properties": {"cents": {"type": "integer", "minimum": 0}}});
    EventType::new("order.paid").version(version).payload(schema)
}

/// Version 1 told whole euros.
fn cents(told: Told) -> Result<Told, String> {
    let euros = told.payload.value()["euros"].as_i64().ok_or("no euros")?;
    Ok(Told { payload: Json::from(json!({"cents": euros * 100})), ..told })
}

fn order(id: &str, version: u32, payload: serde_json::Value) -> regie::core::event::EventBuilder {
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
