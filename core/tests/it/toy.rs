//! A handler for tests: each event of `toy.>` says in its payload what is to be done.

use regie_core::event::{Event, Pattern};
use regie_core::workflow::{AgentOutcome, Definitions, Handler, HandlerError, Input, Moment, Reaction};
use serde::{Deserialize, Serialize};

/// What an event asks the toy for, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Do {
    /// Notes a text.
    Note(String),
    /// Has an agent do the step.
    Call(String),
    /// Sets a timer for the step, so many milliseconds on.
    Timer(String, u64),
    /// Sends an event to another correlation.
    Send(String),
    /// Cancels another workflow.
    CancelOther(String),
    /// Keeps the event, until events of its type are recalled.
    Keep,
    Recall(String),
    PassOver,
    Discard,
    Complete,
    Fail,
    /// Gives an error.
    Refuse,
    /// Panics when it decides.
    Panic,
    /// Panics when its state follows.
    Bomb,
}

/// What it knows.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) notes: Vec<String>,
}

pub(crate) struct Toy;

impl Handler for Toy {
    type State = Known;
    type Fact = String;

    fn name(&self) -> &str {
        "toy"
    }

    fn version(&self) -> u32 {
        3
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("toy.>").expect("a pattern")
    }

    fn decide(&self, known: &Known, input: Input<'_>, moment: &Moment<'_>) -> Result<Reaction<String>, HandlerError> {
        let reaction = Reaction::none();
        match input {
            Input::Event(event) => {
                let wanted: Vec<Do> = event.payload.to().map_err(|error| HandlerError(error.to_string()))?;
                wanted.into_iter().try_fold(reaction, |reaction, one| react(reaction, one, known, moment))
            }
            // A failed call is tried again, under the same step.
            Input::Agent { step, outcome: AgentOutcome::Failed(_) } => Ok(reaction.call(step, "agent", again(known))),
            Input::Agent { step, .. } | Input::Timer { step } | Input::Sent { step, .. } => {
                Ok(reaction.note(format!("{step} ended")))
            }
            _ => Ok(reaction),
        }
    }

    fn evolve(&self, known: &mut Known, fact: String) {
        assert_ne!(fact, "bomb", "the toy blew up");
        known.notes.push(fact);
    }
}

fn again(known: &Known) -> serde_json::Value {
    serde_json::json!({ "again_after": known.notes.len() })
}

fn react(
    reaction: Reaction<String>,
    wanted: Do,
    known: &Known,
    moment: &Moment<'_>,
) -> Result<Reaction<String>, HandlerError> {
    Ok(match wanted {
        Do::Note(text) => reaction.note(text),
        Do::Bomb => reaction.note("bomb".into()),
        Do::Call(step) => reaction.call(&step, "agent", serde_json::json!({ "step": step })),
        Do::Timer(step, after) => reaction.timer(&step, moment.now.after(std::time::Duration::from_millis(after))),
        Do::Send(step) => reaction.send(&step, Event::new("toy.sent", "elsewhere")),
        Do::CancelOther(step) => reaction.cancel_other(&step, "elsewhere".into(), "enough"),
        Do::Keep => reaction.keep("no place"),
        Do::Recall(kind) => reaction.recall(Pattern::parse(&kind)),
        Do::PassOver => reaction.pass_over("not for it"),
        Do::Discard => reaction.refuse("not now"),
        Do::Complete => reaction.complete(&known.notes.len()),
        Do::Fail => reaction.fail("as asked"),
        Do::Refuse => return Err(HandlerError("no".into())),
        Do::Panic => panic!("the toy panics"),
    })
}

/// The program that has the toy.
pub(crate) fn toys() -> Definitions {
    let mut definitions = Definitions::default();
    assert!(definitions.add(Toy));
    definitions
}

/// The payload that asks for these.
pub(crate) fn asks(wanted: &[Do]) -> serde_json::Value {
    serde_json::to_value(wanted).expect("JSON")
}
