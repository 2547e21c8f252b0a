//! The table of what is to be woken is held against what the records owe, and built anew where it is missing.

use regie_core::Timestamp;
use regie_core::event::LifeState;
use regie_core::governance::{Judgement, Verdict};
use regie_core::workflow::{Effect, EffectEnd, EffectKey, Fact, RunEnd};
use regie_journal::{
    Break, BreakKind, EventReader, Head, Journal, OpenNote, Row, StoreError, Turn, Wake, Writer, verify,
};

use crate::helpers::{OpenedExt, Place, Story, at, event, moved};

fn key(step: &str) -> EffectKey {
    EffectKey { step: step.into(), attempt: 1 }
}

fn timer(step: &str, due: Timestamp) -> Fact {
    Fact::Owes { key: key(step), effect: Effect::Timer { due } }
}

fn call(step: &str) -> Fact {
    let effect = Effect::Call { agent: "a".into(), task: regie_core::Json::null(), timeout_ms: None };
    Fact::Owes { key: key(step), effect }
}

fn deferred(event: u64, until: Timestamp) -> [Fact; 2] {
    let verdict = Verdict::Deferred { reason: "later".into(), until };
    let judgement = Judgement { verdict, ..Judgement::free(at(0), None) };
    [Fact::Judged { event, judgement }, moved(event, LifeState::Deferred)]
}

fn woken(turn: Turn, wake: Wake) -> Turn {
    Turn { wake, ..turn }
}

/// A correlation that owes a timer at 50 s, one whose event comes back at 70 s, one that owes a call, one that owes nothing.
fn owing() -> Place {
    let (place, mut story) = (Place::new(), Story::default());
    let mut come_back = story.receives(event("deferred", "e"), &[]);
    let mut facts = deferred(1, at(70)).to_vec();
    facts.push(timer("t", at(90)));
    come_back = woken(come_back, Wake::Never);
    let turns = [
        woken(story.facts("timer", vec![timer("t", at(50)), timer("u", at(60))]), Wake::At(at(50))),
        come_back,
        woken(story.facts("deferred", facts), Wake::At(at(70))),
        woken(story.facts("call", vec![call("c")]), Wake::At(Timestamp::MIN)),
        woken(story.facts("over", vec![call("c"), timer("t", at(9))]), Wake::At(Timestamp::MIN)),
        woken(story.facts("over", vec![ended("c"), ended("t")]), Wake::Never),
    ];
    place.write(&turns);
    place
}

fn ended(step: &str) -> Fact {
    Fact::Ended { key: key(step), end: EffectEnd::TimerFired }
}

fn first_break(place: &Place) -> Option<Break> {
    let (readers, _) = Journal::open_read_only(&place.path()).unwrap();
    verify(&mut *readers.truth().unwrap(), &mut |_| {}).unwrap().first_break
}

