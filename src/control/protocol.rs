//! What is said over the local socket: one line each way, which begin with the version of these words.

use regie_core::automation::LaterChange;
use regie_core::entity::Update;
use regie_core::event::{ErrorInfo, EventResult, Principal};
use serde::{Deserialize, Serialize};

use crate::runtime::{UndoneRun, UpdateResult};

/// The version of these words. What is added, and may be left out, does not change it.
const VERSION: u32 = 1;

/// What may be asked of the one who owns a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// A person's decision over an event that waits for one. Answered with the event's whole life.
    Resolve(Decision),
    /// An entity is to have these values. Answered with what became of that.
    Update {
        /// The entity and the values.
        update: Box<Update>,
    },
    /// What a rule's run changed is to be put back. Answered with the compensating events.
    Undo(UndoAsked),
}

/// A person's decision over an event that waits for one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Decision {
    /// The position of the record that received the event.
    pub(crate) position: u64,
    /// The event's correlation, if it is to be made sure that this is the one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) correlation_id: Option<String>,
    /// The event's id, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_id: Option<String>,
    /// Whether it may go on.
    pub(crate) approved: bool,
    /// Who says so.
    pub(crate) by: Principal,
    /// Why.
    pub(crate) why: String,
}

/// Who wants a rule's run put back, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UndoAsked {
    /// The run's id.
    pub(crate) run: String,
    /// Who says so.
    pub(crate) by: Principal,
    /// Why.
    pub(crate) why: String,
    /// Whether later changes are overwritten.
    pub(crate) force: bool,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// It was done.
    Done(Box<EventResult>),
    /// What became of an update.
    Updated(Box<UpdateResult>),
    /// A run was put back.
    Undone(UndoneRun),
    /// It was not.
    Refused(ErrorInfo),
    /// A run was not put back, because of these.
    NotUndone(ErrorInfo, Vec<LaterChange>),
}

#[derive(Deserialize)]
struct Version {
    regie: u32,
    command: Option<String>,
}

#[derive(Deserialize)]
struct Updating {
    update: Box<Update>,
}

#[derive(Serialize)]
struct Question<'a> {
    regie: u32,
    #[serde(flatten)]
    ask: &'a Ask,
}

#[derive(Serialize, Deserialize)]
struct Reply {
    regie: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<EventResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    update: Option<UpdateResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undone: Option<UndoneRun>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorInfo>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    later: Vec<LaterChange>,
}

impl Ask {
    /// As a line.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    pub(crate) fn to_line(&self) -> String {
        line(&Question { regie: VERSION, ask: self })
    }

    /// From a line, or why it is none of ours.
    pub(crate) fn read(line: &[u8]) -> Result<Self, ErrorInfo> {
        let bad = |error: serde_json::Error| ErrorInfo::new("bad_request", error);
        let Version { regie: version, command } = serde_json::from_slice(line).map_err(bad)?;
        if version != VERSION {
            let why = format!("asked in version {version}; this process understands {VERSION}");
            return Err(ErrorInfo::new("version", why));
        }
        // Values that keep their digits can be read directly alone, and not from behind a tag.
        if command.as_deref() == Some("update") {
            let Updating { update } = serde_json::from_slice(line).map_err(bad)?;
            return Ok(Ask::Update { update });
        }
        serde_json::from_slice(line).map_err(bad)
    }
}

impl Answer {
    /// As a line.
    pub(crate) fn into_line(self) -> String {
        line(&match self {
            Answer::Done(result) => Reply { result: Some(*result), ..Reply::default() },
            Answer::Updated(update) => Reply { update: Some(*update), ..Reply::default() },
            Answer::Undone(undone) => Reply { undone: Some(undone), ..Reply::default() },
            Answer::Refused(error) => Reply { error: Some(error), ..Reply::default() },
            Answer::NotUndone(error, later) => Reply { error: Some(error), later, ..Reply::default() },
        })
    }

    /// From a line; nothing if it is none of ours.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let reply: Reply = serde_json::from_slice(line).ok()?;
        match (reply.result, reply.update, reply.undone, reply.error) {
            (Some(result), None, None, None) => Some(Answer::Done(Box::new(result))),
            (None, Some(update), None, None) => Some(Answer::Updated(Box::new(update))),
            (None, None, Some(undone), None) => Some(Answer::Undone(undone)),
            (None, None, None, Some(error)) if reply.later.is_empty() => Some(Answer::Refused(error)),
            (None, None, None, Some(error)) => Some(Answer::NotUndone(error, reply.later)),
            _ => None,
        }
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self { regie: VERSION, result: None, update: None, undone: None, error: None, later: Vec::new() }
    }
}

fn line(said: &impl Serialize) -> String {
    // Maps with keys that are texts, and no value that refuses: this cannot fail.
    let mut line = serde_json::to_string(said).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> Ask {
        Ask::Resolve(Decision {
            position: 7,
            correlation_id: Some("order-4".into()),
            event_id: None,
            approved: true,
            by: Principal::user("ana"),
            why: "known".into(),
        })
    }

    #[test]
    fn what_is_asked_is_one_line_and_is_read_again() {
        let line = decision().to_line();
        let told = r#"{"regie":1,"command":"resolve","position":7,"correlation_id":"order-4","approved":true,"#;
        assert!(line.starts_with(told) && line.ends_with("}\n") && line.lines().count() == 1, "{line}");
        assert_eq!(Ask::read(line.as_bytes()), Ok(decision()));
    }

    #[test]
    fn an_update_keeps_every_digit() {
        let mut update = Update::of(regie_core::event::EntityRef::new("order", "1"), Principal::user("ana"));
        let digits = regie_core::Json::parse("1.10000000000000000000001").expect("a number");
        update.fields.insert("amount".into(), digits);
        let ask = Ask::Update { update: Box::new(update) };
        let line = ask.to_line();
        assert!(line.contains("1.10000000000000000000001"), "{line}");
        assert_eq!(Ask::read(line.as_bytes()), Ok(ask));
    }

    #[test]
    fn what_is_none_of_ours_is_refused_by_its_kind() {
        let code = |line: &str| Ask::read(line.as_bytes()).unwrap_err().code;
        let newer = decision().to_line().replace("\"regie\":1", "\"regie\":2");
        let unknown = decision().to_line().replace("resolve", "dance");
        let unsigned = decision().to_line().replace("\"why\"", "\"because\"");
        assert_eq!(code(&newer), "version");
        for bad in ["", "nonsense", "{}", "[1]", "{\"regie\":1}", unknown.as_str(), unsigned.as_str()] {
            assert_eq!(code(bad), "bad_request", "{bad}");
        }
    }

    #[test]
    fn an_answer_is_read_again_and_half_a_one_is_none() {
        let refused = Answer::Refused(ErrorInfo::new("no_event", "no event stands there"));
        assert_eq!(Answer::read(refused.clone().into_line().as_bytes()), Some(refused));
        for bad in ["", "{\"regie\":1}", "{\"regie\":1,\"result\":{}}"] {
            assert_eq!(Answer::read(bad.as_bytes()), None, "{bad}");
        }
    }
}
