//! The floors of what is durable: the two files without a runtime, and a raw segment file.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use regie::core::Digest;
use regie::core::event::{Incoming, LifeState};
use regie::core::workflow::{EncodedRecord, Fact, Record};
use rusqlite::{Connection, TransactionBehavior};

/// A row as it is written: what the runtime writes for such an event, and what it is found by.
pub(crate) struct Row {
    correlation: i64,
    sequence: i64,
    identity: [u8; 16],
    kind: i64,
    stamped: i64,
    encoded: EncodedRecord,
}

/// The rows that some events come to.
pub(crate) fn rows(events: &[Incoming]) -> Vec<Row> {
    let correlations = (events.len() / 10).max(1);
    let row = |(nth, event): (usize, &Incoming)| {
        let sequence = (nth / correlations + 1) as u64;
        let (format, raw, identity) = (event.format(), event.raw().clone(), event.identity());
        let received = Fact::Received { format, raw, identity, made_id: None, emitted: false };
        let moved = Fact::Moved { event: sequence, to: LifeState::Processed, reason: "recorded".into(), by: None };
        let record = Record { sequence, at: event.event().timestamp, facts: vec![received, moved] };
        Row {
            correlation: (nth % correlations) as i64,
            sequence: sequence as i64,
            identity: identity.0,
            kind: 1,
            stamped: nth as i64,
            encoded: record.encode(Digest::ZERO),
        }
    };
    events.iter().enumerate().map(row).collect()
}

/// The bare two-file layout: one thread writes the rows, one transaction for so many, each synced; another follows with
/// the index, in sorted batches, as fast as it can. Gives when the index has come to the end.
pub(crate) fn two_files(folder: &Path, rows: Vec<Row>, in_flight: usize) -> Duration {
    let mut truth = open(&folder.join("floor"), 2);
    truth
        .execute_batch("CREATE TABLE turns(position INTEGER PRIMARY KEY, correlation, sequence, digest, body)")
        .expect("a table");
    let mut index = open(&folder.join("floor-index"), 1);
    index
        .execute_batch(
            "CREATE TABLE turns(correlation INTEGER, sequence INTEGER, position INTEGER,
                PRIMARY KEY(correlation, sequence)) WITHOUT ROWID;
            CREATE TABLE identities(correlation INTEGER, identity BLOB, position INTEGER,
                PRIMARY KEY(correlation, identity)) WITHOUT ROWID;
            CREATE TABLE events(position INTEGER PRIMARY KEY, correlation, kind, stamped, state);
            CREATE INDEX events_kind ON events(kind, stamped);",
        )
        .expect("tables");
    let (written, to_index) = sync_channel::<Vec<(i64, Row)>>(1_024);
    let follower = std::thread::spawn(move || {
        while let Ok(mut batch) = to_index.recv() {
            to_index.try_iter().take(1_024).for_each(|more| batch.extend(more));
            follow(&mut index, batch);
        }
    });
    let began = Instant::now();
    let (mut position, mut rows) = (0, rows.into_iter().peekable());
    while rows.peek().is_some() {
        let batch: Vec<(i64, Row)> = rows
            .by_ref()
            .take(in_flight)
            .map(|row| {
                position += 1;
                (position, row)
            })
            .collect();
        let transaction = truth.transaction_with_behavior(TransactionBehavior::Immediate).expect("a transaction");
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO turns VALUES (?1, ?2, ?3, ?4, ?5)").expect("a statement");
            for (position, row) in &batch {
                let Row { correlation, sequence, encoded, .. } = row;
                insert.execute((position, correlation, sequence, &encoded.digest.0, &encoded.bytes)).expect("room");
            }
        }
        transaction.commit().expect("a commit");
        written.send(batch).expect("a follower");
    }
    drop(written);
    follower.join().expect("a follower");
    began.elapsed()
}

fn follow(index: &mut Connection, mut batch: Vec<(i64, Row)>) {
    let transaction = index.transaction_with_behavior(TransactionBehavior::Immediate).expect("a transaction");
    {
        let mut event =
            transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, 1)").expect("a statement");
        for (position, row) in &batch {
            event.execute((position, row.correlation, row.kind, row.stamped)).expect("room");
        }
        batch.sort_unstable_by_key(|(_, row)| (row.correlation, row.sequence));
        let mut turn = transaction.prepare_cached("INSERT INTO turns VALUES (?1, ?2, ?3)").expect("a statement");
        for (position, row) in &batch {
            turn.execute((row.correlation, row.sequence, position)).expect("room");
        }
        batch.sort_unstable_by_key(|(_, row)| (row.correlation, row.identity));
        let mut identity =
            transaction.prepare_cached("INSERT INTO identities VALUES (?1, ?2, ?3)").expect("a statement");
        for (position, row) in &batch {
            identity.execute((row.correlation, row.identity, position)).expect("room");
        }
    }
    transaction.commit().expect("a commit");
}

fn open(path: &Path, synchronous: u8) -> Connection {
    let connection = Connection::open(path).expect("a database");
    let setting = format!("PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA cache_size=-65536;");
    connection.execute_batch(&setting).expect("settings");
    connection
}

/// A raw segment: so many bodies appended at once, and the file synced. Gives how long each batch took.
pub(crate) fn segment(folder: &Path, rows: &[Row], in_flight: usize) -> Vec<Duration> {
    let mut file = File::create(folder.join("segment")).expect("a file");
    let mut took = Vec::with_capacity(rows.len() / in_flight + 1);
    for batch in rows.chunks(in_flight) {
        let began = Instant::now();
        let bytes: Vec<u8> = batch.iter().flat_map(|row| row.encoded.bytes.iter().copied()).collect();
        file.write_all(&bytes).expect("room");
        file.sync_data().expect("a sync");
        took.push(began.elapsed());
    }
    took
}
