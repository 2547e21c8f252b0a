//! How fast turns are appended with the index caught up, against a bare two-table batch of SQLite in the same run.
//!
//! `cargo bench -p regie-journal` prints both and their ratio. Plain timing: the ratio is what is compared over time.

use std::time::{Duration, Instant};

use regie_core::Timestamp;
use regie_core::event::{Event, Format, LifeState, Principal};
use regie_core::workflow::{Fact, Record};
use regie_journal::{Journal, SqliteOptions, Tip, Turn, Wake};
use rusqlite::{Connection, TransactionBehavior};

const TURNS: usize = 100_000;
const CORRELATIONS: usize = 5_000;
const IN_FLIGHT: usize = 512;

fn main() {
    let turns = turns();
    let bare = bare(&turns);
    let (appended, indexed, rebuilt) = ours(turns);
    let rate = |time: Duration| TURNS as f64 / time.as_secs_f64();
    println!("{TURNS} turns of {CORRELATIONS} correlations, {IN_FLIGHT} a commit, synced");
    println!("bare SQLite, two tables   {:>9.0} turns/s", rate(bare));
    println!("append alone              {:>9.0} turns/s", rate(appended));
    println!("append, index caught up   {:>9.0} turns/s", rate(indexed));
    println!("index rebuilt alone       {:>9.0} turns/s", rate(rebuilt));
    println!("ratio                     {:>9.2}", bare.as_secs_f64() / indexed.as_secs_f64());
}

/// One event a turn, taken in and processed; correlations named as people name them: at random.
fn turns() -> Vec<Turn> {
    let mut tips = vec![Tip::default(); CORRELATIONS];
    let names: Vec<_> = (0..CORRELATIONS).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    (0..TURNS)
        .map(|nth| {
            let at = Timestamp::from_millis(1_767_225_600_000 + nth as i64);
            let correlation = nth * 7 % CORRELATIONS;
            let tip = &mut tips[correlation];
            let turn = turn(&names[correlation], nth, at, *tip);
            *tip = Tip { sequence: tip.sequence + 1, digest: turn.records[0].digest };
            turn
        })
        .collect()
}

fn turn(name: &str, nth: usize, at: Timestamp, expected: Tip) -> Turn {
    let event = Event::new(["task.created", "task.done", "note.added"][nth % 3], name)
        .id(format!("event-{nth}"))
        .timestamp(at)
        .actor(Principal::user(format!("user-{}", nth % 50)))
        .payload(serde_json::json!({ "text": "x".repeat(200) }))
        .build()
        .expect("a good event");
    let sequence = expected.sequence + 1;
    let (raw, identity) = (event.raw().clone(), event.identity());
    let mut facts = vec![Fact::Received { format: Format::Regie, raw, identity, made_id: None, emitted: false }];
    facts.push(Fact::Moved { event: sequence, to: LifeState::Processed, reason: "recorded".into(), by: None });
    if sequence == 1 {
        facts.insert(0, Fact::Opened { correlation: name.into() });
    }
    let records = vec![Record { sequence, at, facts }.encode(expected.digest)];
    Turn { correlation: name.into(), expected, records, at, wake: Wake::Never, sets: Vec::new() }
}

/// The append alone; until the index, on a thread of its own, has caught up; and how long it takes to build the index anew.
fn ours(turns: Vec<Turn>) -> (Duration, Duration, Duration) {
    let directory = tempfile::tempdir().expect("a directory");
    let options = SqliteOptions::at(directory.path().join("regie.db"));
    let opened = Journal::open(options.clone()).expect("a journal");
    let (mut writer, mut indexer, readers) = (opened.writer, opened.indexer.expect("an indexer"), opened.readers);
    let indexing = std::thread::spawn(move || {
        while indexer.catch_up().expect("an index") < TURNS as u64 {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let start = Instant::now();
    for batch in turns.chunks(IN_FLIGHT) {
        writer.append(batch).expect("room");
    }
    let appended = start.elapsed();
    readers.open().expect("a reader").caught_up(TURNS as u64, Duration::from_secs(600)).expect("an index");
    let indexed = start.elapsed();
    indexing.join().expect("an indexer");
    writer.close().expect("a good end");
    std::fs::remove_file(directory.path().join("regie.db-index")).expect("an index");
    let start = Instant::now();
    drop(Journal::open(options).expect("a journal"));
    (appended, indexed, start.elapsed())
}

/// The same bytes in two tables, as anybody would write them.
fn bare(turns: &[Turn]) -> Duration {
    let directory = tempfile::tempdir().expect("a directory");
    let mut file = Connection::open(directory.path().join("bare.db")).expect("a file");
    file.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE rows (position INTEGER PRIMARY KEY, body BLOB);
        CREATE TABLE keys (correlation TEXT, sequence INTEGER, position INTEGER, PRIMARY KEY (correlation, sequence));",
    )
    .expect("tables");
    let start = Instant::now();
    for batch in turns.chunks(IN_FLIGHT) {
        let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate).expect("a transaction");
        for turn in batch {
            let mut row = transaction.prepare_cached("INSERT INTO rows (body) VALUES (?1)").expect("a statement");
            row.execute([&turn.records[0].bytes]).expect("room");
            let mut key = transaction.prepare_cached("INSERT INTO keys VALUES (?1, ?2, ?3)").expect("a statement");
            let (sequence, position) = (turn.expected.sequence as i64 + 1, transaction.last_insert_rowid());
            key.execute((turn.correlation.as_str(), sequence, position)).expect("room");
        }
        transaction.commit().expect("a commit");
    }
    start.elapsed()
}
