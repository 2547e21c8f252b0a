//! The puppet: a handler that does what its events and its agents' results tell it to.

use std::time::Duration;

use regie_core::event::{Event, Pattern};
use regie_core::workflow::{AgentOutcome, Handler, HandlerError, Input, Moment, Reaction};
use serde::{Deserialize, Serialize};

/// What a puppet is told to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Do {
    Note(String),
    /// Has an agent do a step, perhaps within milliseconds of its own.
    Call {
        step: String,
        agent: String,
        within: Option<u64>,
    },
    /// Sets a timer for a step, so many milliseconds on.
    Timer {
        step: String,
        after: u64,
    },
    /// Sends an event with a script to a correlation.
    Send {
        step: String,
        to: String,
        kind: String,
        script: Vec<Do>,
    },
    Complete,
    Fail,
    /// Gives an error.
    Refuse,
    /// Panics when it decides.
    Panic,
    /// Panics when its state follows.
    Bomb,
}

/// What an agent gives: a number that no other call was given, and what the puppet is to do then.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) number: u64,
    pub(crate) then: Vec<Do>,
}

/// A failed step is called again until it has failed so often.
pub(crate) const TRIES: u32 = 2;
/// The note that blows the puppet up.
pub(crate) const BOMB: &str = "bomb";
/// The agent that there is.
pub(crate) const CLERK: &str = "clerk";

/// A definition, in one of its versions.
pub(crate) struct Puppet {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
}

/// What a puppet knows of one correlation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notes {
    all: Vec<String>,
}

impl Notes {
    /// How often that was noted of a step.
    fn count(&self, step: &str, what: &str) -> u32 {
        let noted = format!(": {step} {what}");
        self.all.iter().filter(|note| note.ends_with(&noted)).count() as u32
    }
}

impl Handler for Puppet {
    type State = Notes;
    type Fact = String;

    fn name(&self) -> &str {
        self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse(&format!("{}.>", self.name)).expect("a pattern")
    }

    fn decide(&self, notes: &Notes, input: Input<'_>, moment: &Moment<'_>) -> Result<Reaction<String>, HandlerError> {
        let reaction = Reaction::none();
        let note = |text: String| format!("v{}: {text}", self.version);
        match input {
            Input::Event(event) => {
                // What puts a run back, or tells that this was refused, is no script.
                let script: Vec<Do> = event.payload.to().unwrap_or_default();
                self.follow(reaction, script, moment)
            }
            Input::Agent { step, outcome: AgentOutcome::Done(result) } => {
                let result: Given = result.to().map_err(|error| HandlerError(error.to_string()))?;
                let reaction = reaction.note(note(format!("{step} gave {}", result.number)));
                self.follow(reaction, result.then, moment)
            }
            Input::Agent { step, .. } => {
                let failed = notes.count(step, "failed") + 1;
                let reaction = reaction.note(note(format!("{step} failed")));
                Ok(if failed < TRIES { reaction.call(step, CLERK, serde_json::json!(failed)) } else { reaction })
            }
            // The first ring of a step is followed by another at the same instant.
            Input::Timer { step } => {
                let reaction = reaction.note(note(format!("{step} rang")));
                Ok(if notes.count(step, "rang") == 0 { reaction.timer(step, moment.now) } else { reaction })
            }
            Input::Sent { step, refused: None, .. } => Ok(reaction.note(note(format!("{step} arrived")))),
            Input::Sent { step, .. } => Ok(reaction.note(note(format!("{step} was refused")))),
            _ => Ok(reaction),
        }
    }

    fn evolve(&self, notes: &mut Notes, fact: String) {
        assert!(!fact.ends_with(BOMB), "the puppet blows up");
        notes.all.push(fact);
    }
}

impl Puppet {
    fn follow(
        &self,
        reaction: Reaction<String>,
        script: Vec<Do>,
        moment: &Moment<'_>,
    ) -> Result<Reaction<String>, HandlerError> {
        script.into_iter().try_fold(reaction, |reaction, one| self.act(reaction, one, moment))
    }

    fn act(&self, reaction: Reaction<String>, one: Do, moment: &Moment<'_>) -> Result<Reaction<String>, HandlerError> {
        Ok(match one {
            Do::Note(text) => reaction.note(format!("v{}: {text}", self.version)),
            Do::Bomb => reaction.note(format!("v{}: {BOMB}", self.version)),
            Do::Call { step, agent, within: None } => reaction.call(&step, &agent, serde_json::json!(0)),
            Do::Call { step, agent, within: Some(limit) } => {
                reaction.call_within(&step, &agent, serde_json::json!(0), limit)
            }
            Do::Timer { step, after } => reaction.timer(&step, moment.now.after(Duration::from_millis(after))),
            Do::Send { step, to, kind, script } => {
                let payload = serde_json::to_value(script).expect("JSON");
                reaction.send(&step, Event::new(kind, to.as_str()).payload(payload))
            }
            Do::Complete => reaction.complete("done"),
            Do::Fail => reaction.fail("as told"),
            Do::Refuse => return Err(HandlerError("it will not".into())),
            Do::Panic => panic!("the puppet panics"),
        })
    }
}
