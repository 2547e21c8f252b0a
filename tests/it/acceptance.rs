//! The main job on real logs: run them, ask, and compare with figures that an independent program computed from the raw
//! sources. The data is not part of the repository; where it is absent each test says so and passes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use regie::core::entity::{EntityState, fold};
use regie::core::event::EntityRef;
use regie::core::{Digest, Timestamp};
use regie::journal::{Journal, Reader};
use serde_json::{Map, Value, json};

use crate::support::Place;

/// A log that was run into a journal, and what is expected of it.
struct Log {
    place: Place,
    expected: Value,
    /// Every event as `query --json` gives it.
    events: Vec<Value>,
}

fn data() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("REGIE_DATA").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

impl Log {
    /// Runs a log, or says that there is none.
    fn run(name: &str, arguments: &[&str]) -> Option<Self> {
        let Some(folder) = data() else {
            println!("skipped: no data");
            return None;
        };
        let expected = std::fs::read_to_string(folder.join(format!("{name}.expected.json"))).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let place = Place::new();
        let file = folder.join(format!("{name}.jsonl.gz"));
        let mut all = vec!["run", file.to_str().unwrap(), "--json"];
        all.extend(arguments);
        let report = place.run(&all).succeeds().json();
        assert_eq!((&report["new"], &report["known"]), (&expected["events"], &json!(0)), "{name}");
        let events = place.run(&["query", "--json"]).succeeds().json_lines();
        Some(Self { place, expected, events })
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = arguments.iter().chain(&["--json"]).copied().collect();
        self.place.run(&all).succeeds().json()
    }

    fn count(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = ["query", "--count"].iter().chain(arguments).copied().collect();
        self.json(&all)["count"].clone()
    }

    fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let all: Vec<&str> = ["query", "--json"].iter().chain(arguments).copied().collect();
        self.place.run(&all).succeeds().json_lines()
    }

    /// The library's own reader, for questions by the hundred.
    fn reader(&self) -> Reader {
        Journal::open_read_only(&self.place.path("regie.db")).unwrap().0.open().unwrap()
    }

    /// What is expected under a key, if anything is.
    fn wants(&self, key: &str) -> Option<&Value> {
        self.expected.get(key)
    }

    fn list_of(&self, key: &str) -> Vec<Value> {
        self.wants(key).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// The type of the entity with an id.
    fn kind_of(&self, id: &Value) -> String {
        let event = self.events.iter().find(|event| event["entity"]["id"] == *id).unwrap();
        event["entity"]["type"].as_str().unwrap().to_string()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Fields that are absent, `null` or `[]` are one.
fn meant(state: &Value) -> Map<String, Value> {
    let fields = state.as_object().unwrap().iter().filter(|(_, value)| !value.is_null() && **value != json!([]));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn state_of(reader: &mut Reader, entity: &EntityRef, at: Option<Timestamp>) -> Option<EntityState> {
    let events = reader.touches(entity, at).unwrap();
    let is_about = |event: &regie::core::event::Event| event.entity.as_ref() == Some(entity);
    fold(events.iter().map(|it| (it.incoming.event(), it.position, is_about(it.incoming.event()))))
}

/// `timestamp|type|actor` of an event.
fn line(event: &Value) -> String {
    format!("{}|{}|{}", text(&event["timestamp"]), text(&event["type"]), text(&event["actor"]["id"]))
}

/// Counts and maps of `stats`.
fn compare_stats(log: &Log) {
    let stats = log.json(&["stats"]);
    let same = [
        ("events", "events"),
        ("correlations", "correlations"),
        ("entities", "entities"),
        ("sessions", "sessions"),
        ("event_types", "event_types"),
        ("distinct_actors", "distinct_actors"),
        ("first_timestamp", "first_timestamp"),
        ("last_timestamp", "last_timestamp"),
        ("with_causation", "with_causation"),
        ("by_type", "by_type"),
        ("by_priority", "by_priority"),
        ("by_month_utc", "by_month"),
        ("by_hour_of_day_utc", "by_hour"),
    ];
    let mut compared = 0;
    for (theirs, ours) in same {
        if let Some(expected) = log.wants(theirs) {
            assert_eq!(&stats[ours], expected, "{ours}");
            compared += 1;
        }
    }
    assert!(compared >= 4, "only {compared} figures were compared");
    assert_eq!(stats["by_state"], json!({"processed": stats["events"]}));
    for (list, map) in [("by_actor_top10", "by_actor"), ("by_session_top5", "by_session")] {
        compare_top(&log.list_of(list), &stats[map]);
    }
    if let Some(without) = log.wants("events_without_actor") {
        let with: u64 = stats["by_actor"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(stats["events"].as_u64().unwrap() - with, without.as_u64().unwrap());
    }
}

/// The listed ones have these counts, and none that is not listed has more than the last of them.
fn compare_top(top: &[Value], counts: &Value) {
    let least = top.last().and_then(|pair| pair[1].as_u64()).unwrap_or(0);
    let listed: BTreeSet<&str> = top.iter().map(|pair| text(&pair[0])).collect();
    for pair in top {
        assert_eq!(counts[text(&pair[0])], pair[1], "{pair}");
    }
    let others = counts.as_object().unwrap().iter().filter(|(name, _)| !listed.contains(name.as_str()));
    assert!(others.into_iter().all(|(_, count)| count.as_u64().unwrap() <= least || top.is_empty()));
}

/// Ranges of time, with and without an actor, and the busiest day.
fn compare_ranges(log: &Log) {
    for range in log.list_of("ranges_from_inclusive_to_exclusive") {
        assert_eq!(
            log.count(&["--from", text(&range["from"]), "--to", text(&range["to"])]),
            range["events"],
            "{range}"
        );
    }
    for range in log.list_of("actor_ranges") {
        let (actor, from, to) = (text(&range["actor"]), text(&range["from"]), text(&range["to"]));
        assert_eq!(log.count(&["--actor", actor, "--from", from, "--to", to]), range["events"], "{range}");
    }
    let Some(busiest) = log.wants("busiest_day_utc") else { return };
    let mut days: BTreeMap<&str, u64> = BTreeMap::new();
    log.events.iter().for_each(|event| *days.entry(&text(&event["timestamp"])[..10]).or_default() += 1);
    let most = days.values().max().copied();
    assert_eq!((days.get(text(&busiest[0])).copied(), most), (busiest[1].as_u64(), busiest[1].as_u64()));
    let day = text(&busiest[0]);
    let (from, to) = (format!("{day}T00:00:00Z"), format!("{day}T23:59:59.999999Z"));
    assert_eq!(&log.json(&["stats", "--from", &from, "--to", &to])["by_hour"], &log.expected["busiest_day_hourly_utc"]);
}

/// Single correlations in full, and all of them by their lengths.
fn compare_correlations(log: &Log) {
    for expected in log.list_of("correlation_sequences") {
        let events = log.list(&["--correlation", text(&expected["correlation_id"])]);
        let lines: Vec<String> = events.iter().map(line).collect();
        assert_eq!(json!(lines.len()), expected["events"], "{expected}");
        assert_eq!((&json!(lines[0]), &json!(lines[lines.len() - 1])), (&expected["first"], &expected["last"]));
        let whole: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let digest = Digest::of(whole.as_bytes()).to_string();
        assert_eq!(json!(digest), expected["sha256_of_lines_timestamp|type|actor"], "{expected}");
        let types: Vec<&Value> = events.iter().take(5).map(|event| &event["type"]).collect();
        assert_eq!(json!(types), expected["first5_types"]);
        let entity = &events[0]["entity"];
        let state = log.json(&["state", text(&entity["type"]), text(&entity["id"])]);
        assert_eq!(meant(&state), meant(&expected["final_state"]), "{expected}");
    }
    let mut lengths: BTreeMap<&str, u64> = BTreeMap::new();
    log.events.iter().for_each(|event| *lengths.entry(text(&event["correlation_id"])).or_default() += 1);
    if let Some(longest) = log.wants("longest_correlation") {
        assert_eq!(lengths.get(text(&longest[0])).copied(), longest[1].as_u64());
    }
    let Some(expected) = log.wants("events_per_correlation") else { return };
    let mut sorted: Vec<u64> = lengths.into_values().collect();
    sorted.sort_unstable();
    let mean = log.events.len() as f64 / sorted.len() as f64;
    assert_eq!((Some(sorted[0]), sorted.last().copied()), (expected["min"].as_u64(), expected["max"].as_u64()));
    assert_eq!(Some(sorted[sorted.len() / 2]), expected["median"].as_u64());
    assert!((mean - expected["mean"].as_f64().unwrap()).abs() < 0.000_1, "{mean}");
}

/// Entities at an instant, and how many are where at the end.
fn compare_states(log: &Log) {
    for expected in log.list_of("entity_state_at") {
        let (kind, at) = (log.kind_of(&expected["entity"]), text(&expected["at"]));
        let state = log.json(&["state", &kind, text(&expected["entity"]), "--at", at]);
        assert_eq!(meant(&state), meant(&expected["state"]), "{expected}");
        if let Some(so_far) = expected["events_so_far"].as_u64() {
            let entity = EntityRef::new(kind, text(&expected["entity"]));
            let state = state_of(&mut log.reader(), &entity, Some(Timestamp::parse(at).unwrap())).unwrap();
            assert_eq!(state.events, so_far);
        }
    }
    let Some(expected) = log.wants("stage_counts_at_end") else { return };
    let entities: BTreeSet<(&str, &str)> =
        log.events.iter().map(|event| (text(&event["entity"]["type"]), text(&event["entity"]["id"]))).collect();
    let mut reader = log.reader();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, id) in entities {
        let state = state_of(&mut reader, &EntityRef::new(kind, id), None).unwrap();
        *counts.entry(state.fields["stage"].to().unwrap()).or_default() += 1;
    }
    assert_eq!(&json!(counts), expected);
}

fn compare(name: &str, arguments: &[&str]) {
    let Some(log) = Log::run(name, arguments) else { return };
    compare_stats(&log);
    compare_ranges(&log);
    compare_correlations(&log);
    compare_states(&log);
    log.place.run(&["verify"]).succeeds();
}

#[test]
fn the_running_example_gives_its_figures() {
    compare("running_example", &["--clock", "event"]);
}

#[test]
fn the_permits_give_their_figures() {
    compare("env_permit_receipt", &[]);
}

#[test]
fn the_help_desk_gives_its_figures() {
    compare("helpdesk", &[]);
}

#[test]
fn the_jira_issues_give_their_figures_with_any_number_of_shards() {
    compare("jira_apache", &[]);
    compare("jira_apache", &["--clock", "event", "--shards", "3"]);
}

#[test]
fn the_order_book_gives_its_figures() {
    compare("bitstamp_first_hour", &[]);
}

#[test]
fn every_jira_issue_ends_as_the_jira_server_itself_reported_it() {
    let Some(log) = Log::run("jira_apache", &[]) else { return };
    let file = data().unwrap().join("jira_apache.final_state.json");
    let issues: Map<String, Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut reader = log.reader();
    for (issue, expected) in &issues {
        let state = state_of(&mut reader, &EntityRef::new("issue", issue), None).unwrap();
        assert_eq!(meant(&serde_json::to_value(&state.fields).unwrap()), meant(expected), "{issue}");
    }
    for (issue, expected) in issues.iter().step_by(100) {
        assert_eq!(meant(&log.json(&["state", "issue", issue])), meant(expected), "{issue}");
    }
    assert_eq!(issues.len(), 501);
}

#[test]
fn the_orders_with_their_items_and_packages_give_their_figures() {
    let Some(log) = Log::run("ocel_order", &[]) else { return };
    compare_stats(&log);
    let mut touched: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for event in &log.events {
        let related = event["related"].as_array().into_iter().flatten();
        for entity in related.chain([&event["entity"]]).filter(|entity| entity.is_object()) {
            touched.entry(text(&entity["type"])).or_default().insert(text(&entity["id"]));
        }
    }
    let counts: BTreeMap<&str, usize> = touched.iter().map(|(kind, ids)| (*kind, ids.len())).collect();
    assert_eq!(json!(counts), log.expected["entities_touched"]);
    assert_eq!(log.json(&["stats"])["entities"], json!(counts.values().sum::<usize>()));
    compare_order(&log);
    compare_item_and_package(&log);
    assert_eq!(log.count(&["--type", "shop.pay_order"]), log.expected["orders_paid"]);
    let cents: u64 =
        log.list(&["--type", "shop.place_order"]).iter().map(|event| cents(&event["payload"]["price"])).sum();
    assert_eq!(json!(format!("{}.{:02}", cents / 100, cents % 100)), log.expected["sum_price_of_place_order"]);
}

/// A decimal text with at most two digits after the point, in hundredths.
fn cents(price: &Value) -> u64 {
    let (whole, part) = text(price).split_once('.').unwrap_or((text(price), ""));
    assert!(part.len() <= 2, "{price}");
    whole.parse::<u64>().unwrap() * 100 + format!("{part:0<2}").parse::<u64>().unwrap()
}

/// The ids of entities of one type that some events are about or touch.
fn ids_of<'a>(events: &'a [Value], kind: &str) -> BTreeSet<&'a str> {
    let all =
        events.iter().flat_map(|event| event["related"].as_array().into_iter().flatten().chain([&event["entity"]]));
    all.filter(|entity| entity["type"] == kind).map(|entity| text(&entity["id"])).collect()
}

fn compare_order(log: &Log) {
    let expected = &log.expected["order_990001"];
    let of_order = log.list(&["--entity", "order", "990001"]);
    let items = ids_of(&of_order, "item");
    assert_eq!(
        (json!(of_order.len()), json!(items)),
        (expected["events_of_the_order"].clone(), expected["items"].clone())
    );
    let mut all: BTreeMap<(String, u64), Value> = BTreeMap::new();
    let of_items = items.iter().flat_map(|item| log.list(&["--entity", "item", item]));
    for event in of_order.iter().cloned().chain(of_items) {
        let place = (text(&event["timestamp"]).to_string(), event["record"]["position"].as_u64().unwrap());
        all.insert(place, event);
    }
    let all: Vec<Value> = all.into_values().collect();
    let types: Vec<&Value> = all.iter().map(|event| &event["type"]).collect();
    assert_eq!(json!(all.len()), expected["events_of_order_and_its_items"]);
    assert_eq!(
        (json!(types), json!(ids_of(&all, "package"))),
        (expected["types_in_order"].clone(), expected["packages"].clone())
    );
}

fn compare_item_and_package(log: &Log) {
    let item = log.list(&["--entity", "item", "880001"]);
    let pairs: Vec<[&Value; 2]> = item.iter().map(|event| [&event["timestamp"], &event["type"]]).collect();
    assert_eq!(json!(pairs), log.expected["item_880001_events"]);
    let package = log.list(&["--entity", "package", "660002"]);
    let expected = &log.expected["package_660002"];
    assert_eq!(
        (json!(package.len()), json!(ids_of(&package, "item"))),
        (expected["events"].clone(), expected["items"].clone())
    );
}
