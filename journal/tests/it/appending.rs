//! What was appended: identity, conflicts, batches, wakes, snapshots; over a reopening, and the same in memory.

use regie_core::event::{Identity, LifeState};
use regie_journal::{Conflict, Journal, Opened, Placed, Snapshot, Tip, Turn, Wake};

use crate::helpers::{OpenedExt, Place, Story, at, event, moved};

fn both(test: impl Fn(&mut Opened)) {
    test(&mut Journal::memory());
    test(&mut Place::new().open());
}

#[test]
fn an_event_is_found_by_its_identity_after_reopening() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&[story.event("a", "one"), story.event("b", "one"), story.event("a", "two")]);
    let mut reader = place.open().reader();
    let identity = Identity::of("regie:local", "two");
    assert_eq!(reader.find("a", identity).unwrap(), Some(3));
    assert_eq!(reader.find("b", identity).unwrap(), None);
    assert_eq!(reader.find("nobody", identity).unwrap(), None);
}

#[test]
fn identities_states_and_names_are_the_same_in_memory_and_in_files() {
    both(|opened| {
        let mut story = Story::default();
        let turns = [story.receives(event("a", "one"), &[LifeState::Deferred]), story.event("b", "one")];
        opened.writer.append(&turns).unwrap();
        let mut reader = opened.reader();
        assert_eq!(reader.find("b", Identity::of("regie:local", "one")).unwrap(), Some(2));
        assert_eq!(reader.state_of(1).unwrap(), Some(LifeState::Deferred));
        assert_eq!(reader.state_of(9).unwrap(), None);
        assert_eq!(reader.name(2).unwrap(), Some("b".into()));
        assert_eq!((reader.number("b").unwrap(), reader.number("c").unwrap()), (Some(2), None));
        let mut names = Vec::new();
        reader.names(&mut |name| names.push(name.to_string())).unwrap();
        assert_eq!(names, ["a", "b"]);
    });
}

#[test]
fn a_move_is_seen_whether_it_comes_with_its_event_or_later() {
    both(|opened| {
        let mut story = Story::default();
        let received = story.receives(event("a", "one"), &[LifeState::Deferred]);
        opened.writer.append(&[story.event("b", "other"), received]).unwrap();
        opened.catch_up();
        let back = story.records("a", vec![vec![], vec![moved(1, LifeState::Pending), moved(1, LifeState::Processed)]]);
        opened.writer.append(&[back]).unwrap();
        let mut reader = opened.reader();
        assert_eq!(reader.state_of(2).unwrap(), Some(LifeState::Processed));
        assert_eq!(reader.event_states("a").unwrap(), [(1, LifeState::Processed)]);
    });
}

#[test]
fn records_are_loaded_after_any_sequence() {
    both(|opened| {
        let mut story = Story::default();
        let turns = [story.event("a", "1"), story.records("a", vec![vec![], vec![], vec![]]), story.event("a", "5")];
        opened.writer.append(&turns).unwrap();
        let mut reader = opened.reader();
        for after in 0..6 {
            let loaded = reader.load("a", after).unwrap();
            let sequences: Vec<_> = loaded.iter().map(|stored| stored.record.sequence).collect();
            assert_eq!(sequences, (after + 1..=5).collect::<Vec<_>>());
            assert!(loaded.iter().all(|stored| stored.position == stored.record.sequence));
        }
        assert_eq!(reader.load("nobody", 0).unwrap(), []);
        assert_eq!(reader.tip("a").unwrap(), Some(story.tip("a")));
    });
}

#[test]
fn a_stale_writer_is_told_what_is_there() {
    both(|opened| {
        let mut story = Story::default();
        opened.writer.append(&[story.event("a", "one")]).unwrap();
        let stale = Story::default().event("a", "late");
        let committed = opened.writer.append(&[stale, story.event("b", "good")]).unwrap();
        assert_eq!(committed.placed, [Err(Conflict { found: story.tip("a") }), Ok(Placed { first: 2 })]);
    });
}

#[test]
fn a_batch_that_is_refused_leaves_nothing() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    let good = story.event("a", "one");
    let empty = Turn { records: Vec::new(), ..story.event("b", "one") };
    assert!(opened.writer.append(&[good.clone(), empty]).is_err());
    assert_eq!(opened.readers.truth().unwrap().rows_after(0, 10).unwrap(), []);
    assert_eq!(opened.writer.append(&[good]).unwrap().placed, [Ok(Placed { first: 1 })]);
}

#[test]
fn wakes_come_with_their_names_even_before_the_index_has_them() {
    both(|opened| {
        let mut story = Story::default();
        let turn = Turn { wake: Wake::At(at(5)), ..story.event("sleeper", "one") };
        opened.writer.append(&[story.event("a", "one"), turn]).unwrap();
        let wakes = opened.readers.open().unwrap().wakes(None, 10).unwrap();
        assert_eq!(wakes, [(at(5), 2, "sleeper".into())]);
    });
}

#[test]
fn the_last_snapshot_is_kept() {
    both(|opened| {
        let mut story = Story::default();
        opened.writer.append(&[story.event("a", "one")]).unwrap();
        opened.catch_up();
        for body in [vec![1], vec![2, 3]] {
            let snapshots = vec![Snapshot { correlation: "a".into(), tip: story.tip("a"), body }];
            match &mut opened.indexer {
                Some(indexer) => indexer.put_snapshots(snapshots).unwrap(),
                None => assert!(opened.readers.put_snapshots_in_memory(snapshots)),
            }
        }
        let mut reader = opened.reader();
        assert_eq!(reader.snapshot("a").unwrap().unwrap().body, [2, 3]);
        assert_eq!(reader.snapshot("a").unwrap().unwrap().tip, Tip { sequence: 1, ..story.tip("a") });
        assert_eq!(reader.snapshot("b").unwrap(), None);
    });
}

#[test]
fn the_index_tells_how_far_behind_it_is() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    opened.writer.append(&story.events(3, 2)).unwrap();
    assert_eq!((opened.writer.lag(), opened.readers.indexed()), (6, 0));
    opened.catch_up();
    assert_eq!((opened.writer.lag(), opened.readers.indexed()), (0, 6));
    assert!(opened.writer.wait_for_room(std::time::Duration::ZERO));
}
