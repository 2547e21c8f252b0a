//! What an update comes to: granular events by the catalogue, nothing where nothing differs, and what is refused.

use std::collections::BTreeMap;

use proptest::prelude::*;
use regie_core::Json;
use regie_core::entity::{EntityState, LatestFields, OfUpdate, Unfit, Update, fold, plan, refusal};
use regie_core::event::{Catalogue, EntityRef, EventType, Incoming, Principal};
use serde_json::json;

use super::helpers::at;

type Fields = BTreeMap<String, Json>;

fn of(kind: &str) -> Update {
    Update::of(EntityRef::new(kind, "1"), Principal::user("ana")).id("u-1")
}

fn fields(of: serde_json::Value) -> Fields {
    of.as_object().unwrap().iter().map(|(name, value)| (name.clone(), Json::of(value))).collect()
}

fn planned(update: &Update, of: serde_json::Value) -> Result<Vec<Incoming>, Unfit> {
    plan(update, &fields(of), &Catalogue::shipped(), at(5))
}

/// Type and changes of each event: `task.blocked status a→b`.
fn told(events: &[Incoming]) -> Vec<String> {
    let one = |incoming: &Incoming| {
        let event = incoming.event();
        let change =
            |(field, it): (&String, &regie_core::event::Change)| format!(" {field} {}→{}", it.before, it.after);
        let changes: String = event.changes.iter().map(change).collect();
        format!("{}{changes}", event.kind.trim_start_matches("orchestration."))
    };
    events.iter().map(one).collect()
}

#[test]
fn one_event_for_each_type_that_tells_of_a_changed_field() {
    let before = json!({"status": "in_progress", "priority": "P2", "title": "a"});
    let table = [
        (of("task").set("status", "done"), vec!["task.status_changed status \"in_progress\"→\"done\""]),
        (
            of("task").set("status", "blocked"),
            vec![
                "task.status_changed status \"in_progress\"→\"blocked\"",
                "task.blocked status \"in_progress\"→\"blocked\"",
            ],
        ),
        (
            of("task").set("priority", "P0").set("title", "b").set("points", 3).set("status", "in_progress"),
            vec!["task.priority_changed priority \"P2\"→\"P0\"", "task.updated points null→3 title \"a\"→\"b\""],
        ),
        (of("task").set("assignee", "coder-1"), vec!["task.assigned assignee null→\"coder-1\""]),
        (of("task").set("progress", 40), vec!["task.progress_updated progress null→40"]),
        (of("task").set("title", ()), vec!["task.updated title \"a\"→null"]),
        (of("sprint").set("title", "b"), vec!["sprint.metadata_updated title \"a\"→\"b\""]),
        (of("workflow").set("status", "completed"), vec!["workflow.completed status \"in_progress\"→\"completed\""]),
        (of("moon").set("status", "full"), vec!["moon.updated status \"in_progress\"→\"full\""]),
    ];
    for (update, expected) in table {
        assert_eq!(told(&planned(&update, before.clone()).unwrap()), expected);
    }
}

#[test]
fn what_is_not_known_yet_is_created_with_all_its_fields() {
    let update = of("task").set("status", "blocked").set("title", "a");
    assert_eq!(told(&planned(&update, json!({})).unwrap()), ["task.created status null→\"blocked\" title null→\"a\""]);
    let unknown = of("moon").set("phase", "new");
    assert_eq!(told(&planned(&unknown, json!({})).unwrap()), ["moon.updated phase null→\"new\""]);
}

#[test]
fn where_nothing_differs_nothing_is_emitted() {
    let spaced = Json::parse("{ \"b\": 1, \"a\": [2] }").unwrap();
    let update = of("task").set("n", spaced).set("gone", ());
    assert_eq!(planned(&update, json!({"n": {"a": [2], "b": 1}})).unwrap().len(), 0);
    assert_eq!(planned(&of("task"), json!({})).unwrap().len(), 0);
}

#[test]
fn what_is_expected_must_be_so_and_a_missing_field_is_null() {
    let update = of("task").set("status", "done");
    assert!(planned(&update.clone().expect("status", "open"), json!({"status": "open"})).is_ok());
    assert!(planned(&update.clone().expect("owner", ()), json!({"status": "open"})).is_ok());
    let unfit = planned(&update.clone().expect("status", "open"), json!({"status": "closed"})).unwrap_err();
    assert_eq!(unfit.to_string(), "'status' was expected to be \"open\", and is \"closed\"");
    // Even where nothing would differ: who expects otherwise is told.
    assert!(planned(&update.expect("status", "open"), json!({"status": "done"})).is_err());
}

