//! Without room, an append is refused and everything acknowledged stays; with room again, it goes on.

use regie_core::Json;
use regie_core::workflow::Fact;
use regie_journal::{Journal, Opened, SqliteOptions, StoreError, Turn, verify};

use crate::helpers::{OpenedExt, Place, Story};

fn heavy(story: &mut Story, correlation: &str) -> Turn {
    story.facts(correlation, vec![Fact::Noted { data: Json::of(&"x".repeat(20_000)) }])
}

fn open(place: &Place, max_bytes: u64) -> Opened {
    Journal::open(SqliteOptions { max_bytes: Some(max_bytes), ..place.options() }).unwrap()
}

/// Appends until it is refused; tells how much was taken. The refused turn is not part of the story.
fn fill(opened: &mut Opened, story: &mut Story) -> u64 {
    for nth in 0..100 {
        let mut next = story.clone();
        match opened.writer.append(&[heavy(&mut next, &format!("c{}", nth % 3))]) {
            Ok(_) => *story = next,
            Err(StoreError::Full { .. }) => return opened.writer.head().position,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("it was never full");
}

#[test]
fn a_full_journal_refuses_and_keeps_everything() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = open(&place, 300_000);
    let taken = fill(&mut opened, &mut story);
    assert!((5..20).contains(&taken), "{taken}");
    let report = verify(&mut *opened.readers.truth().unwrap(), &mut |_| {}).unwrap();
    assert_eq!((report.records, report.head, report.first_break), (taken, opened.writer.head(), None));
}

#[test]
fn what_still_fits_is_taken_after_a_refusal() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = open(&place, 300_000);
    let taken = fill(&mut opened, &mut story);
    let small = opened.writer.append(&[story.event("small", "e")]);
    assert!(small.is_ok() || matches!(small, Err(StoreError::Full { .. })));
    assert!(opened.writer.head().position >= taken);
}

#[test]
fn it_goes_on_once_there_is_room() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = open(&place, 300_000);
    let taken = fill(&mut opened, &mut story);
    opened.close();
    let mut opened = open(&place, 900_000);
    assert_eq!(opened.writer.head().position, taken);
    assert!(fill(&mut opened, &mut story) > taken + 10);
    let report = verify(&mut *opened.readers.truth().unwrap(), &mut |_| {}).unwrap();
    assert_eq!(report.first_break, None);
}
