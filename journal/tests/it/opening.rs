//! Files that cannot be opened are refused by typed errors, and left as they are.

use std::fs;

use regie_journal::{Durability, Journal, SqliteOptions, StoreError, verify};
use rusqlite::Connection;

use crate::helpers::{OpenedExt, Place, Story};

fn written() -> Place {
    let place = Place::new();
    place.write(&Story::default().events(20, 20));
    place
}

#[test]
fn opening_writes_no_record() {
    let place = Place::new();
    place.open().close();
    assert_eq!(place.open().writer.head().position, 0);
    assert_eq!(place.open().notes, []);
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let place = Place::new();
    let text = "Dear diary, ".repeat(500);
    fs::write(place.path(), &text).unwrap();
    assert!(matches!(place.refusal(), StoreError::NotOurs { .. }));
    assert!(matches!(Journal::open_read_only(&place.path()), Err(StoreError::NotOurs { .. })));
    assert_eq!(fs::read_to_string(place.path()).unwrap(), text);
}

#[test]
fn the_database_of_something_else_is_refused_and_left_alone() {
    let place = Place::new();
    Connection::open(place.path()).unwrap().execute_batch("CREATE TABLE mine (a)").unwrap();
    let before = fs::read(place.path()).unwrap();
    assert!(matches!(place.refusal(), StoreError::NotOurs { .. }));
    assert_eq!(fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_newer_version_is_refused_with_both_versions() {
    let place = written();
    Connection::open(place.path()).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let newer = |error| matches!(error, StoreError::Newer { found: 9, known: 1, .. });
    assert!(newer(place.refusal()));
    assert!(newer(Journal::open_read_only(&place.path()).map(drop).unwrap_err()));
}

#[test]
fn a_second_owner_is_refused_and_told_who_the_first_is() {
    let place = written();
    let opened = place.open();
    let StoreError::Owned { owner, .. } = place.refusal() else { panic!("another refusal") };
    assert_eq!(owner, Some(std::process::id()));
    opened.close();
    place.open().close();
}

#[test]
fn what_is_not_there_cannot_be_read() {
    let place = Place::new();
    assert!(matches!(Journal::open_read_only(&place.path()), Err(StoreError::Missing { .. })));
    assert!(!place.path().exists());
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let place = Place::new();
    let options = SqliteOptions::at(place.directory.path().join("no/such/regie.db"));
    assert!(matches!(Journal::open(options), Err(StoreError::Failed { why }) if why.contains("folder")));
}

#[test]
fn a_truncated_file_is_refused_as_damaged() {
    let place = written();
    let bytes = fs::read(place.path()).unwrap();
    fs::write(place.path(), &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(place.refusal(), StoreError::Damaged { .. }));
}

#[test]
fn an_emptied_file_is_not_taken_for_a_new_journal() {
    let place = written();
    fs::write(place.path(), b"").unwrap();
    assert!(matches!(place.refusal(), StoreError::Damaged { .. }));
}

#[test]
fn every_flipped_byte_is_an_error_or_a_break_and_never_a_panic() {
    let place = written();
    let bytes = fs::read(place.path()).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 150) {
        let harmed = Place::new();
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x11;
        fs::write(harmed.path(), &bytes).unwrap();
        if let Ok((readers, _)) = Journal::open_read_only(&harmed.path())
            && let Ok(mut truth) = readers.truth()
        {
            let _ = verify(&mut *truth, &mut |_| {});
            let _ = readers.open().map(|mut reader| reader.stats(&Default::default()).is_ok());
        }
        let _ = Journal::open(harmed.options());
    }
}

#[test]
fn strict_and_relaxed_are_opened_alike() {
    let place = written();
    for durability in [Durability::Strict, Durability::Relaxed] {
        let opened = Journal::open(SqliteOptions { durability, ..place.options() }).unwrap();
        assert_eq!(opened.writer.head().position, 400);
        opened.close();
    }
}

#[test]
fn a_path_with_odd_letters_is_fine() {
    let place = Place::new();
    let path = place.directory.path().join("a b#c?d%e.db");
    Journal::open(SqliteOptions::at(&path)).unwrap().close();
    assert!(Journal::open_read_only(&path).is_ok());
}

/// Files that hold no journal any more, each with how it came to be so.
fn emptied() -> Vec<(&'static str, Vec<u8>)> {
    let nothing = Place::new();
    Connection::open(nothing.path()).unwrap().execute_batch("CREATE TABLE a (b); DROP TABLE a").unwrap();
    let whole = fs::read(written().path()).unwrap();
    let mut rows = vec![("an empty database", fs::read(nothing.path()).unwrap())];
    rows.extend([1, 15, 99].map(|bytes| ("cut to some bytes", whole[..bytes].to_vec())));
    rows
}

#[test]
fn a_file_that_held_a_journal_is_not_begun_anew_and_is_left_alone() {
    for (how, bytes) in emptied() {
        for proof in ["-index", "-lock"] {
            let place = written();
            let other = if proof == "-index" { "-lock" } else { "-index" };
            fs::remove_file(place.beside(other)).unwrap();
            fs::write(place.path(), &bytes).unwrap();
            let refusal = place.refusal();
            assert!(matches!(refusal, StoreError::Damaged { .. }), "{how}, {} bytes, {proof}: {refusal}", bytes.len());
            assert_eq!(fs::read(place.path()).unwrap(), bytes, "{how}, {proof}");
        }
    }
}

#[test]
fn a_file_that_never_held_one_is_begun_unless_it_is_something_else() {
    let place = Place::new();
    fs::write(place.path(), b"").unwrap();
    place.open().close();
    let place = Place::new();
    fs::write(place.path(), b"x").unwrap();
    assert!(matches!(place.refusal(), StoreError::NotOurs { .. }));
    assert_eq!(fs::read(place.path()).unwrap(), b"x");
}

#[test]
fn a_file_that_lacks_its_last_bytes_or_pages_is_not_written_to() {
    for missing in [1, 100, 4_096, 3 * 4_096] {
        let place = written();
        let mut bytes = fs::read(place.path()).unwrap();
        bytes.truncate(bytes.len() - missing);
        fs::write(place.path(), &bytes).unwrap();
        let refusal = place.refusal();
        let told = format!("{missing} of its bytes are missing");
        assert!(matches!(&refusal, StoreError::Damaged { why } if why.contains(&told)), "{missing}: {refusal}");
        assert_eq!(fs::read(place.path()).unwrap(), bytes);
    }
}

#[test]
fn a_file_that_may_not_be_written_is_refused_when_it_is_opened() {
    let place = written();
    let mut mode = fs::metadata(place.path()).unwrap().permissions();
    mode.set_readonly(true);
    fs::set_permissions(place.path(), mode).unwrap();
    // Whoever may do everything is not held by the mode of a file.
    if fs::OpenOptions::new().append(true).open(place.path()).is_err() {
        assert!(matches!(place.refusal(), StoreError::ReadOnly { path, .. } if path.ends_with("regie.db")));
    }
}

/// A rollback journal of SQLite's that says how many pages there were before.
fn rollback_journal(pages: u8) -> Vec<u8> {
    let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 0, 7, 7, 7, 7, 0, 0, 0, pages];
    journal.extend([0, 0, 2, 0, 0, 0, 16, 0]); // sectors of 512 bytes, pages of 4096
    journal.resize(512, 0);
    journal
}

#[test]
fn a_file_that_lost_power_while_it_was_made_is_made_anew() {
    for content in [vec![0; 4096], b"SQLite format 3".repeat(273)] {
        let (place, mut story) = (Place::new(), Story::default());
        fs::write(place.path(), content).unwrap();
        fs::write(place.beside("-journal"), rollback_journal(0)).unwrap();
        assert_eq!(place.write(&story.events(1, 2)).head.position, 2);
        assert!(!place.beside("-journal").exists());
    }
}

#[test]
fn a_file_that_held_something_before_is_left_as_it_is() {
    let place = Place::new();
    fs::write(place.path(), vec![0; 4096]).unwrap();
    fs::write(place.beside("-journal"), rollback_journal(1)).unwrap();
    assert!(matches!(place.refusal(), StoreError::NotOurs { .. }));
    assert!(place.beside("-journal").exists());
}

#[test]
fn a_file_that_has_two_names_has_no_owner_by_either() {
    let place = written();
    fs::hard_link(place.path(), place.beside("-other")).unwrap();
    assert!(matches!(place.refusal(), StoreError::ReadOnly { why, .. } if why.contains("hard link")));
    fs::remove_file(place.beside("-other")).unwrap();
    place.open().close();
}
