//! How long one turn of a ledger takes: an event is read, decided, encoded, hashed and taken into the state.
//!
//! `cargo bench -p regie-core` prints it beside a floor that no turn goes below: its bytes hashed twice and parsed once. Both
//! run in turns, and the fastest round of each counts; the ratio is what is compared over time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use regie_core::event::{CorrelationId, Event, Incoming, Origin, Principal};
use regie_core::workflow::{Command, Context, Definitions, State, take};
use regie_core::{Digest, Timestamp};
use serde_json::value::RawValue;

const EVENTS: usize = 20_000;
/// Most correlations have few events.
const EVENTS_PER_CORRELATION: usize = 16;
const ROUNDS: usize = 15;

fn main() {
    let events: Vec<String> = (0..EVENTS).map(event).collect();
    let bytes = events.iter().map(String::len).sum::<usize>() / EVENTS;
    let (mut turn, mut floor) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        floor = floor.min(timed(|| events.iter().for_each(|text| bare(text))));
        turn = turn.min(timed(|| events.chunks(EVENTS_PER_CORRELATION).for_each(correlation)));
    }
    let each = |time: Duration| time.as_nanos() as f64 / EVENTS as f64;
    println!("{EVENTS} events of {bytes} bytes, {EVENTS_PER_CORRELATION} a correlation");
    println!("two SHA-256 and a parse   {:>7.0} ns", each(floor));
    println!("a turn                    {:>7.0} ns", each(turn));
    println!("ratio                     {:>7.2}", each(turn) / each(floor));
}

fn event(nth: usize) -> String {
    let event = Event::new("orchestration.task.status_changed", format!("task-{}", nth / EVENTS_PER_CORRELATION))
        .id(format!("event-{nth}"))
        .timestamp(Timestamp::from_millis(1_767_225_600_000 + nth as i64))
        .actor(Principal::user(format!("user-{}", nth % 50)))
        .change("status", "open", "done")
        .payload(serde_json::json!({ "text": "x".repeat(200), "n": nth }));
    event.build().expect("a good event").raw().to_string()
}

fn bare(text: &str) {
    let parsed: &RawValue = serde_json::from_str(text).expect("JSON");
    black_box((Digest::of(text.as_bytes()), Digest::of(parsed.get().as_bytes())));
}

fn correlation(events: &[String]) {
    let (name, definitions) = (CorrelationId::from("task"), Definitions::default());
    let mut state = State::default();
    for (text, nth) in events.iter().zip(1..) {
        let event = Incoming::read(text.as_bytes(), Origin::File).expect("a good event");
        let command = Command::Submit { event, emitted: false };
        let now = Timestamp::from_millis(nth);
        let context = Context { now, judgement: None, definitions: &definitions, poison: None };
        black_box(take(&mut state, &name, &command, &context).expect("taken"));
        state.placed(nth as u64, nth as u64);
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
