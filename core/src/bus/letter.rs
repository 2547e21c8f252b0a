//! A dead letter: what is kept of a delivery that was given up, and the own handler that tries it again.

use serde::{Deserialize, Serialize};

use super::name::SubscriberName;
use crate::Timestamp;
use crate::event::{CorrelationId, Event, EventBuilder, Pattern, emitted_id};
use crate::limits;
use crate::workflow::{AgentOutcome, Handler, HandlerError, Input, Moment, Reaction};
use crate::{Json, event};

/// The type of the own event that is a dead letter.
pub const DEAD_LETTER: &str = "regie.dead_letter";

/// What is kept of a delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Who could not take it.
    pub subscriber: SubscriberName,
    /// The event's correlation.
    pub correlation: CorrelationId,
    /// Its source.
    pub source: String,
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The position by which it was delivered.
    pub position: u64,
    /// What went wrong at last.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried first.
    pub first_at: Timestamp,
    /// When it was tried last.
    pub last_at: Timestamp,
}

impl Letter {
    /// The correlation of all letters about one delivery.
    pub fn home(&self) -> CorrelationId {
        format!("regie/letter/{}/{}", self.subscriber, self.position).into()
    }

    /// Whom the letters of a correlation are for, if it has letters.
    pub fn addressee(correlation: &CorrelationId) -> Option<SubscriberName> {
        let (name, _) = correlation.strip_prefix("regie/letter/")?.split_once('/')?;
        SubscriberName::new(name).ok()
    }

    /// The event that it is recorded as. Made again from the same delivery, it is the same event.
    pub fn event(&self) -> EventBuilder {
        let home = self.home();
        let payload = Json::of(&Letter { error: short(&self.error), ..self.clone() });
        Event::new(DEAD_LETTER, home.clone())
            .id(emitted_id(&home, "letter", 1))
            .source("regie:bus")
            .actor(event::Principal::system())
            .timestamp(self.last_at)
            .payload(payload)
    }

    /// Reads a letter out of its event.
    pub fn read(event: &Event) -> Option<Self> {
        (event.kind == DEAD_LETTER && event.correlation_id.is_own()).then(|| event.payload.to().ok())?
    }
}

/// A reason is kept with its event, and shown in one line.
pub(crate) fn short(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut end = plain.len().min(limits::REASON_BYTES);
    while !plain.is_char_boundary(end) {
        end -= 1;
    }
    plain[..end].to_string()
}

/// Tries a dead letter again once a person has let it go on. What fails again is a new letter, which waits again.
pub(crate) struct Letters;

const RETRY: &str = "retry";
const AGAIN: &str = "again";

impl Handler for Letters {
    type State = Option<Letter>;
    type Fact = Letter;

    fn name(&self) -> &str {
        "regie.letter"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::literal(DEAD_LETTER)
    }

    fn decide(
        &self,
        state: &Option<Letter>,
        input: Input<'_>,
        moment: &Moment<'_>,
    ) -> Result<Reaction<Letter>, HandlerError> {
        let unknown = || HandlerError("there is no letter here".into());
        match input {
            Input::Event(event) => {
                let letter = Letter::read(event).ok_or_else(|| HandlerError("this is no dead letter".into()))?;
                let (agent, task) = (letter.subscriber.agent(), Json::of(&letter));
                Ok(Reaction::none().note(letter).call(RETRY, &agent, task))
            }
            Input::Agent { outcome: AgentOutcome::Done(_), .. } => Ok(Reaction::none().complete("delivered")),
            Input::Agent { outcome, .. } => {
                let letter = state.clone().ok_or_else(unknown)?;
                let (attempts, error) = (letter.attempts.saturating_add(1), told(outcome));
                let again = Letter { attempts, error, last_at: moment.now, ..letter };
                Ok(Reaction::none().send(AGAIN, again.event()))
            }
            Input::Sent { refused: Some(why), .. } => Err(HandlerError(format!("the letter was not kept: {why}"))),
            _ => Ok(Reaction::none()),
        }
    }

    fn evolve(&self, state: &mut Option<Letter>, letter: Letter) {
        *state = Some(letter);
    }
}

/// What an outcome that is no success says.
fn told(outcome: &AgentOutcome) -> String {
    match outcome {
        AgentOutcome::Done(_) => String::new(),
        AgentOutcome::Failed(why) | AgentOutcome::Refused(why) => why.clone(),
        AgentOutcome::Panicked(why) => format!("it panicked: {why}"),
        AgentOutcome::TimedOut { after_ms } => format!("it was not done within {after_ms} ms"),
        AgentOutcome::Rejected { code: None, message, .. } => message.clone(),
        AgentOutcome::Rejected { code: Some(code), message, .. } => format!("{message} ({code})"),
    }
}

impl AgentOutcome {
    /// Why it is no success; nothing if it is one.
    pub fn failure(&self) -> Option<String> {
        (!self.is_done()).then(|| told(self))
    }
}
