//! Filters, counts and statistics; the same in memory and in files.

use std::collections::BTreeMap;

use regie_core::Timestamp;
use regie_core::event::{EntityRef, LifeState, Pattern, Principal, Priority};
use regie_core::query::{Filter, Order};
use regie_journal::{Journal, Opened, Reader, Turn};

use crate::helpers::{OpenedExt, Place, Story, at, event, ids};

fn task(id: &str) -> EntityRef {
    EntityRef::new("task", id)
}

fn turns() -> Vec<Turn> {
    let mut story = Story::default();
    let ana = Principal::user("ana");
    let bot = Principal::agent("bot");
    let new = |correlation: &str, id: &str, kind: &str, seconds| {
        regie_core::event::Event::new(kind, correlation).id(id).timestamp(at(seconds))
    };
    vec![
        story.takes(new("a", "1", "task.created", 30).actor(ana.clone()).entity(task("x")).session("s")),
        story.takes(new("b", "2", "task.created", 10).actor(bot.clone()).entity(task("y")).priority(Priority::P0)),
        story.receives(
            new("a", "3", "task.done", 20).actor(ana).related(task("x")).related(task("y")),
            &[LifeState::Deferred],
        ),
        story.takes(new("a", "4", "note.added.late", 20).cause("3").related(task("x")).entity(task("x"))),
        story.takes(new("b", "5", "note.added.late", 7_200).actor(bot).session("s")),
        story.takes(event("regie/inner", "own").entity(task("x"))),
    ]
}

fn both(test: impl Fn(&mut Reader)) {
    let run = |mut opened: Opened| {
        opened.writer.append(&turns()).unwrap();
        test(&mut opened.reader());
    };
    run(Journal::memory());
    let place = Place::new();
    run(place.open());
}

fn pattern(text: &str) -> Option<Pattern> {
    Some(Pattern::parse(text).unwrap())
}

fn assert_means(filter: &Filter, wanted: &[&str]) {
    both(|reader| {
        assert_eq!(ids(reader, filter), wanted, "{filter:?}");
        assert_eq!(reader.count(filter).unwrap(), wanted.len() as u64, "{filter:?}");
        assert_eq!(reader.stats(filter).unwrap().events, wanted.len() as u64, "{filter:?}");
        let newest = Filter { order: Order::Newest, ..filter.clone() };
        let backwards: Vec<_> = wanted.iter().rev().copied().collect();
        assert_eq!(ids(reader, &newest), backwards, "{newest:?}");
    });
}

#[test]
fn everything_comes_by_time_and_journal_order_among_equals() {
    assert_means(&Filter::default(), &["2", "3", "4", "1", "5"]);
}

#[test]
fn the_runtimes_own_come_when_asked_for() {
    assert_means(&Filter { own: true, ..Filter::default() }, &["own", "2", "3", "4", "1", "5"]);
}

#[test]
fn each_condition_selects() {
    let all = Filter::default;
    assert_means(&Filter { correlation: Some("a".into()), ..all() }, &["3", "4", "1"]);
    assert_means(&Filter { actor: Some("bot".into()), ..all() }, &["2", "5"]);
    assert_means(&Filter { session: Some("s".into()), ..all() }, &["1", "5"]);
    assert_means(&Filter { kind: pattern("task.created"), ..all() }, &["2", "1"]);
    assert_means(&Filter { kind: pattern("*.added.>"), ..all() }, &["4", "5"]);
    assert_means(&Filter { entity: Some(task("x")), ..all() }, &["3", "4", "1"]);
    assert_means(&Filter { entity: Some(task("y")), ..all() }, &["2", "3"]);
}

#[test]
fn a_range_includes_its_start_and_excludes_its_end() {
    let range = |from, to| Filter { from: Some(at(from)), to: Some(at(to)), ..Filter::default() };
    assert_means(&range(10, 30), &["2", "3", "4"]);
    assert_means(&Filter { entity: Some(task("x")), ..range(20, 30) }, &["3", "4"]);
    assert_means(&Filter { correlation: Some("b".into()), ..range(0, 100) }, &["2"]);
}

