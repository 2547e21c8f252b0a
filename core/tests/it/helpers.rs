//! What the themes share: short ways to say an instant, an event, a command; the shared data, where there is any.

use std::path::PathBuf;
use std::sync::Arc;

use regie_core::event::{CorrelationId, Event, EventBuilder, Incoming, Origin};
use regie_core::governance::{Judgement, PolicySet, Who};
use regie_core::workflow::{Command, Context, Definitions, Fact, Poison, Record, Refusal, State, Turn, take};
use regie_core::{Json, Timestamp};

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A small event of a type in correlation `c`.
pub(crate) fn event(kind: &str, id: &str) -> EventBuilder {
    Event::new(kind, "c").id(id).timestamp(at(0))
}

pub(crate) fn submit(event: EventBuilder) -> Command {
    Command::Submit { event: event.build().expect("a good event"), emitted: false }
}

pub(crate) fn read(text: &str) -> Result<Incoming, regie_core::event::EventError> {
    Incoming::read(text.as_bytes(), Origin::File)
}

/// An event of correlation `c`.
pub(crate) fn who(event: u64) -> Who {
    (correlation(), event)
}

pub(crate) fn record(sequence: u64, facts: Vec<Fact>) -> Record {
    Record { sequence, at: at(0), facts }
}

/// A policy set from a file's text.
pub(crate) fn policies(text: &str) -> Arc<PolicySet> {
    Arc::new(PolicySet::parse(text).expect("a good policy file"))
}

/// One correlation that runs in memory, with the bytes that a journal would hold.
pub(crate) struct Desk {
    pub(crate) state: State,
    pub(crate) definitions: Definitions,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) now: Timestamp,
    pub(crate) correlation: CorrelationId,
}

impl Desk {
    pub(crate) fn new(definitions: Definitions) -> Self {
        Self { state: State::default(), definitions, records: Vec::new(), now: at(0), correlation: correlation() }
    }

    /// Takes a command where no policy has a say.
    pub(crate) fn take(&mut self, command: &Command) -> Result<Turn, Refusal> {
        self.take_judged(command, None)
    }

    /// Takes a command with a judgement, as a workflow does: appended, placed.
    pub(crate) fn take_judged(&mut self, command: &Command, judgement: Option<Judgement>) -> Result<Turn, Refusal> {
        self.take_with(command, judgement, None)
    }

    /// Takes a command that has killed its workflow too often.
    pub(crate) fn take_poisoned(&mut self, command: &Command, error: &str) -> Result<Turn, Refusal> {
        self.take_with(command, None, Some(Poison { attempts: 3, error: error.into() }))
    }

    fn take_with(
        &mut self,
        command: &Command,
        judgement: Option<Judgement>,
        poison: Option<Poison>,
    ) -> Result<Turn, Refusal> {
        let context = Context { now: self.now, judgement, definitions: &self.definitions, poison };
        let turn = take(&mut self.state, &self.correlation, command, &context)?;
        self.records.push(turn.encoded.bytes.clone());
        self.state.placed(turn.record.sequence, turn.record.sequence);
        Ok(turn)
    }
}

pub(crate) fn correlation() -> CorrelationId {
    CorrelationId::from("c")
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text).expect("JSON")
}

/// A file of the shared acceptance data, or nothing where this checkout has none beside it.
pub(crate) fn shared(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let text = std::fs::read_to_string(path).ok();
    if text.is_none() {
        println!("skipped: no data ({name})");
    }
    text
}

/// Base 64 with padding, as CloudEvents have it.
pub(crate) fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(digit).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes().into_iter().skip(1).take(four.len() - 1)
    });
    bytes.collect()
}
