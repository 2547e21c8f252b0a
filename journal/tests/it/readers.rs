//! Readers beside the writer, in this process and as a visitor's.

use std::fs;
use std::time::Duration;

use regie_core::query::Filter;
use regie_journal::{Journal, OpenNote, StoreError, verify};

use crate::helpers::{OpenedExt, Place, Story, ids};

fn assert_in_memory(notes: &[OpenNote]) {
    assert!(matches!(notes, [OpenNote::IndexInMemory { .. }]), "{notes:?}");
}

#[test]
fn a_reader_sees_what_is_appended_beside_it() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    let mut reader = opened.reader();
    for nth in 1..=3 {
        let head = opened.writer.append(&[story.event("a", &format!("e{nth}"))]).unwrap().head;
        assert_eq!(reader.head().unwrap(), head);
        opened.catch_up();
        assert_eq!(reader.count(&Filter::default()).unwrap(), nth);
    }
}

#[test]
fn readers_on_other_threads_never_wait_for_the_writer() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    let readers = opened.readers.clone();
    let reading = std::thread::spawn(move || {
        let mut reader = readers.open().unwrap();
        while reader.count(&Filter::default()).unwrap() < 200 {
            let head = reader.head().unwrap().position;
            assert!(reader.rows_after(0, 1_000).unwrap().len() as u64 >= head);
        }
    });
    for turn in story.events(20, 10) {
        opened.writer.append(&[turn]).unwrap();
        opened.catch_up();
    }
    reading.join().unwrap();
}

#[test]
fn one_can_wait_for_the_index_and_is_told_if_it_does_not_come() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    opened.writer.append(&[story.event("a", "1")]).unwrap();
    let mut reader = opened.readers.open().unwrap();
    assert_eq!(reader.caught_up(1, Duration::ZERO), Err(StoreError::Behind { wanted: 1, reached: 0 }));
    let mut indexer = opened.indexer.take().unwrap();
    let following = std::thread::spawn(move || indexer.catch_up().unwrap());
    assert_eq!(reader.caught_up(1, Duration::from_secs(60)), Ok(()));
    assert_eq!(following.join().unwrap(), 1);
}

#[test]
fn a_visitor_reads_beside_the_owner() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    opened.writer.append(&[story.event("a", "1"), story.event("b", "2")]).unwrap();
    opened.catch_up();
    let (readers, notes) = Journal::open_read_only(&place.path()).unwrap();
    assert_eq!(notes, []);
    let mut reader = readers.open().unwrap();
    assert_eq!(ids(&mut reader, &Filter::default()), ["1", "2"]);
    opened.writer.append(&[story.event("a", "3")]).unwrap();
    opened.catch_up();
    assert_eq!(reader.caught_up(3, Duration::from_secs(60)), Ok(()));
    assert_eq!(reader.load("a", 0).unwrap().len(), 2);
}

#[test]
fn a_visitor_without_a_usable_index_builds_one_in_memory() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&[story.event("a", "1"), story.event("b", "2")]);
    fs::write(place.beside("-index"), b"rubbish").unwrap();
    let (readers, notes) = Journal::open_read_only(&place.path()).unwrap();
    assert_in_memory(&notes);
    let mut reader = readers.open().unwrap();
    assert_eq!(ids(&mut reader, &Filter::default()), ["1", "2"]);
    assert_eq!(reader.load("b", 0).unwrap().len(), 1);
    assert_eq!(fs::read(place.beside("-index")).unwrap(), b"rubbish");
}

#[test]
fn a_visitor_whose_index_is_behind_and_has_no_owner_builds_one_in_memory() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&[story.event("a", "1")]);
    let mut opened = place.open();
    opened.writer.append(&[story.event("b", "2")]).unwrap();
    opened.close();
    let (readers, notes) = Journal::open_read_only(&place.path()).unwrap();
    assert_in_memory(&notes);
    assert_eq!(readers.open().unwrap().count(&Filter::default()).unwrap(), 2);
}

#[test]
fn a_journal_in_a_place_that_cannot_be_written_is_read() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&[story.event("a", "1"), story.event("b", "2")]);
    let lock = |mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        for path in [place.path(), place.beside("-index"), place.directory.path().to_path_buf()] {
            let executable = if path.is_dir() { 0o111 } else { 0 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode | executable)).unwrap();
        }
    };
    lock(0o444);
    let (readers, notes) = Journal::open_read_only(&place.path()).unwrap();
    let count = readers.open().unwrap().count(&Filter::default());
    let bound_by_permissions = fs::write(place.directory.path().join("probe"), b"").is_err();
    let refusal = bound_by_permissions.then(|| place.refusal());
    lock(0o644);
    assert_eq!((count, notes), (Ok(2), vec![]));
    // Whoever runs the tests as root may write everywhere.
    assert!(matches!(refusal, None | Some(StoreError::ReadOnly { .. })), "{refusal:?}");
}

#[test]
fn a_damaged_journal_can_still_be_verified_by_a_visitor() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&story.events(2, 3));
    place.harm("UPDATE turns SET body = x'00' WHERE position = 6");
    let (readers, _) = Journal::open_read_only(&place.path()).unwrap();
    let report = verify(&mut *readers.truth().unwrap(), &mut |_| {}).unwrap();
    assert_eq!(report.first_break.unwrap().position, 6);
}

#[test]
fn each_part_may_go_to_a_thread_of_its_own() {
    fn goes<T: Send>() {}
    goes::<regie_journal::Writer>();
    goes::<regie_journal::Indexer>();
    goes::<regie_journal::Reader>();
    goes::<regie_journal::Readers>();
}
