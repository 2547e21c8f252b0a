//! Rows that are handed over to the index make the same index as the journal does when it is read.

use std::fs;
use std::sync::Arc;

use regie_core::event::{EntityRef, Format, Incoming, LifeState, Origin, Principal};
use regie_core::query::Filter;
use regie_core::workflow::{Fact, Record};
use regie_journal::{Opened, Told, Turn};
use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use crate::helpers::{OpenedExt, Place, Story, event, moved, received};

/// What whoever made a turn knows of it: its records, and the events as they came in.
fn told(turn: &Turn) -> Option<Told> {
    let records: Arc<[Record]> = turn.records.iter().map(|it| Record::decode(&it.bytes).unwrap()).collect();
    let came = |fact: &Fact| match fact {
        Fact::Received { raw, .. } => Some(Incoming::read(raw.as_bytes(), Origin::Call).unwrap().shared()),
        _ => None,
    };
    let events = records.iter().map(|record| record.facts.iter().find_map(came)).collect();
    Some(Told::new(records, events))
}

/// A journal whose index is handed what is written.
fn open(place: &Place) -> Opened {
    let opened = place.open();
    opened.indexer.as_ref().unwrap().gather(std::time::Duration::ZERO);
    opened
}

/// Every row of every table of the index.
fn tables(place: &Place) -> Vec<(String, Vec<String>)> {
    let index = Connection::open(place.beside("-index")).unwrap();
    let mut names = index.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let cells =
        |row: &Row<'_>| (0..row.as_ref().column_count()).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>();
    let rows = |name: &str| {
        let mut all = index.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let mut rows: Vec<String> =
            all.query_map([], cells).unwrap().map(|row| format!("{:?}", row.unwrap())).collect();
        rows.sort_unstable();
        rows
    };
    names.iter().map(|name| (name.clone(), rows(name))).collect()
}

fn cloud(text: &str) -> Vec<Fact> {
    let incoming = Incoming::read(text.as_bytes(), Origin::Call).unwrap();
    let (format, raw, identity) = (Format::CloudEvents, incoming.raw().clone(), incoming.identity());
    vec![Fact::Received { format, raw, identity, made_id: None, emitted: false }]
}

/// Turns of all that the index looks at: names and none, times and none, moves in the same turn, in the same batch and later.
fn turns(story: &mut Story) -> Vec<Turn> {
    let mut turns = story.events(90, 2);
    for nth in 0..150 {
        let named = event(&format!("d{}", nth % 3), &format!("x{nth}"))
            .actor(Principal::user(format!("u{}", nth % 4)))
            .session("s")
            .cause("e1")
            .entity(EntityRef::new("task", format!("{}", nth % 6)))
            .related(EntityRef::new("sprint", "1"));
        turns.push(story.receives(named, &[LifeState::Deferred]));
    }
    let timeless = regie_core::event::Event::new("timeless", "d0").id("t");
    turns.push(story.takes(timeless));
    let text =
        r#"{"specversion":"1.0","type":"a","source":"s","id":"1","subject":"t/1","correlationid":"cloud","data":1}"#;
    turns.push(story.facts("cloud", cloud(text)));
    let of_one = |nth: u64| vec![received(&event("many", &format!("m{nth}")).build().unwrap(), false)];
    let mut several: Vec<Vec<Fact>> = (1..=3).map(of_one).collect();
    several.push(vec![moved(1, LifeState::Processed)]);
    several.push(vec![moved(2, LifeState::Deferred)]);
    turns.push(story.records("many", several));
    turns.push(story.facts("d0", vec![moved(1, LifeState::Discarded)]));
    turns.push(story.facts("many", vec![moved(3, LifeState::Escalated)]));
    turns
}

#[test]
fn what_is_handed_over_and_what_is_read_make_the_same_index() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = open(&place);
    for (nth, some) in turns(&mut story).chunks(40).enumerate() {
        let what = some.iter().enumerate().map(|(at, turn)| told(turn).filter(|_| at % 7 != nth)).collect();
        opened.writer.append_told(some, what).unwrap();
        if nth % 3 == 2 {
            opened.catch_up();
        }
    }
    opened.catch_up();
    opened.close();
    let handed = tables(&place);
    fs::remove_file(place.beside("-index")).unwrap();
    place.open().close();
    assert_eq!(handed, tables(&place));
    assert!(handed.iter().any(|(name, rows)| name == "events" && rows.len() > 300), "{handed:?}");
}

#[test]
fn what_is_too_much_to_be_handed_over_is_read() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = open(&place);
    let large = |nth: i32| event("large", &format!("l{nth}")).payload(serde_json::json!("x".repeat(900_000)));
    let mut turns: Vec<Turn> = (0..30).map(|nth| story.takes(large(nth))).collect();
    turns.extend(story.events(3, 1));
    for turn in &turns {
        opened.writer.append_told(std::slice::from_ref(turn), vec![told(turn)]).unwrap();
    }
    assert_eq!(opened.reader().count(&Filter::default()), Ok(33));
    opened.close();
    let handed = tables(&place);
    fs::remove_file(place.beside("-index")).unwrap();
    place.open().close();
    assert_eq!(handed, tables(&place));
}

#[test]
fn a_row_that_is_handed_over_is_not_read_again() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = open(&place);
    let turn = story.event("a", "1");
    // Nobody may do so; it shows whose word is taken.
    let other = event("a", "1").actor(Principal::user("somebody else")).build().unwrap();
    let records = turn.records.iter().map(|it| Record::decode(&it.bytes).unwrap()).collect();
    opened.writer.append_told(&[turn], vec![Some(Told::new(records, vec![Some(other.shared())]))]).unwrap();
    assert!(opened.reader().stats(&Filter::default()).unwrap().by_actor.contains_key("somebody else"));
}
