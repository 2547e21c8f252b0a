//! Every kind of break is named with its place; a good journal has none.

use std::ops::ControlFlow;

use regie_core::event::{Event, LifeState};
use regie_core::query::{Filter, Order};
use regie_core::workflow::{Fact, Record};
use regie_journal::{Break, BreakKind, Journal, Opened, StoreError, Turn, VerifyReport, verify};

use crate::helpers::{OpenedExt, Place, Story, at, event, events, moved, received};

fn report(opened: &Opened) -> VerifyReport {
    verify(&mut *opened.readers.truth().unwrap(), &mut |_| {}).unwrap()
}

/// Two correlations with four events each, taking turns: `c0` at odd positions, `c1` at even ones.
fn harmed(sql: &str) -> Break {
    let place = Place::new();
    place.write(&Story::default().events(2, 4));
    assert_eq!(verify_at(&place).first_break, None);
    assert!(place.harm(sql) > 0);
    verify_at(&place).first_break.expect("a break")
}

fn verify_at(place: &Place) -> VerifyReport {
    let (readers, _) = Journal::open_read_only(&place.path()).unwrap();
    verify(&mut *readers.truth().unwrap(), &mut |_| {}).unwrap()
}

fn assert_break(found: &Break, kind: BreakKind, correlation: &str, sequence: u64) {
    assert_eq!((found.kind, found.correlation.as_str(), found.sequence), (kind, correlation, sequence), "{found}");
}

/// The first break of a journal that somebody without scruples has written.
fn written(turns: &[Turn]) -> Option<Break> {
    let mut opened = Journal::memory();
    opened.writer.append(turns).unwrap();
    report(&opened).first_break
}

#[test]
fn a_good_journal_has_no_break_and_its_head_is_the_writers() {
    let (mut opened, mut story) = (Journal::memory(), Story::default());
    opened.writer.append(&story.events(10, 10)).unwrap();
    let report = report(&opened);
    assert_eq!((report.records, report.correlations, report.first_break), (100, 10, None));
    assert_eq!(report.head, opened.writer.head());
    assert_eq!(report_of_nothing().records, 0);
}

fn report_of_nothing() -> VerifyReport {
    report(&Journal::memory())
}

#[test]
fn the_position_reached_is_told() {
    let (mut opened, mut story) = (Journal::memory(), Story::default());
    opened.writer.append(&story.events(10, 200)).unwrap();
    let mut told = Vec::new();
    verify(&mut *opened.readers.truth().unwrap(), &mut |position| told.push(position)).unwrap();
    assert!(told.is_sorted() && told.last() == Some(&2_000));
}

#[test]
fn a_deleted_event_is_a_gap() {
    let found = harmed("DELETE FROM turns WHERE position = 3");
    assert_break(&found, BreakKind::Gap, "c0", 2);
}

#[test]
fn a_deleted_beginning_is_a_gap_and_the_name_is_taken_from_what_is_left() {
    let found = harmed("DELETE FROM turns WHERE position = 1");
    assert_break(&found, BreakKind::Gap, "c0", 1);
}

#[test]
fn a_correlation_without_any_name_left_is_told_by_its_number() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&[story.facts("a", vec![]), story.facts("a", vec![])]);
    place.harm("DELETE FROM turns WHERE position = 1");
    assert_break(&verify_at(&place).first_break.unwrap(), BreakKind::Gap, "#1", 1);
}

/// Exchanges columns of the rows at positions 3 and 5, which are the second and third of `c0`.
fn swapped(columns: &str) -> Break {
    let place = Place::new();
    place.write(&Story::default().events(2, 4));
    let file = rusqlite::Connection::open(place.path()).unwrap();
    file.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM turns").unwrap();
    let swap = format!(
        "UPDATE turns SET ({columns}) = (SELECT {columns} FROM kept WHERE kept.position = 8 - turns.position)
        WHERE position IN (3, 5)"
    );
    assert_eq!(file.execute(&swap, []).unwrap(), 2);
    verify_at(&place).first_break.unwrap()
}

#[test]
fn swapped_rows_are_out_of_order() {
    assert_break(&swapped("sequence, head, body"), BreakKind::Order, "c0", 2);
    assert_break(&swapped("sequence, body"), BreakKind::Order, "c0", 2);
}

#[test]
fn swapped_bodies_are_out_of_order() {
    assert_break(&swapped("body"), BreakKind::Order, "c0", 2);
}

