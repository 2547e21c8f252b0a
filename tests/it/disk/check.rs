//! What must hold of whatever a disk has left.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use regie::core::Digest;
use regie::core::event::{CorrelationId, Identity};
use regie::core::query::{Filter, Stats};
use regie::journal::{Durability, Journal, OpenNote, Opened, Reader, SqliteOptions, verify};

use super::bench::{Answer, JOURNAL};

/// Events that are looked up by their identity in each image, besides the last.
const LOOKED_UP: usize = 12;

/// What the undisturbed journal holds. A journal is only added to: whatever is left of it is its beginning.
pub(crate) struct Reference {
    /// The journal's chain after each turn, by the position of its last record.
    turns: BTreeMap<u64, Digest>,
    events: Vec<Told>,
    /// What an index that is built from nothing counts at each position.
    counted: Mutex<HashMap<u64, Stats>>,
}

struct Told {
    position: u64,
    correlation: CorrelationId,
    identity: Identity,
    id: String,
    raw: String,
}

/// What an image turned out to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Its last position.
    pub(crate) head: u64,
    /// Whether its index was built anew.
    pub(crate) rebuilt: bool,
    /// Whether it was verified before it was opened, because a write had failed.
    pub(crate) verified: bool,
}

fn all() -> Filter {
    Filter { own: true, ..Filter::default() }
}

pub(crate) fn open(folder: &Path, durability: Durability) -> Result<Opened, String> {
    let options = SqliteOptions { durability, ..SqliteOptions::at(folder.join(JOURNAL)) };
    Journal::open(options).map_err(|error| format!("it does not open: {error}"))
}

/// Closes in good order.
fn close(opened: Opened) -> Result<(), String> {
    if let Some(indexer) = opened.indexer {
        indexer.close();
    }
    opened.writer.close().map_err(|error| format!("it does not close: {error}"))
}

impl Reference {
    /// Of a journal in a folder.
    pub(crate) fn of(folder: &Path) -> Self {
        let opened = open(folder, Durability::Strict).unwrap();
        let mut reader = opened.readers.open().unwrap();
        let (mut turns, mut events, mut after) = (BTreeMap::new(), Vec::new(), 0);
        loop {
            let rows = reader.rows_after(after, 512).unwrap();
            let Some(last) = rows.last() else { break };
            after = last.first;
            turns.extend(rows.iter().map(|row| (row.last(), row.head)));
        }
        let told = reader.events(&all(), &mut |stored| {
            let (event, identity) = (stored.incoming.event(), stored.incoming.identity());
            let (correlation, id) = (event.correlation_id.clone(), event.id.clone());
            let (position, raw) = (stored.position, stored.incoming.raw().to_string());
            events.push(Told { position, correlation, identity, id, raw });
            ControlFlow::Continue(())
        });
        told.unwrap();
        events.sort_by_key(|event| event.position);
        drop(reader);
        close(opened).unwrap();
        Self { turns, events, counted: Mutex::default() }
    }

    pub(crate) fn events(&self) -> usize {
        self.events.len()
    }

    /// Each answer is about an event that is there as it was sent.
    pub(crate) fn answers_hold(&self, answers: &[Answer], sent: &str) -> Result<(), String> {
        let sent: HashMap<String, &str> = sent.lines().map(|line| (id_of(line), line)).collect();
        for answer in answers {
            let found = self.events.binary_search_by_key(&answer.position, |told| told.position);
            let Ok(at) = found else { return Err(format!("{answer:?} is about an event that is not there")) };
            let told = &self.events[at];
            let is_it = told.id == answer.event && *told.correlation == *answer.correlation;
            if !is_it || told.raw != sent[&answer.event] {
                return Err(format!("{answer:?} is about another event, or other bytes"));
            }
        }
        Ok(())
    }

    /// Opens what is left in a folder, and holds it against this. `least` is the position that must be there.
    pub(crate) fn check(&self, folder: &Path, durability: Durability, least: u64) -> Result<Held, String> {
        let opened = open(folder, durability)?;
        let rebuilt = opened.notes.iter().any(|note| matches!(note, OpenNote::IndexRebuilt { .. }));
        let verified = opened.notes.iter().any(|note| matches!(note, OpenNote::VerifiedAfterLatch { .. }));
        let head = self.check_truth(&opened, least)?;
        let mut reader = opened.readers.open().map_err(|error| error.to_string())?;
        let counted = self.check_index(&mut reader, head)?;
        drop(reader);
        close(opened)?;
        let expected = self.counted_at(head, folder)?;
        if counted != expected {
            return Err(format!("the index counts {counted:?}, and one built from nothing {expected:?}"));
        }
        Ok(Held { head, rebuilt, verified })
    }

    fn check_truth(&self, opened: &Opened, least: u64) -> Result<u64, String> {
        let mut truth = opened.readers.truth().map_err(|error| error.to_string())?;
        let report = verify(&mut *truth, &mut |_| {}).map_err(|error| error.to_string())?;
        if let Some(broken) = report.first_break {
            return Err(format!("verify: {broken}"));
        }
        let head = report.head;
        if opened.writer.head() != head {
            return Err(format!("the writer stands at {:?}, the records end at {head:?}", opened.writer.head()));
        }
        if head.position > 0 && self.turns.get(&head.position) != Some(&head.digest) {
            return Err(format!("what is there up to {} is not what was written", head.position));
        }
        if head.position < least {
            return Err(format!("position {least} was answered, and the journal ends at {}", head.position));
        }
        Ok(head.position)
    }

    /// The index holds the same events, and finds them.
    fn check_index(&self, reader: &mut Reader, head: u64) -> Result<Stats, String> {
        reader.caught_up(head, Duration::ZERO).map_err(|error| error.to_string())?;
        let there = &self.events[..self.events.partition_point(|event| event.position <= head)];
        let stride = (there.len() / LOOKED_UP).max(1);
        for event in there.iter().step_by(stride).chain(there.last()) {
            let found = reader.find(&event.correlation, event.identity).map_err(|error| error.to_string())?;
            if found != Some(event.position) {
                return Err(format!("the index finds {} at {found:?}, not at {}", event.id, event.position));
            }
        }
        let count = reader.count(&all()).map_err(|error| error.to_string())?;
        if count != there.len() as u64 {
            return Err(format!("the index has {count} events of {}", there.len()));
        }
        reader.stats(&all()).map_err(|error| error.to_string())
    }

    fn counted_at(&self, head: u64, folder: &Path) -> Result<Stats, String> {
        if let Some(stats) = self.counted.lock().unwrap().get(&head) {
            return Ok(stats.clone());
        }
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.join(format!("{JOURNAL}-index{end}")));
        }
        let stats = || {
            let (readers, _) = Journal::open_read_only(&folder.join(JOURNAL))?;
            readers.open()?.stats(&all())
        };
        let stats = stats().map_err(|error| error.to_string())?;
        self.counted.lock().unwrap().insert(head, stats.clone());
        Ok(stats)
    }
}

fn id_of(line: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    value["id"].as_str().unwrap().to_string()
}
