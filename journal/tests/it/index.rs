//! The index can be lost, and then it is built again, equal to the one that was lost, and said so.

use std::fs;

use regie_core::event::{EntityRef, Identity, LifeState, Principal};
use regie_core::limits;
use regie_core::query::{Filter, Stats};
use regie_journal::{Opened, Turn};
use rusqlite::Connection;

use crate::helpers::{OpenedExt, Place, Story, assert_rebuilt, at, event, events, moved, received};

fn turns(story: &mut Story) -> Vec<Turn> {
    let mut turns = story.events(7, 5);
    for nth in 0..20 {
        let event = event(&format!("d{}", nth % 3), &format!("x{nth}"))
            .actor(Principal::user(format!("u{}", nth % 4)))
            .session("s")
            .entity(EntityRef::new("task", format!("{}", nth % 6)))
            .timestamp(at(i64::from(20 - nth)));
        turns.push(story.receives(event, &[LifeState::Deferred]));
    }
    turns.push(story.facts("d0", vec![moved(1, LifeState::Discarded)]));
    turns
}

/// Everything that the index tells: the counts, and position, sequence and state of each event.
type Told = (Stats, Vec<(u64, u64, LifeState)>);

fn told(opened: &mut Opened) -> Told {
    let mut reader = opened.reader();
    let all = events(&mut reader, &Filter::default());
    let rows = all.iter().map(|event| (event.position, event.sequence, event.state)).collect();
    (reader.stats(&Filter::default()).unwrap(), rows)
}

fn written() -> (Place, Told) {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    for turn in turns(&mut story) {
        opened.writer.append(&[turn]).unwrap();
        opened.catch_up();
    }
    let told = told(&mut opened);
    opened.close();
    (place, told)
}

fn assert_rebuilds(harm: impl Fn(&Place), because: &str) {
    let (place, before) = written();
    harm(&place);
    let mut opened = place.open();
    assert_rebuilt(&opened.notes, because);
    assert_eq!(told(&mut opened), before);
    opened.close();
    assert_eq!(place.open().notes, []);
}

#[test]
fn a_good_index_is_used_without_a_word() {
    let (place, before) = written();
    let mut opened = place.open();
    assert_eq!(opened.notes, []);
    assert_eq!(told(&mut opened), before);
}

#[test]
fn a_missing_index_is_rebuilt() {
    assert_rebuilds(|place| fs::remove_file(place.beside("-index")).unwrap(), "missing");
}

#[test]
fn a_corrupt_index_is_rebuilt() {
    let scribble = |place: &Place, from: usize| {
        let mut bytes = fs::read(place.beside("-index")).unwrap();
        let to = bytes.len().min(from + 20_000);
        bytes[from..to].fill(0xa5);
        fs::write(place.beside("-index"), bytes).unwrap();
    };
    assert_rebuilds(|place| scribble(place, 0), "corrupt");
    assert_rebuilds(|place| scribble(place, 8_192), "corrupt");
    assert_rebuilds(|place| fs::write(place.beside("-index"), b"what is this").unwrap(), "corrupt");
    assert_rebuilds(|place| fs::write(place.beside("-index"), b"").unwrap(), "no index");
}

#[test]
fn an_index_that_is_cut_short_is_rebuilt() {
    let cut = |place: &Place| {
        let bytes = fs::read(place.beside("-index")).unwrap();
        fs::write(place.beside("-index"), &bytes[..bytes.len() / 2]).unwrap();
    };
    assert_rebuilds(cut, "corrupt");
}

#[test]
fn an_index_that_proved_to_be_corrupt_is_rebuilt_at_the_next_start() {
    assert_rebuilds(|place| fs::write(place.beside("-index-bad"), b"").unwrap(), "proved to be corrupt");
}

#[test]
fn an_index_of_another_journal_is_rebuilt() {
    let stranger = |place: &Place| {
        let (other, _) = written();
        fs::copy(other.beside("-index"), place.beside("-index")).unwrap();
    };
    assert_rebuilds(stranger, "another journal");
}

#[test]
fn an_index_of_another_version_is_rebuilt() {
    let age = |place: &Place| {
        Connection::open(place.beside("-index")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    };
    assert_rebuilds(age, "another version");
}

#[test]
fn an_index_that_is_ahead_of_the_journal_is_rebuilt() {
    let (place, _) = written();
    place.harm("DELETE FROM turns WHERE position > 20");
    let mut opened = place.open();
    assert_rebuilt(&opened.notes, "it covered");
    assert_eq!(told(&mut opened).0.events, 20);
}

#[test]
fn an_index_whose_end_is_not_the_journals_is_rebuilt() {
    let swap = |place: &Place| {
        Connection::open(place.beside("-index")).unwrap().execute("UPDATE covers SET head = zeroblob(32)", []).unwrap();
    };
    assert_rebuilds(swap, "another one at position");
}

#[test]
fn an_index_that_is_behind_catches_up_without_a_word() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    opened.writer.append(&turns(&mut story)).unwrap();
    opened.close();
    let mut opened = place.open();
    assert_eq!(opened.notes, []);
    assert_eq!(opened.readers.indexed(), 56);
    assert_eq!(told(&mut opened).0.events, 55);
}

/// A turn that takes in so many events from a number on, a record each.
fn many(story: &mut Story, from: u64, count: u64) -> Turn {
    let facts = |nth: u64| {
        let incoming = event("long", &format!("e{nth}")).build().unwrap();
        vec![received(&incoming, false), moved(nth, LifeState::Processed)]
    };
    story.records("long", (from..from + count).map(facts).collect())
}

#[test]
fn identities_are_found_in_short_correlations_and_in_long_ones_and_written_for_long_ones_alone() {
    let (place, mut story) = (Place::new(), Story::default());
    let short = limits::KNOWN_EVENTS as u64;
    let mut opened = place.open();
    let other = [story.event("short", "e1")];
    opened.writer.append(&other).unwrap();
    let rows = || {
        let index = Connection::open(place.beside("-index")).unwrap();
        index.query_row("SELECT count(*) FROM identities", [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
    };
    let assert_found = |opened: &mut Opened, count: u64| {
        let mut reader = opened.reader();
        let mut find =
            |name: &str, nth: u64| reader.find(name, Identity::of("regie:local", &format!("e{nth}"))).unwrap();
        assert!([1, 2, short - 1, count].iter().all(|nth| find("long", *nth) == Some(nth + 1)), "{count}");
        assert_eq!((find("long", count + 1), find("short", 1), find("short", 2)), (None, Some(1), None));
    };
    // Up to the last that is short; over it in the midst of a turn; then on.
    for (from, to) in [(1, short - 2), (short - 1, short), (short + 1, short + 3), (short + 4, short + 4)] {
        opened.writer.append(&[many(&mut story, from, to - from + 1)]).unwrap();
        if to >= short {
            assert_found(&mut opened, to);
        }
        assert_eq!(rows(), if to > short { to } else { 0 });
    }
    opened.close();
    fs::remove_file(place.beside("-index")).unwrap();
    assert_found(&mut place.open(), short + 4);
    assert_eq!(rows(), short + 4);
}
