//! Following the journal by position, and the folds that are kept beside it.

use regie_core::Digest;
use regie_core::workflow::Fact;
use regie_journal::{Followed, Journal, Kept, Opened};

use crate::helpers::{Place, Story};

/// What is followed after a position: ids of events, and texts of sets.
fn told(opened: &Opened, after: u64, turns: usize) -> Vec<(u64, String)> {
    let (mut follow, mut told) = (opened.readers.follow(after).unwrap(), Vec::new());
    while let Some(found) = follow.next(turns).unwrap() {
        told.extend(found.into_iter().map(|one| match one {
            Followed::Event(came) => (came.position, came.incoming.event().id.clone()),
            Followed::Rules { position, text, .. } => (position, text),
            other => unreachable!("{other:?}"),
        }));
    }
    told
}

fn both(test: impl Fn(Opened)) {
    test(Journal::memory());
    let place = Place::new();
    test(place.open());
}

#[test]
fn what_was_committed_is_told_in_the_journals_order_from_any_position_and_in_any_portions() {
    both(|mut opened| {
        let mut story = Story::default();
        let rules = Fact::RuleSet { digest: Digest::of(b"r"), text: "r".into(), by: None };
        let turns = [story.event("a", "1"), story.facts("regie/rules", vec![rules]), story.event("b", "2")];
        opened.writer.append(&turns).unwrap();
        let all = [(1, "1".to_string()), (2, "r".to_string()), (3, "2".to_string())];
        assert_eq!((told(&opened, 0, 1), told(&opened, 0, 100)), (all.to_vec(), all.to_vec()));
        assert_eq!(told(&opened, 2, 1), all[2..]);
    });
}

fn fold(version: u32, position: u64) -> Kept {
    Kept { name: "sums".into(), version, position, body: vec![position as u8] }
}

#[test]
fn a_fold_is_found_again_in_its_version_alone_and_the_last_one_counts() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    opened.writer.append(&story.events(2, 1)).unwrap();
    let mut indexer = opened.indexer.take().unwrap();
    indexer.catch_up().unwrap();
    indexer.keep(&[fold(1, 1), fold(1, 2)]).unwrap();
    let mut reader = opened.readers.open().unwrap();
    assert_eq!(reader.kept("sums", 1).unwrap(), Some(fold(1, 2)));
    assert_eq!((reader.kept("sums", 2).unwrap(), reader.kept("other", 1).unwrap()), (None, None));
}

#[test]
fn a_fold_that_is_ahead_of_the_index_is_not_kept() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    opened.writer.append(&story.events(2, 1)).unwrap();
    let mut indexer = opened.indexer.take().unwrap();
    indexer.keep(&[fold(1, 2)]).unwrap();
    assert_eq!(opened.readers.open().unwrap().kept("sums", 1).unwrap(), None);
}
