//! What is said over the local socket: one line each way, which begin with the version of these words.

use regie_core::automation::LaterChange;
use regie_core::entity::Update;
use regie_core::event::{ErrorInfo, EventResult, Principal};
use serde::{Deserialize, Serialize};

use super::workflow::Operate;
use crate::runtime::{Live, SendTo, Start, UndoneRun, UpdateResult, WorkflowReport};

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
    /// Something is to be done to a workflow. Answered with how it stands then.
    Operate(Operate),
    /// A workflow is to be begun. Answered with what became of its event.
    Start {
        /// Which, where, with what.
        start: Box<Start>,
    },
    /// A workflow is to be told something. Answered with what became of the event.
    Send {
        /// Which, and what.
        send: Box<SendTo>,
    },
    /// What the owner tells of itself.
    Live,
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
    /// How a workflow stands after what was done to it.
    Workflow(Box<WorkflowReport>),
    /// What the owner tells of itself.
    Live(Box<Live>),
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

#[derive(Deserialize)]
struct Starting {
    start: Box<Start>,
}

#[derive(Deserialize)]
struct Sending {
    send: Box<SendTo>,
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
    workflow: Option<WorkflowReport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live: Option<Live>,
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
        match command.as_deref() {
            Some("update") => {
                let Updating { update } = serde_json::from_slice(line).map_err(bad)?;
                Ok(Ask::Update { update })
            }
            Some("start") => {
                let Starting { start } = serde_json::from_slice(line).map_err(bad)?;
                Ok(Ask::Start { start })
            }
            Some("send") => {
                let Sending { send } = serde_json::from_slice(line).map_err(bad)?;
                Ok(Ask::Send { send })
            }
            _ => serde_json::from_slice(line).map_err(bad),
        }
    }
}

impl Answer {
    /// As a line.
    pub(crate) fn into_line(self) -> String {
        line(&match self {
            Answer::Done(result) => Reply { result: Some(*result), ..Reply::default() },
            Answer::Updated(update) => Reply { update: Some(*update), ..Reply::default() },
            Answer::Undone(undone) => Reply { undone: Some(undone), ..Reply::default() },
            Answer::Workflow(workflow) => Reply { workflow: Some(*workflow), ..Reply::default() },
            Answer::Live(live) => Reply { live: Some(*live), ..Reply::default() },
            Answer::Refused(error) => Reply { error: Some(error), ..Reply::default() },
            Answer::NotUndone(error, later) => Reply { error: Some(error), later, ..Reply::default() },
        })
    }

    /// From a line; nothing if it is none of ours.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let Reply { result, update, undone, workflow, live, error, later, .. } = serde_json::from_slice(line).ok()?;
        let refused = error.map(|error| match later.is_empty() {
            true => Answer::Refused(error),
            false => Answer::NotUndone(error, later),
        });
        let all = [
            result.map(|result| Answer::Done(Box::new(result))),
            update.map(|update| Answer::Updated(Box::new(update))),
            undone.map(Answer::Undone),
            workflow.map(|workflow| Answer::Workflow(Box::new(workflow))),
            live.map(|live| Answer::Live(Box::new(live))),
            refused,
        ];
        let mut said = all.into_iter().flatten();
        let answer = said.next()?;
        said.next().is_none().then_some(answer) // several at once are none of ours
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            regie: VERSION,
            result: None,
            update: None,
            undone: None,
            workflow: None,
            live: None,
            error: None,
            later: Vec::new(),
        }
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
    fn what_is_asked_of_workflows_is_read_again_with_every_digit() {
        let by = Principal::user("ana");
        let input = regie_core::Json::parse("1.10000000000000000000001").ok();
        let start = Start {
            workflow: "order".into(),
            correlation_id: "o-1".into(),
            kind: None,
            input: input.clone(),
            by: by.clone(),
            why: "asked".into(),
        };
        let (kind, why) = ("order.paid".into(), "asked".to_string());
        let send =
            SendTo { correlation_id: "o-1".into(), kind, payload: input, id: None, by: by.clone(), why: why.clone() };
        let operation = crate::control::Operating::UnparkSkip;
        let operate = Operate { correlation_id: "o-1".into(), operation, id: "op-1".into(), to: None, by, why };
        let asks = [
            Ask::Start { start: Box::new(start) },
            Ask::Send { send: Box::new(send) },
            Ask::Operate(operate),
            Ask::Live,
        ];
        for ask in asks {
            let line = ask.to_line();
            assert_eq!(Ask::read(line.as_bytes()), Ok(ask), "{line}");
        }
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
        let twice = r#"{"regie":1,"undone":{"position":1,"events":[]},"error":{"code":"a","message":"b"}}"#;
        for bad in ["", "{\"regie\":1}", "{\"regie\":1,\"result\":{}}", twice] {
            assert_eq!(Answer::read(bad.as_bytes()), None, "{bad}");
        }
    }
}