#[test]
fn a_breach_refuses_the_whole_and_names_its_field() {
    let update = of("task").set("progress", 140).set("status", "done");
    let unfit = planned(&update, json!({"status": "open"})).unwrap_err();
    assert_eq!(unfit.field().as_deref(), Some("progress"));
    let event = refusal(&update, &unfit, at(5)).unwrap();
    let event = event.event();
    assert_eq!((event.kind.as_str(), &*event.correlation_id), ("orchestration.task.validation_failed", "task/1"));
    let payload = event.payload.value();
    assert_eq!(payload["field"], "progress");
    assert!(payload["reason"].as_str().unwrap().contains("at most 100"));
    assert_eq!(payload["digest"], regie_core::entity::digest(&update).to_string());
    assert_eq!(Catalogue::shipped().check(event), Ok(()));
}

#[test]
fn asked_twice_the_events_are_the_same_and_another_asks_otherwise() {
    let update = of("task").set("status", "blocked").set("title", "b");
    let ids = |update: &Update| -> Vec<String> {
        planned(update, json!({"title": "a"})).unwrap().iter().map(|it| it.event().id.clone()).collect()
    };
    let raw = |update: &Update| planned(update, json!({"title": "a"})).unwrap()[0].raw().to_string();
    assert_eq!((ids(&update).len(), raw(&update)), (3, raw(&update.clone())));
    assert_eq!(ids(&update), ids(&update.clone().set("title", "c")));
    let other = update.clone().id("u-2");
    assert!(ids(&update).iter().all(|id| !ids(&other).contains(id)));
    let of_update =
        |update: &Update| OfUpdate::read(planned(update, json!({"title": "a"})).unwrap()[2].event()).unwrap();
    assert_eq!((of_update(&update).id.as_str(), of_update(&update).events), ("u-1", 3));
    assert_ne!(of_update(&update).digest, of_update(&update.clone().set("title", "c")).digest);
}

#[test]
fn a_checked_entity_is_updated_in_its_own_correlation_alone() {
    let catalogue = Catalogue::empty().with(EventType::new("a.b").entity("account").checked()).unwrap();
    let update = of("account").set("balance", 1);
    assert!(plan(&update, &Fields::new(), &catalogue, at(5)).is_ok());
    assert!(plan(&update.clone().within("account/1"), &Fields::new(), &catalogue, at(5)).is_ok());
    let elsewhere = plan(&update.within("c"), &Fields::new(), &catalogue, at(5)).unwrap_err();
    assert!(matches!(elsewhere, Unfit::Elsewhere { .. }));
}

#[test]
fn a_type_with_upcasters_is_emitted_in_its_latest_version() {
    let it = EventType::new("a.b").entity("account").fields(["balance"]).version(4);
    let catalogue = Catalogue::empty().with(it).unwrap();
    let events = plan(&of("account").set("balance", 1), &Fields::new(), &catalogue, at(5)).unwrap();
    assert_eq!((events[0].event().schema_version, events[0].event().kind.as_str()), (4, "a.b"));
}

fn folded(updates: &[(u8, u8)]) -> (EntityState, LatestFields) {
    let (mut events, mut latest): (Vec<Incoming>, _) = (Vec::new(), LatestFields::default());
    let names = ["status", "priority", "title", "blocked_by"];
    let values = ["open", "blocked", "done"];
    for (nth, (field, value)) in updates.iter().enumerate() {
        let update = of("task").id(format!("u-{nth}"));
        let update = update.set(names[usize::from(*field) % 4], values[usize::from(*value) % 3]);
        let more = plan(&update, &latest.values(), &Catalogue::shipped(), at(5)).unwrap();
        for event in more {
            events.push(event);
            latest.tell(events[events.len() - 1].event(), events.len() as u64);
        }
    }
    let state = fold(events.iter().zip(1..).map(|(event, position)| (event.event(), position, true)));
    (state.unwrap_or_default(), latest)
}

proptest! {
    #[test]
    fn whatever_is_updated_is_so_and_no_claim_of_an_update_mismatches(updates in proptest::collection::vec(any::<(u8, u8)>(), 0..20)) {
        let (state, latest) = folded(&updates);
        prop_assert_eq!(&state.mismatches, &[]);
        prop_assert_eq!(&state.fields, &latest.values());
        let names = ["status", "priority", "title", "blocked_by"];
        let mut expected = BTreeMap::new();
        for (field, value) in updates {
            expected.insert(names[usize::from(field) % 4].to_string(), Json::of(["open", "blocked", "done"][usize::from(value) % 3]));
        }
        prop_assert_eq!(state.fields, expected);
    }
}