#[test]
fn a_row_that_says_another_sequence_is_out_of_order() {
    assert_break(&harmed("UPDATE turns SET sequence = 9 WHERE position = 3"), BreakKind::Order, "c0", 2);
}

#[test]
fn a_row_and_its_record_that_name_different_sequences_are_told_apart() {
    let found = swapped("sequence");
    assert_break(&found, BreakKind::Order, "c0", 2);
    assert_eq!(found.detail, "its row says that it is record 3");
}

#[test]
fn a_repeated_row_is_out_of_order() {
    let repeat = "INSERT INTO turns SELECT 9, correlation, sequence, head, body FROM turns WHERE position = 3";
    assert_break(&harmed(repeat), BreakKind::Order, "c0", 5);
}

#[test]
fn a_flipped_byte_anywhere_in_a_body_is_a_digest_that_does_not_fit() {
    let place = Place::new();
    place.write(&Story::default().events(2, 2));
    let file = rusqlite::Connection::open(place.path()).unwrap();
    let body: Vec<u8> = file.query_row("SELECT body FROM turns WHERE position = 3", [], |row| row.get(0)).unwrap();
    for at in 0..body.len() {
        let mut flipped = body.clone();
        flipped[at] ^= 0x01;
        file.execute("UPDATE turns SET body = ?1 WHERE position = 3", [&flipped]).unwrap();
        let found = verify_at(&place).first_break.unwrap();
        assert_eq!(
            (found.kind, found.correlation.as_str(), found.position),
            (BreakKind::Digest, "c0", 3),
            "byte {at}: {found}"
        );
    }
    file.execute("UPDATE turns SET body = ?1 WHERE position = 3", [&body]).unwrap();
    assert_eq!(verify_at(&place).first_break, None);
}

#[test]
fn the_last_event_taken_away_with_its_index_is_seen_by_nobody_but_the_head() {
    let (place, mut story) = (Place::new(), Story::default());
    let head = place.write(&story.events(2, 2)).head;
    place.harm("DELETE FROM turns WHERE position = 4");
    std::fs::remove_file(place.beside("-index")).unwrap();
    let report = verify_at(&place);
    assert_eq!(report.first_break, None);
    assert_ne!(report.head, head);
}

#[test]
fn a_missing_correlation_is_a_gap_of_the_journal() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&[story.event("a", "1"), story.event("b", "1"), story.event("a", "2")]);
    place.harm("DELETE FROM turns WHERE position = 2");
    let found = verify_at(&place).first_break.unwrap();
    assert_eq!((found.kind, found.position), (BreakKind::JournalGap, 3));
}

#[test]
fn a_changed_head_breaks_the_journals_chain() {
    let found = harmed("UPDATE turns SET head = zeroblob(32) WHERE position = 4");
    assert_eq!((found.kind, found.position), (BreakKind::JournalChain, 4));
}

#[test]
fn a_break_within_a_correlation_comes_before_one_of_the_journal() {
    let place = Place::new();
    place.write(&Story::default().events(2, 4));
    place.harm("UPDATE turns SET head = zeroblob(32) WHERE position = 2");
    place.harm("DELETE FROM turns WHERE position = 5");
    assert_break(&verify_at(&place).first_break.unwrap(), BreakKind::Gap, "c0", 3);
}

#[test]
fn a_correlation_begins_once_and_with_its_first_record() {
    let mut story = Story::default();
    let again = Fact::Opened { correlation: "a".into() };
    let turns = [story.event("a", "1"), story.facts("a", vec![again])];
    assert_break(&written(&turns).unwrap(), BreakKind::Opening, "a", 2);
    let record = Record { sequence: 1, at: at(0), facts: vec![] }.encode(Default::default());
    let nameless = Turn { records: vec![record], ..Story::default().event("a", "1") };
    assert_break(&written(&[nameless]).unwrap(), BreakKind::Opening, "#1", 1);
}

#[test]
fn a_record_that_nobody_can_read_is_named() {
    let mut turn = Story::default().event("a", "1");
    turn.records[0].bytes = vec![7, 7, 7];
    turn.records[0].digest = regie_core::Digest::ZERO.chain(&[7, 7, 7]);
    assert_break(&written(&[turn]).unwrap(), BreakKind::Unreadable, "#1", 1);
}

#[test]
fn a_move_that_the_life_of_an_event_does_not_have_is_named() {
    let mut story = Story::default();
    let turns = [story.event("a", "1"), story.facts("a", vec![moved(1, LifeState::Deferred)])];
    assert_break(&written(&turns).unwrap(), BreakKind::Lifecycle, "a", 2);
    let mut story = Story::default();
    let turn = story.receives(event("a", "1"), &[LifeState::Deferred, LifeState::Processed]);
    assert_break(&written(&[turn]).unwrap(), BreakKind::Lifecycle, "a", 1);
}

