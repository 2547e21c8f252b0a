//! How the runtime is, part by part.

use std::sync::atomic::Ordering;

use regie_actors::watchdog::Holder;
use serde::{Deserialize, Serialize};

use crate::runtime::handle::Handle;

/// One part of the runtime, and what ails it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which part.
    pub name: String,
    /// What ails it; nothing if it is well.
    pub trouble: Option<String>,
}

/// How the runtime is, part by part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it takes events now.
    pub ready: bool,
    /// Its parts.
    pub parts: Vec<Part>,
}

impl Handle {
    /// How the runtime is: which part is ill, and whether it takes events.
    pub fn health(&self) -> Health {
        let view = self.core.journal.view();
        let latched = view.latched.load(Ordering::Relaxed);
        let full = view.full.load(Ordering::Relaxed);
        let journal = match (latched, full) {
            (true, _) => Some("latched shut after a failed write; open it anew, it is verified then".to_string()),
            (_, true) => Some("no room left; it goes on by itself once there is some".to_string()),
            _ => None,
        };
        let held = self.core.holders.iter().find_map(Holder::too_long);
        let held = held.map(|(whose, held)| format!("'{whose}' has held its shard for {} ms", held.as_millis()));
        let closed = || self.core.gave_up.borrow().then(|| "closed: a part was given up".to_string());
        let admission = match (self.core.admission.is_closed(), self.core.admission.available_permits()) {
            (true, _) => closed().or_else(|| Some("the runtime is shutting down".to_string())),
            (_, 0) => Some(format!("full: {} events are under way", self.core.admitted_at_most)),
            _ => None,
        };
        let behind = self.lag().filter(|lag| *lag > regie_core::limits::INDEX_LAG);
        let behind = behind.map(|lag| format!("{lag} records behind: the writer waits for it"));
        let index = self.core.readers.readers().index_trouble().map(|trouble| trouble.to_string()).or(behind);
        let troubles = [
            ("journal", journal),
            ("index", index.or(self.trouble_of("index"))),
            ("shards", self.trouble_of("shard ").or(held)),
            ("admission", admission),
            ("policy", self.trouble_of("policy")),
            ("timers", self.trouble_of("timers")),
            ("metrics", self.trouble_of("metrics")),
            ("agents", self.trouble_of("agent ")),
            ("reasoners", self.trouble_of("reasoner ")),
            ("readers", self.trouble_of("readers")),
        ];
        let ready = !latched && troubles.iter().all(|(name, trouble)| trouble.is_none() || *name == "index");
        let part = |(name, trouble): (&str, Option<String>)| Part { name: name.into(), trouble };
        Health { ready, parts: troubles.into_iter().map(part).collect() }
    }

    /// What ails those parts whose names begin so.
    fn trouble_of(&self, names: &str) -> Option<String> {
        let troubles: Vec<String> = self
            .core
            .parts
            .iter()
            .filter(|part| part.name().starts_with(names))
            .filter_map(|part| part.trouble())
            .collect();
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }

    fn lag(&self) -> Option<u64> {
        self.position().checked_sub(self.core.readers.readers().indexed())
    }
}
