//! A server on loopback that does with each call what it was told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long it waits for whoever called.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it does with one call.
pub(crate) enum Act {
    /// Answers with a status, headers, and a body.
    Answer(u16, &'static str, String),
    /// Sends these bytes and closes.
    Raw(Vec<u8>),
    /// Answers with a body that has no end, until nobody reads it any more.
    Endless,
    /// Says nothing, until the other end has closed.
    Silence,
}

/// A call as it came: its head in lines, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) head: Vec<String>,
    pub(crate) body: serde_json::Value,
}

pub(crate) struct Server {
    address: String,
    calls: Arc<Mutex<Vec<Called>>>,
    closed: Mutex<Receiver<u64>>,
}

/// A chat completion whose message is this.
pub(crate) fn completion(content: &str) -> Act {
    let message = serde_json::json!({"role": "assistant", "content": content});
    let choices = serde_json::json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
    ok(serde_json::json!({"id": "x", "choices": choices, "usage": {"total_tokens": 100}}).to_string())
}

/// One signal, as the schema wants it.
pub(crate) fn signal() -> Act {
    completion(r#"{"signals":[{"kind":"risk.high","confidence":0.9,"rationale":"a large sum"}]}"#)
}

pub(crate) fn ok(body: impl Into<String>) -> Act {
    Act::Answer(200, "", body.into())
}

impl Server {
    /// Does these in turn, one a call; later calls find nobody.
    pub(crate) fn new(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (calls, (closes, closed)) = (Arc::<Mutex<Vec<Called>>>::default(), channel());
        let notes = Arc::clone(&calls);
        std::thread::spawn(move || {
            for act in acts {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let Some(called) = read(&stream) else { continue };
                notes.lock().unwrap().push(called);
                let _ = closes.send(perform(act, stream));
            }
        });
        Self { address, calls, closed: Mutex::new(closed) }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn calls(&self) -> Vec<Called> {
        self.calls.lock().unwrap().clone()
    }

    /// Waits until it is done with a call, and says how many bytes of a body it got rid of.
    pub(crate) fn is_done(&self) -> u64 {
        self.closed.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }
}

fn read(stream: &TcpStream) -> Option<Called> {
    let mut reader = BufReader::new(stream);
    let head: Vec<String> = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Called { head, body: serde_json::from_slice(&body).ok()? })
}

fn perform(act: Act, mut stream: TcpStream) -> u64 {
    match act {
        Act::Answer(status, headers, body) => {
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
            write(&mut stream, &[head.as_bytes(), body.as_bytes()].concat())
        }
        Act::Raw(bytes) => write(&mut stream, &bytes),
        Act::Endless => {
            let mut written = write(&mut stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            while stream.write_all(chunk.as_bytes()).is_ok() {
                written += chunk.len() as u64;
            }
            written
        }
        Act::Silence => std::io::copy(&mut stream, &mut std::io::sink()).unwrap_or_default(),
    }
}

fn write(stream: &mut TcpStream, bytes: &[u8]) -> u64 {
    stream.write_all(bytes).map_or(0, |()| bytes.len() as u64)
}
