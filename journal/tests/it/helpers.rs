//! Builders and places that the tests are made of.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use regie_core::Timestamp;
use regie_core::event::{Event, EventBuilder, Format, Incoming, LifeState};
use regie_core::query::Filter;
use regie_core::workflow::{Fact, Record};
use regie_journal::{
    Committed, Durability, Indexer, Journal, OpenNote, Opened, Reader, SqliteOptions, StoreError, StoredEvent, Tip,
    Turn, Wake,
};
use tempfile::TempDir;

/// A directory with a journal in it.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("regie.db")
    }

    pub(crate) fn beside(&self, end: &str) -> PathBuf {
        self.directory.path().join(format!("regie.db{end}"))
    }

    pub(crate) fn options(&self) -> SqliteOptions {
        SqliteOptions { durability: Durability::Relaxed, ..SqliteOptions::at(self.path()) }
    }

    pub(crate) fn open(&self) -> Opened {
        Journal::open(self.options()).unwrap()
    }

    pub(crate) fn refusal(&self) -> StoreError {
        Journal::open(self.options()).map(drop).unwrap_err()
    }

    /// Writes turns, lets the index follow, and closes.
    pub(crate) fn write(&self, turns: &[Turn]) -> Committed {
        let mut opened = self.open();
        let committed = opened.writer.append(turns).unwrap();
        opened.catch_up();
        opened.close();
        committed
    }

    /// A connection to the file of truth, to do harm with.
    pub(crate) fn harm(&self, sql: &str) -> usize {
        rusqlite::Connection::open(self.path()).unwrap().execute(sql, []).unwrap()
    }
}

/// What tests do with an open journal.
pub(crate) trait OpenedExt {
    fn catch_up(&mut self);
    fn reader(&mut self) -> Reader;
    fn close(self);
}

impl OpenedExt for Opened {
    fn catch_up(&mut self) {
        if let Some(indexer) = &mut self.indexer {
            indexer.catch_up().unwrap();
        }
    }

    /// A reader of a journal whose index is caught up.
    fn reader(&mut self) -> Reader {
        self.catch_up();
        self.readers.open().unwrap()
    }

    fn close(self) {
        self.writer.close().unwrap();
        self.indexer.into_iter().for_each(Indexer::close);
    }
}

/// Makes turns that follow each other.
#[derive(Clone, Default)]
pub(crate) struct Story {
    tips: HashMap<String, Tip>,
}

impl Story {
    pub(crate) fn tip(&self, correlation: &str) -> Tip {
        self.tips.get(correlation).copied().unwrap_or_default()
    }

    /// A turn of one record with facts; the correlation is opened if it is new.
    pub(crate) fn facts(&mut self, correlation: &str, facts: Vec<Fact>) -> Turn {
        self.records(correlation, vec![facts])
    }

    /// A turn of several records, each with its facts.
    pub(crate) fn records(&mut self, correlation: &str, records: Vec<Vec<Fact>>) -> Turn {
        let expected = self.tip(correlation);
        let (mut tip, mut encoded) = (expected, Vec::new());
        for mut facts in records {
            if tip.sequence == 0 {
                facts.insert(0, Fact::Opened { correlation: correlation.into() });
            }
            let record = Record { sequence: tip.sequence + 1, at: at(0), facts }.encode(tip.digest);
            tip = Tip { sequence: tip.sequence + 1, digest: record.digest };
            encoded.push(record);
        }
        self.tips.insert(correlation.to_string(), tip);
        Turn {
            correlation: correlation.into(),
            expected,
            records: encoded,
            at: at(0),
            wake: Wake::Never,
            sets: Vec::new(),
        }
    }

    /// A turn that takes an event in and processes it.
    pub(crate) fn takes(&mut self, event: EventBuilder) -> Turn {
        self.receives(event, &[LifeState::Processed])
    }

    /// A turn that takes an event in and moves it along.
    pub(crate) fn receives(&mut self, event: EventBuilder, moves: &[LifeState]) -> Turn {
        let incoming = event.build().unwrap();
        let correlation = incoming.event().correlation_id.to_string();
        let sequence = self.tip(&correlation).sequence + 1;
        let moves = moves.iter().map(|to| moved(sequence, *to));
        let facts = std::iter::once(received(&incoming, false)).chain(moves).collect();
        self.facts(&correlation, facts)
    }

    /// A simple event of a correlation, taken in and processed.
    pub(crate) fn event(&mut self, correlation: &str, id: &str) -> Turn {
        self.takes(event(correlation, id))
    }

    /// Several correlations with several events each, one a turn.
    pub(crate) fn events(&mut self, correlations: usize, each: usize) -> Vec<Turn> {
        let pairs = (0..each).flat_map(|nth| (0..correlations).map(move |at| (at, nth)));
        pairs.map(|(at, nth)| self.event(&format!("c{at}"), &format!("e{nth}"))).collect()
    }
}

pub(crate) fn event(correlation: &str, id: &str) -> EventBuilder {
    Event::new("task.created", correlation).id(id).timestamp(at(1))
}

pub(crate) fn received(incoming: &Incoming, emitted: bool) -> Fact {
    let (raw, identity) = (incoming.raw().clone(), incoming.identity());
    Fact::Received { format: Format::Regie, raw, identity, made_id: None, emitted }
}

pub(crate) fn moved(event: u64, to: LifeState) -> Fact {
    Fact::Moved { event, to, reason: "so".into(), by: None }
}

/// So many seconds after the start of 2026.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis((1_767_225_600 + seconds) * 1_000)
}

/// The events that a filter means.
pub(crate) fn events(reader: &mut Reader, filter: &Filter) -> Vec<StoredEvent> {
    let mut found = Vec::new();
    let mut keep = |event| {
        found.push(event);
        ControlFlow::Continue(())
    };
    reader.events(filter, &mut keep).unwrap();
    found
}

/// Their ids.
pub(crate) fn ids(reader: &mut Reader, filter: &Filter) -> Vec<String> {
    events(reader, filter).iter().map(|event| event.incoming.event().id.clone()).collect()
}

pub(crate) fn assert_rebuilt(notes: &[OpenNote], because: &str) {
    let told = |note: &OpenNote| matches!(note, OpenNote::IndexRebuilt { why, .. } if why.contains(because));
    assert!(notes.iter().any(told), "{notes:?} do not say '{because}'");
}
