//! A journal that has lost its end: a chain cannot tell, and the index beside it can.

use std::fs;

use regie_journal::{Break, BreakKind, Journal, OpenNote, verify};
use rusqlite::Connection;

use crate::helpers::{OpenedExt, Place, Story};

fn first_break(place: &Place) -> Option<Break> {
    let (readers, _) = Journal::open_read_only(&place.path()).unwrap();
    verify(&mut *readers.truth().unwrap(), &mut |_| {}).unwrap().first_break
}

/// What opening the journal tells that was lost.
fn losses(place: &Place) -> Vec<OpenNote> {
    let opened = place.open();
    let losses = opened.notes.iter().filter(|note| note.is_loss()).cloned().collect();
    opened.close();
    losses
}

/// The files as a process that is killed leaves them, after `turns` of two correlations: nothing is written back.
fn killed(turns: usize) -> Place {
    let (running, killed) = (Place::new(), Place::new());
    let mut opened = running.open();
    let (mut story, half) = (Story::default(), turns / 2);
    for turn in story.events(2, half) {
        opened.writer.append(&[turn]).unwrap();
    }
    opened.catch_up();
    for file in fs::read_dir(running.directory.path()).unwrap().map(|file| file.unwrap()) {
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(file.path(), killed.directory.path().join(file.file_name())).unwrap();
        }
    }
    opened.close();
    killed
}

fn assert_lost_from(place: &Place, position: u64, sequence: u64) {
    let found = first_break(place).expect("a break");
    assert_eq!((found.kind, found.position, found.sequence), (BreakKind::JournalEnd, position, sequence), "{found}");
    assert_eq!(found.correlation, format!("c{}", (position + 1) % 2), "{found}");
}

#[test]
fn a_killed_process_leaves_nothing_lost() {
    let place = killed(20);
    assert_eq!((first_break(&place), losses(&place)), (None, vec![]));
}

#[test]
fn a_deleted_last_row_is_told_by_the_index_and_then_the_journal_goes_on() {
    let place = Place::new();
    place.write(&Story::default().events(2, 2));
    place.harm("DELETE FROM turns WHERE position = 4");
    assert_lost_from(&place, 4, 2);
    assert_eq!(losses(&place), [OpenNote::EndLost { seen: 4, left: 3, events: 1 }]);
    assert_eq!((first_break(&place), losses(&place)), (None, vec![]));
}

#[test]
fn who_only_reads_is_told_that_the_end_is_lost() {
    let place = Place::new();
    place.write(&Story::default().events(2, 2));
    place.harm("DELETE FROM turns WHERE position > 2");
    let (_, notes) = Journal::open_read_only(&place.path()).unwrap();
    assert!(notes.contains(&OpenNote::EndLost { seen: 4, left: 2, events: 2 }), "{notes:?}");
}

#[test]
fn a_log_that_is_cut_off_anywhere_is_a_lost_end() {
    for part in 3..10 {
        let place = killed(20);
        let log = fs::read(place.beside("-wal")).unwrap();
        fs::write(place.beside("-wal"), &log[..log.len() * part / 10]).unwrap();
        let Some(found) = first_break(&place) else { panic!("a log cut at {part} is whole") };
        assert_eq!(found.kind, BreakKind::JournalEnd, "{found}");
        let [OpenNote::EndLost { seen: 20, left, events }] = losses(&place)[..] else { panic!("no loss") };
        assert_eq!((left + 1, left + events), (found.position, 20));
    }
}

#[test]
fn a_log_that_is_gone_with_all_that_there_was_is_told_to_whoever_opens_it() {
    let place = killed(20);
    fs::write(place.beside("-wal"), b"").unwrap();
    let found = first_break(&place).expect("a break");
    assert_eq!((found.kind, found.position), (BreakKind::JournalEnd, 1));
    assert_eq!(losses(&place).len(), 1);
}

#[test]
fn a_flipped_bit_in_the_log_is_a_lost_end() {
    let place = killed(20);
    let mut log = fs::read(place.beside("-wal")).unwrap();
    let at = log.len() * 3 / 4;
    log[at] ^= 0x04;
    fs::write(place.beside("-wal"), log).unwrap();
    let found = first_break(&place).expect("a break");
    assert_eq!(found.kind, BreakKind::JournalEnd, "{found}");
    assert_eq!(losses(&place).len(), 1);
}

#[test]
fn an_older_copy_that_was_written_on_is_not_what_its_index_has_seen() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&story.events(2, 2));
    let (copy, mut other) = (fs::read(place.path()).unwrap(), story.clone());
    place.write(&[story.event("c0", "here")]);
    let index = fs::read(place.beside("-index")).unwrap();
    fs::write(place.path(), copy).unwrap();
    fs::remove_file(place.beside("-index")).unwrap();
    place.write(&[other.event("c0", "there")]);
    fs::write(place.beside("-index"), index).unwrap();
    assert_lost_from(&place, 5, 3);
    assert_eq!(losses(&place), [OpenNote::OtherRecords { position: 5 }]);
    assert_eq!(first_break(&place), None);
}

#[test]
fn an_index_that_is_not_of_one_piece_proves_nothing() {
    let place = Place::new();
    place.write(&Story::default().events(2, 2));
    Connection::open(place.beside("-index")).unwrap().execute("UPDATE covers SET position = 99", []).unwrap();
    assert_eq!((first_break(&place), losses(&place)), (None, vec![]));
}

#[test]
fn a_journal_that_is_gone_is_begun_anew_and_that_is_told() {
    let place = Place::new();
    place.write(&Story::default().events(2, 2));
    fs::remove_file(place.path()).unwrap();
    assert_eq!(losses(&place), [OpenNote::BegunAnew { seen: 4 }]);
    assert_eq!((first_break(&place), losses(&place)), (None, vec![]));
}
