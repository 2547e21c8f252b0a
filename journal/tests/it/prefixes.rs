//! A journal that is cut after any turn opens, verifies, and goes on from there.

use regie_core::query::Filter;
use regie_journal::{OpenNote, Turn, verify};
use rusqlite::Connection;

use crate::helpers::{OpenedExt, Place, Story, assert_rebuilt};

fn cut(whole: &Place, after: u64) -> Place {
    let place = Place::new();
    std::fs::copy(whole.path(), place.path()).unwrap();
    std::fs::copy(whole.beside("-index"), place.beside("-index")).unwrap();
    Connection::open(place.path())
        .unwrap()
        .execute("DELETE FROM turns WHERE position > ?1", [after.cast_signed()])
        .unwrap();
    place
}

fn turns() -> Vec<Turn> {
    let mut story = Story::default();
    let mut turns = story.events(3, 4);
    turns.insert(6, story.records("own", vec![vec![], vec![], vec![]]));
    turns
}

#[test]
fn every_prefix_opens_and_takes_the_rest() {
    let (whole, turns) = (Place::new(), turns());
    let head = whole.write(&turns).head;
    let mut position = 0;
    for kept in 0..turns.len() {
        let place = cut(&whole, position);
        let mut opened = place.open();
        assert_eq!(opened.writer.head().position, position);
        assert_rebuilt_unless_empty(&opened.notes, position);
        assert_eq!(verify(&mut *opened.readers.truth().unwrap(), &mut |_| {}).unwrap().first_break, None);
        let committed = opened.writer.append(&turns[kept..]).unwrap();
        assert!(committed.placed.iter().all(Result::is_ok));
        assert_eq!(committed.head, head);
        assert_eq!(opened.reader().count(&Filter::default()).unwrap(), 12);
        position += turns[kept].records.len() as u64;
    }
}

fn assert_rebuilt_unless_empty(notes: &[OpenNote], position: u64) {
    // What was cut off had been seen.
    assert!(notes.iter().any(|note| matches!(note, OpenNote::EndLost { left, .. } if *left == position)), "{notes:?}");
    match position {
        0 => assert_eq!(notes.len(), 1),
        _ => assert_rebuilt(notes, "it covered"),
    }
}

/// What is on disk at this moment, as the death of the process would leave it.
fn left_by_death(of: &Place) -> Place {
    let place = Place::new();
    for end in ["", "-wal", "-index", "-index-wal"] {
        std::fs::copy(of.beside(end), place.beside(end)).unwrap();
    }
    place
}

#[test]
fn whatever_was_answered_is_there_after_the_process_has_died() {
    let place = Place::new();
    let mut opened = place.open();
    for (nth, turn) in turns().into_iter().enumerate() {
        let head = opened.writer.append(&[turn]).unwrap().head;
        if nth % 3 == 0 {
            opened.catch_up();
        }
        let left = left_by_death(&place);
        let after = left.open();
        assert_eq!((after.writer.head(), after.notes.clone()), (head, vec![]));
        assert_eq!(after.readers.indexed(), head.position);
        assert_eq!(verify(&mut *after.readers.truth().unwrap(), &mut |_| {}).unwrap().first_break, None);
    }
}
