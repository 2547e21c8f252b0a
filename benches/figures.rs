//! The first figures: events a second in memory and durable, each as a ratio to a floor of the same run, and bytes for
//! each idle workflow. `cargo bench --profile dev --bench figures`.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use regie::core::event::Incoming;
use regie::prelude::*;

fn event(nth: usize, correlations: usize) -> Incoming {
    let work = format!("work-{}", nth % correlations);
    Event::new("bench.step", work)
        .id(format!("e-{nth}"))
        .actor(Principal::user("ana"))
        .entity(EntityRef::new("task", format!("T-{}", nth % correlations)))
        .change("status", "open", "done")
        .payload(serde_json::json!({"amount": "12.50", "note": "a short text of some words", "count": 7, "ok": true}))
        .build()
        .expect("a good event")
}

/// Events a second with so many in flight, over some seconds.
fn throughput(journal: JournalConfig, in_flight: usize, count: usize) -> f64 {
    futures::executor::block_on(async {
        let runtime = builder().journal(journal).start().await.expect("a runtime");
        let handle = runtime.handle();
        let events: Vec<Incoming> = (0..count).map(|nth| event(nth, (count / 10).max(1))).collect();
        let began = Instant::now();
        let mut answers: FuturesUnordered<regie::Answer> = FuturesUnordered::new();
        for event in events {
            if answers.len() >= in_flight {
                answers.next().await.expect("one is in flight").expect("an answer");
            }
            answers.push(handle.enqueue(event).await.expect("room"));
        }
        while let Some(answer) = answers.next().await {
            answer.expect("an answer");
        }
        let rate = count as f64 / began.elapsed().as_secs_f64();
        runtime.shutdown().await;
        rate
    })
}

/// The floor of the durable figures: single rows of the same size, one transaction for so many, each synced.
fn bare_sqlite(path: &std::path::Path, in_flight: usize, budget: Duration) -> f64 {
    let connection = rusqlite::Connection::open(path).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; \
             CREATE TABLE turns(position INTEGER PRIMARY KEY, body BLOB);",
        )
        .expect("a table");
    let body = event(1, 10).raw().as_bytes().repeat(2);
    let (began, mut count) = (Instant::now(), 0_u64);
    while began.elapsed() < budget {
        connection.execute_batch("BEGIN IMMEDIATE").expect("begin");
        for _ in 0..in_flight {
            let mut insert = connection.prepare_cached("INSERT INTO turns(body) VALUES (?1)").expect("prepare");
            insert.execute([&body]).expect("insert");
            count += 1;
        }
        connection.execute_batch("COMMIT").expect("commit");
    }
    count as f64 / began.elapsed().as_secs_f64()
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Bytes for each workflow that has had one event and is idle, its records in a file.
fn bytes_per_workflow(journal: JournalConfig, count: usize) -> f64 {
    futures::executor::block_on(async {
        let runtime = builder().journal(journal).start().await.expect("a runtime");
        let handle = runtime.handle();
        let submit = async |from: usize, to: usize| {
            let mut answers: FuturesUnordered<regie::Answer> = FuturesUnordered::new();
            for nth in from..to {
                if answers.len() >= 512 {
                    answers.next().await.expect("one is in flight").expect("an answer");
                }
                answers.push(handle.enqueue(event(nth, usize::MAX)).await.expect("room"));
            }
            while answers.next().await.is_some() {}
        };
        submit(0, 1_000).await; // caches and buffers are there
        let before = resident();
        submit(1_000, 1_000 + count).await;
        let grown = resident().saturating_sub(before);
        runtime.shutdown().await;
        grown as f64 / count as f64
    })
}

fn main() {
    // `cargo bench` runs it in full; anything else only shows that it runs.
    let full = std::env::args().any(|argument| argument == "--bench");
    let scale = if full { 1 } else { 50 };
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| JournalConfig::sqlite(folder.path().join(name));
    println!(
        "{:>10} {:>16} {:>18} {:>22} {:>8}",
        "in flight", "memory events/s", "durable events/s", "bare SQLite rows/s", "ratio"
    );
    for in_flight in [1, 64, 512] {
        let memory = throughput(JournalConfig::memory(), in_flight, 200_000 / scale);
        let count = (2_000 * in_flight).min(100_000) / scale;
        let durable = throughput(file(&format!("d{in_flight}")), in_flight, count.max(100));
        let floor =
            bare_sqlite(&folder.path().join(format!("f{in_flight}")), in_flight, Duration::from_secs(2) / scale as u32);
        println!("{in_flight:>10} {memory:>16.0} {durable:>18.0} {floor:>22.0} {:>8.2}", durable / floor);
    }
    let bytes = bytes_per_workflow(file("idle"), 100_000 / scale);
    println!("bytes for each idle workflow after one event: {bytes:.0}");
}
