//! Events that come too early: each is taken once, the oldest first, refused, or still waits for what there is not yet.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::event::LifeState;
use regie_core::workflow::Fact;
use serde_json::Value;

use super::Told;
use super::moves::Status;
use crate::simulation::model::thread::Thread;
use crate::simulation::tally::Tally;
use crate::simulation::workflows::words::{LISTENERS, TAKEN, TAKES};

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// What a flow keeps, by number: the type.
    numbers: BTreeMap<u64, String>,
    last: u64,
    /// Its tasks that listen.
    listening: BTreeSet<String>,
    /// The state of a machine.
    state: String,
    has_begun: bool,
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

fn kind_of(path: &str) -> &'static str {
    LISTENERS.iter().find(|(listens, ..)| *listens == path).map(|(_, kind, _)| *kind).expect("a task that listens")
}

impl Kept {
    pub(super) fn follow(
        &mut self,
        workflow: &str,
        (thread, told): (&Thread, Told<'_>),
        (status, tally): (Status, &mut Tally),
    ) {
        let mut took = Vec::new();
        for note in told.notes {
            match workflow {
                "order" => took.extend(self.machine(note)),
                "waits" => took.extend(self.flow(note, tally)),
                _ => {}
            }
        }
        let mut handled = Vec::new();
        for fact in &told.record.facts {
            match fact {
                Fact::Moved { event, to: LifeState::Processed, reason, .. } => {
                    let is_handled = reason == "handled" || reason == "eva says so" || reason.starts_with("nobody");
                    let kind = &thread.events[event].seen.kind;
                    handled.extend(Some(kind.clone()).filter(|kind| is_handled && TAKEN.contains(&kind.as_str())));
                    let waited = told.has(
                        |fact| matches!(fact, Fact::Moved { to: LifeState::Pending, event: of, .. } if of == event),
                    );
                    if waited && workflow == "order" {
                        tally.count(if status.is_over() {
                            "workflow: an event that waited is let go at its end"
                        } else {
                            "workflow: an event that waited is taken"
                        });
                    }
                }
                Fact::Moved { to: LifeState::Discarded, reason, .. } if reason.starts_with("skipped") => {
                    tally.count(if status == Status::Compensating {
                        "workflow: skipped, for it is put back"
                    } else {
                        "workflow: skipped, for it failed"
                    });
                }
                Fact::Awaits { queued: true, .. } => tally.count("workflow: an event waits behind others"),
                Fact::Awaits { .. } => tally.count("workflow: keeps an event"),
                Fact::Recalled { .. } => tally.count("workflow: an event that waits is recalled"),
                _ => {}
            }
        }
        let starts = told.has(|fact| matches!(fact, Fact::Started { .. }));
        if workflow == "waits" && starts {
            handled.clear(); // what begins it is nobody's
        }
        if ["order", "waits"].contains(&workflow) && !status.is_over() {
            handled.sort();
            took.sort();
            assert_eq!(took, handled, "what it takes is not what came: {:#?}", told.record);
        }
    }

    /// The type of the event by which a transition was taken, if it was one.
    fn machine(&mut self, note: &Value) -> Option<String> {
        if let Some(began) = note.get("began") {
            self.state = text(began, "state").to_string();
        }
        let took = note.get("took")?;
        if let Some(to) = took.get("to").and_then(Value::as_str) {
            self.state = to.to_string();
        }
        Some(text(took, "on").to_string()).filter(|on| on.starts_with("order."))
    }

    /// The type of an event that a task takes as it comes, or that is kept for one.
    fn flow(&mut self, note: &Value, tally: &mut Tally) -> Option<String> {
        self.has_begun |= note.get("began").is_some();
        if let Some(entered) = note.get("entered").filter(|entered| entered["frame"]["at"].get("listening").is_some()) {
            self.listening.insert(text(entered, "path").to_string());
        }
        for over in ["left", "cut", "failed", "catches", "retries"].iter().filter_map(|what| note.get(what)) {
            let path = text(over, "path").to_string();
            self.listening.retain(|listens| *listens != path && !listens.starts_with(&format!("{path}/")));
        }
        if let Some(kept) = note.get("kept") {
            let (number, kind) = (kept["number"].as_u64().expect("a number"), text(kept, "kind").to_string());
            assert_eq!(number, self.last + 1, "events are kept in their order");
            let waits = self.listening.iter().find(|path| kind_of(path) == kind);
            assert_eq!(waits, None, "'{kind}' is kept while a task listens for it");
            self.last = number;
            self.numbers.insert(number, kind.clone());
            return Some(kind);
        }
        let took = note.get("took")?;
        let kind = kind_of(text(took, "path")).to_string();
        assert!(self.listening.remove(text(took, "path")), "a task takes an event that listens to none: {took}");
        let Some(number) = took.get("kept").and_then(Value::as_u64) else { return Some(kind) };
        tally.count("workflow: takes an event that came before");
        let first = self.numbers.iter().find(|(_, kept)| **kept == kind).map(|(number, _)| *number);
        assert_eq!(first, Some(number), "of those that wait the oldest is taken first, and once");
        self.numbers.remove(&number);
        None
    }

    /// Nothing waits that there is a place for.
    pub(super) fn assert_none_forgotten(&self, thread: &Thread) {
        for event in thread.events.values() {
            let Some((queued, recalled)) = event.awaits else { continue };
            let kind = event.seen.kind.as_str();
            assert!(!recalled && !queued, "'{kind}' is recalled, and never comes back");
            assert!(!TAKES.contains(&(self.state.as_str(), kind)), "'{kind}' waits, and has a place in {}", self.state);
        }
        for path in &self.listening {
            let kind = kind_of(path);
            assert!(!self.numbers.values().any(|kept| kept == kind), "'{kind}' waits, and {path} listens for it");
        }
    }

    /// Whether it waits for an event, without a time.
    pub(super) fn waits(&self) -> bool {
        let without_end = |path: &String| LISTENERS.iter().any(|(listens, _, has_end)| listens == path && !has_end);
        self.listening.iter().any(without_end) || self.state == "OnItsWay"
    }
}
