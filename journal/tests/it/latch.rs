//! After a write whose outcome is unknown nothing more is taken, until the journal has been opened anew and verified.

use std::fs;

use regie_journal::{
    Conflict, EventReader, EventStore, Head, Journal, OpenNote, Placed, StoreError, Trails, Turn, Writer,
};

use crate::helpers::{OpenedExt, Place, Story};

/// Fails the append of a given number, and everything after it.
struct Faulty {
    inner: Box<dyn EventStore>,
    appends_left: u32,
}

impl EventStore for Faulty {
    fn append(&mut self, turns: &[Turn]) -> Result<Vec<Result<Placed, Conflict>>, StoreError> {
        if self.appends_left == 0 {
            return Err(StoreError::Latched { why: "the disk is on fire".into() });
        }
        self.appends_left -= 1;
        self.inner.append(turns)
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    fn reader(&self) -> Result<Box<dyn EventReader>, StoreError> {
        self.inner.reader()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.close()
    }
}

#[test]
fn a_writer_passes_on_that_the_outcome_is_unknown() {
    let mut story = Story::default();
    let inner = Journal::memory().writer.into_store();
    let mut writer = Writer::over(Box::new(Faulty { inner, appends_left: 1 }), Trails::default());
    let head = writer.append(&[story.event("a", "1")]).unwrap().head;
    for _ in 0..2 {
        assert!(writer.append(&[story.event("a", "2")]).unwrap_err().is_unknown());
        assert_eq!(writer.head(), head);
    }
}

#[test]
fn a_latched_journal_is_verified_when_it_is_opened_and_then_goes_on() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&story.events(3, 3));
    fs::write(place.beside("-latched"), b"").unwrap();
    let opened = place.open();
    assert_eq!(opened.notes, [OpenNote::VerifiedAfterLatch { records: 9 }]);
    opened.close();
    assert_eq!(place.open().notes, []);
}

#[test]
fn a_latched_journal_that_does_not_verify_stays_shut() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&story.events(3, 3));
    place.harm("DELETE FROM turns WHERE position = 5");
    fs::write(place.beside("-latched"), b"").unwrap();
    for _ in 0..2 {
        assert!(matches!(place.refusal(), StoreError::Damaged { .. }));
    }
}

#[test]
fn a_file_that_is_pulled_away_latches_the_store_and_leaves_a_mark() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    opened.writer.append(&story.events(3, 3)).unwrap();
    // A tool that damages the table under the writer: the next append cannot know what it finds.
    place.harm("DROP TABLE wake");
    let first = opened.writer.append(&[story.event("c0", "next")]).unwrap_err();
    assert!(first.is_unknown(), "{first}");
    assert_eq!(opened.writer.append(&[story.event("c1", "next")]).unwrap_err(), first);
    assert!(place.beside("-latched").exists());
    assert_eq!(opened.writer.head().position, 9);
    opened.close();
}