fn emitted(story: &mut Story, correlation: &str, id: &str, cause: &str) -> Turn {
    let incoming = Event::new("task.created", correlation).id(id).cause(cause).build().unwrap();
    story.facts(correlation, vec![received(&incoming, true)])
}

#[test]
fn the_cause_of_an_emitted_event_is_somewhere_before_it() {
    let mut story = Story::default();
    let other = Event::new("task.created", "b").id("far").source("shop").build().unwrap();
    let mut turns = vec![story.event("a", "1"), emitted(&mut story, "b", "2", "1")];
    turns.push(story.facts("b", vec![received(&other, false)]));
    turns.push(emitted(&mut story, "a", "3", "shop#far"));
    assert_eq!(written(&turns), None);
    turns.push(emitted(&mut story, "a", "4", "nowhere"));
    assert_break(&written(&turns).unwrap(), BreakKind::Causation, "a", 3);
}

#[test]
fn a_cause_after_its_effect_is_none() {
    let mut story = Story::default();
    let turns = [emitted(&mut story, "a", "1", "2"), story.event("b", "2"), emitted(&mut story, "a", "3", "2")];
    assert_break(&written(&turns).unwrap(), BreakKind::Causation, "a", 1);
    let mut story = Story::default();
    assert_break(&written(&[emitted(&mut story, "a", "1", "1")]).unwrap(), BreakKind::Causation, "a", 1);
}

#[test]
fn what_a_caller_says_of_a_cause_is_its_own_affair() {
    let mut story = Story::default();
    assert_eq!(written(&[story.takes(event("a", "1").cause("nowhere"))]), None);
}

#[test]
fn loading_a_damaged_correlation_names_the_sequence() {
    let place = Place::new();
    place.write(&Story::default().events(2, 4));
    place.harm("UPDATE turns SET body = (SELECT body FROM turns WHERE position = 5) WHERE position = 3");
    let mut reader = place.open().reader();
    let Err(StoreError::Damaged { why }) = reader.load("c0", 0) else { panic!("it was loaded") };
    assert!(why.contains("record 2 of 'c0'"), "{why}");
    assert_eq!(reader.load("c1", 0).unwrap().len(), 4);
}

#[test]
fn a_correlation_whose_row_is_gone_is_loaded_up_to_the_record_that_is_missing() {
    let place = Place::new();
    place.write(&Story::default().events(2, 4));
    place.harm("DELETE FROM turns WHERE position = 5");
    let error = place.open().reader().load("c0", 0).unwrap_err();
    assert!(error.to_string().contains("record 3 of 'c0': its row is missing"), "{error}");
}

/// Why the events of a journal cannot be handed out after some harm; read by the index that it had, or by a new one.
fn unreadable(harm: &str, with_index: bool) -> String {
    let place = Place::new();
    place.write(&Story::default().events(2, 4));
    if !with_index {
        std::fs::remove_file(place.beside("-index")).unwrap();
    }
    place.harm(harm);
    let (readers, _) = Journal::open_read_only(&place.path()).unwrap();
    let mut reader = readers.open().unwrap();
    let told = reader.events(&Filter::default(), &mut |_| ControlFlow::Continue(()));
    told.unwrap_err().to_string()
}

#[test]
fn an_event_is_handed_out_only_if_its_record_is_what_its_chain_says() {
    let flip = "UPDATE turns SET body = CAST(replace(CAST(body AS TEXT), 'task.created', 'tAsk.created') AS BLOB)
        WHERE position = 5";
    for with_index in [true, false] {
        let told = unreadable(flip, with_index);
        assert!(told.contains("record 3 of 'c0': its digest does not fit"), "{told}");
    }
    let told = unreadable("DELETE FROM turns WHERE position = 5", true);
    assert!(told.contains("position 5"), "{told}");
}

#[test]
fn events_of_turns_with_several_records_are_handed_out_whole_in_any_order() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut turns = story.events(3, 6);
    turns.insert(9, story.records("c1x", vec![vec![], vec![], vec![]]));
    turns.push(story.event("c1x", "late"));
    place.write(&turns);
    let mut reader = place.open().reader();
    for order in [Order::Oldest, Order::Newest] {
        assert_eq!(events(&mut reader, &Filter { order, ..Filter::default() }).len(), 19);
    }
}
