//! What a reasoner is asked: a copy of what it may see of one event, and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::mode::Mode;
use super::outcome::{Refused, cut};
use crate::event::{CorrelationId, Event, check_shape};
use crate::{Json, limits};

/// Who is to be asked what for: what a policy says of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The policy that wants to know.
    pub policy: String,
    /// Who is asked.
    pub reasoner: String,
    /// What for.
    pub mode: Mode,
    /// How long the answer may take, in milliseconds; the reasoner's own limit unless said.
    pub limit_ms: Option<u64>,
}

/// One question to a reasoner. It owns all that it holds: no two share anything that can change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// What for.
    pub mode: Mode,
    /// How long the answer may take, in milliseconds.
    pub limit_ms: u64,
    /// The event's correlation.
    pub correlation: CorrelationId,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// What may be seen of the event: a JSON object, as the event has it.
    pub view: Json,
}

impl Request {
    /// Asks about an event. What may be seen of it is copied, and checked before anybody is called.
    ///
    /// ```
    /// use regie_core::event::Event;
    /// use regie_core::reasoning::{Ask, Mode, Request, Sight};
    /// let event = Event::new("order.placed", "o-1").id("e-1").payload(serde_json::json!({"sum": 7, "card": "4111"}));
    /// let event = event.build().unwrap();
    /// let ask = Ask { policy: "p".into(), reasoner: "fraud".into(), mode: Mode::RISK_FLAGGING, limit_ms: None };
    /// let sight = Sight::of(["type", "payload.sum"]).unwrap();
    /// let request = Request::new(&ask, event.event(), &sight).unwrap();
    /// assert_eq!(request.view.text(), r#"{"payload":{"sum":7},"type":"order.placed"}"#);
    /// ```
    pub fn new(ask: &Ask, event: &Event, sight: &Sight) -> Result<Self, Refused> {
        let view = sight.over(Json::of(event));
        let request = Self {
            mode: ask.mode.clone(),
            limit_ms: ask.limit_ms.unwrap_or(limits::REASONING_LIMIT.as_millis() as u64),
            correlation: event.correlation_id.clone(),
            event_id: event.id.clone(),
            event_type: event.kind.clone(),
            view,
        };
        request.check().map(|()| request)
    }

    /// Whether what may be seen can be handed over.
    pub fn check(&self) -> Result<(), Refused> {
        let (bytes, limit) = (self.view.text().len(), limits::REASONING_VIEW_BYTES);
        if bytes > limit {
            return Err(Refused::TooLarge { bytes: bytes as u64, limit: limit as u64 });
        }
        if !self.view.text().trim_start().starts_with('{') {
            return Err(Refused::NotAnObject { why: "it is of another kind".into() });
        }
        check_shape(self.view.text()).map_err(|error| Refused::NotAnObject { why: cut(error.to_string()) })
    }
}

/// The time that a call may take: what was asked for, if it is at least a millisecond and at most the longest allowed.
pub fn time_limit(asked: Duration, longest: Duration) -> Result<Duration, Refused> {
    if asked.as_millis() == 0 || asked > longest {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        return Err(Refused::TimeLimit { limit_ms: millis(asked), longest_ms: millis(longest) });
    }
    Ok(asked)
}

/// What a reasoner may see of an event: all of it, or some fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight(Option<Fields>);

/// Fields to be seen, by name; of each the whole, or some of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fields(BTreeMap<String, Option<Fields>>);

/// Why some texts name no fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{field}' names no field of an event: {why}")]
pub struct SightError {
    field: String,
    why: &'static str,
}

impl Sight {
    /// All of the event.
    pub fn all() -> Self {
        Self(None)
    }

    /// These fields alone, in the form `type` or `payload.amount`: as the event has them, left out where it has none.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<Self, SightError> {
        let mut fields = Fields::default();
        for path in paths {
            let refused = |why| Err(SightError { field: path.chars().take(64).collect(), why });
            if path.len() > limits::ID_BYTES || path.split('.').any(str::is_empty) {
                return refused("it is a dotted path of at most 255 bytes, without empty parts");
            }
            fields.add(path);
        }
        Ok(Self(Some(fields)))
    }

    /// What is left of an object.
    fn over(&self, whole: Json) -> Json {
        match &self.0 {
            None => whole,
            Some(fields) => Json::of(&fields.pick(whole.text()).unwrap_or_default()),
        }
    }
}

impl Fields {
    fn add(&mut self, path: &str) {
        match path.split_once('.') {
            None => {
                self.0.insert(path.into(), None);
            }
            Some((name, rest)) => {
                // Where the whole is seen, its parts are.
                if let Some(below) = self.0.entry(name.into()).or_insert_with(|| Some(Fields::default())) {
                    below.add(rest);
                }
            }
        }
    }

    /// What an object has of these; nothing of what is no object.
    fn pick(&self, text: &str) -> Option<BTreeMap<String, Json>> {
        let object: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
        let seen = |(name, below): (&String, &Option<Fields>)| {
            let raw = *object.get(name)?;
            let value = match below {
                None => Json::from(raw),
                Some(fields) => Json::of(&fields.pick(raw.get())?),
            };
            Some((name.clone(), value))
        };
        Some(self.0.iter().filter_map(seen).collect())
    }
}