#[test]
fn all_conditions_hold_together() {
    let of_a = Filter { correlation: Some("a".into()), ..Filter::default() };
    assert_means(&Filter { entity: Some(task("y")), ..of_a.clone() }, &["3"]);
    assert_means(&Filter { actor: Some("ana".into()), kind: pattern("task.>"), ..of_a.clone() }, &["3", "1"]);
    assert_means(&Filter { actor: Some("bot".into()), ..of_a }, &[]);
}

#[test]
fn an_unknown_name_means_nothing() {
    for filter in [
        Filter { correlation: Some("z".into()), ..Filter::default() },
        Filter { actor: Some("z".into()), ..Filter::default() },
        Filter { session: Some("z".into()), ..Filter::default() },
        Filter { kind: pattern("z"), ..Filter::default() },
        Filter { kind: pattern("z.*"), ..Filter::default() },
        Filter { entity: Some(task("z")), ..Filter::default() },
    ] {
        assert_means(&filter, &[]);
    }
}

#[test]
fn a_limit_is_counted_from_the_end_that_is_asked_for() {
    both(|reader| {
        let filter = Filter { limit: Some(2), ..Filter::default() };
        assert_eq!(ids(reader, &filter), ["2", "3"]);
        assert_eq!(ids(reader, &Filter { order: Order::Newest, ..filter.clone() }), ["5", "1"]);
        assert_eq!(reader.count(&filter).unwrap(), 2);
    });
}

#[test]
fn what_touches_an_entity_comes_up_to_and_with_an_instant() {
    both(|reader| {
        let mut until = |until: Option<Timestamp>| {
            let found = reader.touches(&task("x"), until).unwrap();
            found.iter().map(|event| event.incoming.event().id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(until(None), ["own", "3", "4", "1"]);
        assert_eq!(until(Some(at(20))), ["own", "3", "4"]);
        assert_eq!(until(Some(at(0))), [""; 0]);
        assert_eq!(until(Some(Timestamp::MAX)).len(), 4);
    });
}

#[test]
fn statistics_count_what_there_is() {
    let map =
        |pairs: &[(&str, u64)]| pairs.iter().map(|(key, count)| (key.to_string(), *count)).collect::<BTreeMap<_, _>>();
    both(|reader| {
        let stats = reader.stats(&Filter::default()).unwrap();
        assert_eq!((stats.events, stats.correlations, stats.entities, stats.sessions), (5, 2, 2, 1));
        assert_eq!((stats.event_types, stats.distinct_actors, stats.with_causation), (3, 2, 1));
        assert_eq!((stats.first_timestamp, stats.last_timestamp), (Some(at(10)), Some(at(7_200))));
        assert_eq!(stats.by_type, map(&[("task.created", 2), ("task.done", 1), ("note.added.late", 2)]));
        assert_eq!(stats.by_actor, map(&[("ana", 2), ("bot", 2)]));
        assert_eq!(stats.by_session, map(&[("s", 2)]));
        assert_eq!(stats.by_priority, map(&[("P0", 1), ("P2", 4)]));
        assert_eq!(stats.by_state, map(&[("processed", 4), ("deferred", 1)]));
        assert_eq!(stats.by_month, map(&[("2026-01", 5)]));
        assert_eq!(stats.by_hour, map(&[("00", 4), ("02", 1)]));
        let of_b = Filter { correlation: Some("b".into()), ..Filter::default() };
        assert_eq!(reader.stats(&of_b).unwrap().entities, 1);
    });
}

#[test]
fn an_event_comes_with_its_place_and_its_bytes() {
    both(|reader| {
        let found = crate::helpers::events(reader, &Filter { actor: Some("ana".into()), ..Filter::default() });
        assert_eq!((found[0].position, found[0].sequence, found[0].state), (3, 2, LifeState::Deferred));
        assert_eq!(found[0].recorded_at, at(0));
        assert!(found[0].incoming.raw().contains(r#""task.done""#));
        let record = reader.record(3).unwrap().unwrap();
        assert_eq!((record.correlation.as_str(), record.record.sequence), ("a", 2));
        assert_eq!(reader.record(99).unwrap(), None);
    });
}

#[test]
fn a_walk_ends_when_it_is_told_to() {
    both(|reader| {
        let mut seen = 0;
        let mut stop = |_| {
            seen += 1;
            std::ops::ControlFlow::Break(())
        };
        reader.events(&Filter::default(), &mut stop).unwrap();
        assert_eq!(seen, 1);
    });
}