fn wakes(place: &Place) -> Vec<(i64, i64)> {
    let file = rusqlite::Connection::open(place.path()).unwrap();
    let mut rows = file.prepare("SELECT correlation, due FROM wake ORDER BY correlation").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_table_that_fits_is_no_break_nor_is_a_wake_too_many_or_too_early() {
    let place = owing();
    assert_eq!(first_break(&place), None);
    place.harm("UPDATE wake SET due = due - 1 WHERE correlation = 1");
    place.harm("INSERT INTO wake VALUES (5, 7)");
    assert_eq!(first_break(&place), None);
}

#[test]
fn a_wake_that_is_missing_or_late_or_of_nobody_is_named_with_the_record_that_owes_it() {
    let rows = [
        ("DELETE FROM wake WHERE correlation = 1", "timer", 1, 1),
        ("UPDATE wake SET due = due + 1 WHERE correlation = 1", "timer", 1, 1),
        ("UPDATE wake SET due = due + 1 WHERE correlation = 2", "deferred", 2, 3),
        ("UPDATE wake SET due = 0 WHERE correlation = 4", "call", 1, 4),
        ("DELETE FROM wake", "timer", 1, 1),
        ("INSERT INTO wake VALUES (77, 0)", "#77", 0, 0),
    ];
    for (harm, correlation, sequence, position) in rows {
        let place = owing();
        place.harm(harm);
        let found = first_break(&place).unwrap_or_else(|| panic!("{harm}: no break"));
        let told = (found.kind, found.correlation.as_str(), found.sequence, found.position);
        assert_eq!(told, (BreakKind::Wake, correlation, sequence, position), "{harm}: {found}");
    }
}

fn awaits(event: u64, kind: &str, queued: bool) -> [Fact; 2] {
    [moved(event, LifeState::Deferred), Fact::Awaits { event, kind: kind.into(), queued }]
}

/// Two events of a correlation wait for its run, and then one of these happens.
fn waiting(then: Fact) -> Option<Break> {
    let (place, mut story) = (Place::new(), Story::default());
    let started = Fact::Started { definition: "order".into(), version: 1 };
    let mut facts = vec![started];
    facts.extend(awaits(1, "order.paid", false));
    let turns = [
        woken(story.receives(event("order", "e"), &[]), Wake::Never),
        woken(story.facts("order", facts), Wake::Never),
        woken(story.facts("order", vec![then]), Wake::Never),
    ];
    place.write(&turns);
    first_break(&place)
}

#[test]
fn an_event_that_waits_for_its_run_is_to_be_woken_once_it_is_recalled_or_the_run_is_over() {
    let kinds = |kind: &str| vec![regie_core::event::Pattern::parse(kind).unwrap()];
    let end = || RunEnd::Failed { error: "no".into() };
    let rows = [
        (Fact::Recalled { kinds: kinds("order.sent") }, false),
        (Fact::Recalled { kinds: kinds("order.*") }, true),
        (Fact::Compensating { then: end() }, true),
        (Fact::Finished { end: end() }, true),
    ];
    for (then, is_owed) in rows {
        let found = waiting(then.clone()).map(|found| (found.kind, found.sequence));
        assert_eq!(found, is_owed.then_some((BreakKind::Wake, 3)), "{then:?}");
    }
    let [_, queued] = awaits(1, "order.paid", true);
    assert_eq!(waiting(queued).map(|found| found.sequence), Some(3));
}

#[test]
fn a_table_that_is_gone_is_a_break_and_is_built_anew_as_it_was() {
    let place = owing();
    let before = wakes(&place);
    place.harm("DROP TABLE wake");
    let found = first_break(&place).expect("a break");
    assert!(found.kind == BreakKind::Wake && found.detail.contains("no such table"), "{found}");
    let opened = place.open();
    assert_eq!(opened.notes, [OpenNote::WakesRebuilt { correlations: 3 }]);
    opened.close();
    assert_eq!((wakes(&place), first_break(&place)), (before, None));
    assert_eq!(place.open().notes, []);
}

#[test]
fn a_table_that_does_not_hold_is_built_anew_where_everything_is_to_be_verified() {
    let place = owing();
    let before = wakes(&place);
    place.harm("UPDATE wake SET due = 9223372036854775807");
    std::fs::write(place.beside("-latched"), b"").unwrap();
    place.open().close();
    assert_eq!((wakes(&place), first_break(&place)), (before, None));
}

/// A reader beside an owner who writes right before the table is read.
struct Beside {
    truth: Box<dyn EventReader>,
    writer: Writer,
    turns: Vec<Turn>,
}

impl EventReader for Beside {
    fn head(&mut self) -> Result<Head, StoreError> {
        self.truth.head()
    }

    fn rows_after(&mut self, position: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.truth.rows_after(position, limit)
    }

    fn row_of(&mut self, position: u64) -> Result<Option<Row>, StoreError> {
        self.truth.row_of(position)
    }

    fn wakes_after(
        &mut self,
        after: Option<(Timestamp, u64)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, u64)>, StoreError> {
        self.writer.append(&std::mem::take(&mut self.turns))?;
        self.truth.wakes_after(after, limit)
    }
}

#[test]
fn what_an_owner_writes_meanwhile_is_no_break() {
    let (mut opened, mut story) = (Journal::memory(), Story::default());
    for name in ["paid", "open", "late"] {
        let turn = story.facts(name, vec![timer("t", at(5))]);
        let wake = if name == "late" { at(6) } else { at(5) };
        opened.writer.append(&[woken(turn, Wake::At(wake))]).unwrap();
    }
    let turns = vec![
        woken(story.facts("paid", vec![ended("t")]), Wake::Never),
        woken(story.facts("new", vec![timer("t", at(1))]), Wake::At(at(1))),
    ];
    let truth = opened.readers.truth().unwrap();
    let report = verify(&mut Beside { truth, writer: opened.writer, turns }, &mut |_| {}).unwrap();
    // What nobody has touched meanwhile is still found.
    assert_eq!(report.first_break.map(|found| found.correlation), Some("late".to_string()));
}

#[test]
fn a_lost_end_is_told_before_what_it_owed_and_leaves_what_the_rest_owes() {
    let place = owing();
    // The record that paid what `over` owed.
    place.harm("DELETE FROM turns WHERE position = 6");
    assert_eq!(first_break(&place).map(|found| found.kind), Some(BreakKind::JournalEnd));
    place.open().close();
    assert_eq!(first_break(&place), None);
    assert!(wakes(&place).contains(&(5, Timestamp::MIN.micros())));
}
