//! Spans reach an OpenTelemetry collector, and one that is not there harms nothing.

#![cfg(feature = "otel")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::support::{Place, lines, sprint};

/// How long a collector waits for the command, and the test for the collector.
const BOUND: Duration = Duration::from_secs(20);

/// What a collector was handed: the request's first line and its body.
type Handed = (String, Vec<u8>);

/// A collector on loopback that takes everything.
fn collector() -> (String, Receiver<Handed>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| sender.send(take(stream)).ok()));
    (endpoint, receiver)
}

fn take(mut stream: TcpStream) -> Handed {
    stream.set_read_timeout(Some(BOUND)).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let head: Vec<String> = reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    (head[0].clone(), body)
}

fn place(endpoint: &str) -> Place {
    let place = Place::new().with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    place.file("events.jsonl", lines(&sprint()));
    place
}

fn holds(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn a_collector_is_handed_the_turns_with_their_correlations_and_the_moves_within() {
    let (endpoint, handed) = collector();
    place(&endpoint).run(&["run", "events.jsonl", "--clock", "event"]).succeeds();
    let (request, body) = handed.recv_timeout(BOUND).unwrap();
    assert_eq!(request, "POST /v1/traces HTTP/1.1");
    for text in ["service.name", "regie", "turn", "correlation", "task-001", "processed"] {
        assert!(holds(&body, text), "'{text}' is not in {}", String::from_utf8_lossy(&body));
    }
}

#[test]
fn a_collector_that_is_not_there_is_told_once_and_the_run_is_as_ever() {
    // Its port is free again by the time the command asks.
    let endpoint = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let ran = place(&endpoint).run(&["run", "events.jsonl", "--clock", "event"]).succeeds().tells(&["6 new"]);
    assert_eq!(ran.err.matches("spans are lost").count(), 1, "{ran:#?}");
}

#[test]
fn without_the_variable_nothing_is_exported_nor_said() {
    let ran = place("").run(&["run", "events.jsonl", "--clock", "event"]).succeeds();
    assert!(!ran.err.contains("spans"), "{ran:#?}");
}
