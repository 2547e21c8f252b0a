//! Every setting, once: its name and what it may be.

use std::path::PathBuf;

use regie_core::limits;
use regie_journal::Durability;

use super::fault::Place;

/// What time it is for the runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// The timestamps of the events that come in: timers run when an event's timestamp reaches them.
    Event,
}

/// Settings from one place; what that place does not say is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    /// The journal.
    pub db: Option<PathBuf>,
    /// The policy file.
    pub policies: Option<PathBuf>,
    /// Where a config file names it.
    pub policies_at: Option<Place>,
    /// The file of event types.
    pub catalogue: Option<PathBuf>,
    /// The rules file.
    pub rules: Option<PathBuf>,
    /// The clock.
    pub clock: Option<Clock>,
    /// What an answer means.
    pub durability: Option<Durability>,
    /// Shards.
    pub shards: Option<usize>,
    /// Events that the runtime takes at once.
    pub admission: Option<usize>,
    /// Events that `regie run` keeps under way.
    pub in_flight: Option<usize>,
    /// A cap on the journal's size, in bytes.
    pub max_bytes: Option<u64>,
}

impl Layer {
    /// What this layer says, and what it does not say from the one below.
    pub fn over(self, below: Layer) -> Layer {
        Layer {
            db: self.db.or(below.db),
            // The place goes with the name.
            policies_at: if self.policies.is_some() { self.policies_at } else { below.policies_at },
            policies: self.policies.or(below.policies),
            catalogue: self.catalogue.or(below.catalogue),
            rules: self.rules.or(below.rules),
            clock: self.clock.or(below.clock),
            durability: self.durability.or(below.durability),
            shards: self.shards.or(below.shards),
            admission: self.admission.or(below.admission),
            in_flight: self.in_flight.or(below.in_flight),
            max_bytes: self.max_bytes.or(below.max_bytes),
        }
    }
}

/// Most shards: more than any machine has cores to run them on.
pub(crate) const SHARDS_MAX: u64 = 1_024;
/// The smallest cap on a journal that still holds one large event and its neighbours.
pub(crate) const MAX_BYTES_LEAST: u64 = 64 * 1024;

/// A value as it was given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'a> {
    /// A word of the environment, which may stand for a text or a number.
    Word(&'a str),
    /// A text in a file.
    Text(&'a str),
    /// A whole number in a file, as its digits.
    Number(&'a str),
    /// Something else in a file: what it is.
    Other(&'a str),
}

impl Given<'_> {
    fn text(self) -> Result<String, String> {
        match self {
            Given::Word("") | Given::Text("") => Err("it is empty".into()),
            Given::Word(text) | Given::Text(text) => Ok(text.into()),
            Given::Number(_) => Err("a text is wanted, this is a number".into()),
            Given::Other(what) => Err(format!("a text is wanted, this is {what}")),
        }
    }

    fn path(self) -> Result<PathBuf, String> {
        self.text().map(PathBuf::from)
    }

    fn number(self, least: u64, most: u64) -> Result<u64, String> {
        let digits = match self {
            Given::Word(digits) | Given::Number(digits) => digits.replace('_', ""),
            Given::Text(_) => return Err("a whole number is wanted, this is a text: leave the quotes out".into()),
            Given::Other(what) => return Err(format!("a whole number is wanted, this is {what}")),
        };
        match digits.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(format!("'{digits}' is not taken; it is a whole number from {least} to {most}")),
        }
    }

    fn count(self, most: u64) -> Result<usize, String> {
        // Every bound given here fits a usize of 32 bits.
        self.number(1, most).map(|number| number as usize)
    }

    fn choice<T: Copy>(self, choices: [(&str, T); 2]) -> Result<T, String> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        let [first, second] = choices.map(|(name, _)| name);
        found.map(|(_, value)| *value).ok_or(format!("'{text}' is not taken; it is '{first}' or '{second}'"))
    }
}

/// A setting: its name in a file, and how it is put into a layer.
pub(super) struct Key {
    pub(super) name: &'static str,
    put: fn(&mut Layer, Given<'_>) -> Result<(), String>,
}

impl Key {
    /// Puts a value into a layer, or says what is wrong with it.
    pub(super) fn fill(&self, layer: &mut Layer, given: Given<'_>) -> Result<(), String> {
        let named = |why: String| if why.starts_with(self.name) { why } else { format!("{}: {why}", self.name) };
        (self.put)(layer, given).map_err(named)
    }

    /// Its name in the environment.
    pub(super) fn variable(&self) -> String {
        format!("REGIE_{}", self.name.to_ascii_uppercase())
    }
}

/// Every setting.
pub(super) const KEYS: &[Key] = &[
    Key { name: "db", put: |layer, given| given.path().map(|it| layer.db = Some(it)) },
    Key { name: "policies", put: |layer, given| given.path().map(|it| layer.policies = Some(it)) },
    Key { name: "catalogue", put: |layer, given| given.path().map(|it| layer.catalogue = Some(it)) },
    Key {
        name: "clock",
        put: |layer, given| {
            let choices = [("system", Clock::System), ("event", Clock::Event)];
            given.choice(choices).map(|it| layer.clock = Some(it))
        },
    },
    Key {
        name: "durability",
        put: |layer, given| {
            let choices = [("strict", Durability::Strict), ("relaxed", Durability::Relaxed)];
            given.choice(choices).map(|it| layer.durability = Some(it))
        },
    },
    Key { name: "shards", put: |layer, given| given.count(SHARDS_MAX).map(|it| layer.shards = Some(it)) },
    Key {
        name: "admission",
        put: |layer, given| given.count(limits::ADMISSION as u64).map(|it| layer.admission = Some(it)),
    },
    Key {
        name: "in_flight",
        // No more than one workflow's queue holds: all of a file may be of one correlation.
        put: |layer, given| given.count(limits::QUEUED_PER_WORKFLOW as u64).map(|it| layer.in_flight = Some(it)),
    },
    Key {
        name: "max_bytes",
        put: |layer, given| given.number(MAX_BYTES_LEAST, i64::MAX as u64).map(|it| layer.max_bytes = Some(it)),
    },
    Key { name: "rules", put: |layer, given| given.path().map(|it| layer.rules = Some(it)) },
];
