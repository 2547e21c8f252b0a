//! What happened in a seed, counted: a simulation whose faults never fire shows nothing.

use std::collections::BTreeMap;
use std::fmt;

/// Everything that must have happened at least once over many seeds.
pub(crate) const MUST: &[&str] = &[
    // Commands.
    "command: submit",
    "command: send arrives",
    "command: return",
    "command: return of any event",
    "command: timer",
    "command: agent's end",
    "command: send's end",
    "command: what a run changed",
    "command: a person decides",
    "command: nobody has decided",
    "command: reasoners answer",
    "command: an operation",
    "command: a migration",
    "command: another workflow's end",
    // Clients.
    "client: same bytes again",
    "client: other bytes under one identity",
    "client: goes away",
    "client: changes what is being undone",
    "answer: new",
    "answer: duplicate",
    "answer: other content",
    "answer: unknown definition",
    "answer: store failed",
    // Agents.
    "agent: done",
    "agent: failed",
    "agent: panicked",
    "agent: timed out",
    "agent: refused",
    "agent: lost with its process",
    "agent: given up with its workflow",
    "agent: end told twice",
    "agent: end of another attempt",
    "agent: rejected for good",
    // Handlers and policies.
    "handler: error",
    "handler: panics in decide",
    "handler: panics in evolve",
    "policy: condition panics",
    "policy: vetoed",
    "policy: vetoed by CEL",
    "policy: vetoed for a signal",
    "policy: escalated",
    "policy: escalated for a time",
    "policy: put off too often",
    "policy: debounced",
    "policy: overtaken in a burst",
    "policy: enters a session",
    "policy: spends of a rate",
    "policy: takes a place",
    "policy: waits for a place",
    "policy: a place is freed",
    "policy: a place is free",
    "policy: others come into force",
    "policy: a place is freed while others are read",
    "policy: asks reasoners first",
    "policy: deferred, for a reasoner is silent",
    "policy: discarded",
    "policy: deferred",
    "policy: deferred again",
    "policy: waits for a reservation",
    "policy: reservation given up",
    "parked after its attempts",
    "skipped: the run has failed",
    "recorded: the run is over",
    // People and reasoners.
    "person: approves",
    "person: rejects",
    "person: too late, or of no such event",
    "person: without who or why",
    "person: no such definition",
    "person: store failed",
    "escalation: goes on when its time is up",
    "escalation: ends when its time is up",
    "escalation: kept beyond its time",
    "reasoner: answers",
    "reasoner: failed",
    "reasoner: invalid",
    "reasoner: panicked",
    "reasoner: timed out",
    "reasoner: refused",
    "reasoner: told twice",
    "reasoner: lost with its process",
    "reasoner: a signal is filtered",
    // Rules over events.
    "rules: a run is recorded",
    "rules: a run is recorded twice",
    "rules: a run is not taken",
    "rules: a run is found again",
    "rules: a run cannot be made out",
    "rules: a condition cannot be told",
    "rules: a run completes",
    "rules: a run fails and is put back",
    "rules: an update is recorded",
    "rules: an update of nothing",
    "rules: an update is refused",
    "rules: an update is discarded",
    "rules: an update comes to a workflow without its definition",
    "rules: a run is traced",
    "rules: others come into force",
    "rules: learn anew",
    "rules: go on from what was kept",
    "rules: die",
    "rules: die while runs are recorded",
    "undo: begun",
    "undo: by force",
    "undo: no such run",
    "undo: undone before",
    "undo: something is under way",
    "undo: another attempt",
    "undo: done",
    "undo: failed",
    "undo: of nothing",
    "undo: refused for later changes",
    // A subscription and its letters.
    "subscription: handed out",
    "subscription: acknowledged",
    "subscription: a try fails",
    "subscription: no room",
    "subscription: its cursor is recorded",
    "subscription: its reader dies",
    "letter: recorded",
    "letter: not taken",
    "letter: tried again",
    "letter: fails again",
    "letter: delivered after all",
    "letter: discarded",
    // Workflows.
    "workflow: completed",
    "workflow: failed",
    "workflow: failed, and put back",
    "workflow: cancelled",
    "workflow: cancelled, and put back",
    "workflow: terminated",
    "workflow: tried again",
    "workflow: tried to the last",
    "workflow: put back",
    "workflow: put back, though nobody knows whether it was done",
    "workflow: waits for a person, for putting back fails",
    "workflow: a step is given up",
    "workflow: paused at the end",
    "workflow: listens at the end",
    "workflow: parked at the end",
    "workflow: skipped, for it failed",
    "workflow: skipped, for it is put back",
    "workflow: takes an event that came before",
    "workflow: keeps an event",
    "workflow: an event that waits is recalled",
    "workflow: an event that waited is taken",
    "workflow: an event waits behind others",
    "workflow: an event that waited is let go at its end",
    "workflow: begun by another",
    "workflow: never begun",
    "workflow: tells the one that it ran for",
    "workflow: is told of the end of another",
    "workflow: cancels another",
    "operation: cancel",
    "operation: pause",
    "operation: resume",
    "operation: retry",
    "operation: unpark --retry",
    "operation: unpark --skip",
    "operation: unpark --abandon",
    "operation: terminate",
    "operation: migrate",
    "operation: migrate, without that version",
    "operation: store failed",
    "operation: no run",
    "operation: not now",
    "operation: another's id",
    "operation: no such definition",
    // Faults.
    "store: fails before it writes",
    "store: full",
    "store: unknown, and not written",
    "store: unknown, and written",
    "store: latched",
    "workflow: dies idle",
    "workflow: dies while it asks",
    "workflow: dies while it appends",
    "workflow: dies before it has answered",
    "process: crashes",
    "process: crashes with appends queued",
    "process: clock set back",
    "process: another program",
    "workflow: let go",
    "workflow: read from its records",
    "workflow: read from a snapshot",
    "snapshot: lost",
    "snapshot: kept late",
    "snapshot: damaged",
    "snapshot: of another state",
    "turn: several commands",
    "commit: several turns",
];

/// How often each thing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str) {
        self.add_many(what, 1);
    }

    pub(crate) fn add_many(&mut self, what: &'static str, many: u64) {
        if many > 0 {
            *self.0.entry(what).or_insert_with(|| listed(what)) += many;
        }
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        other.0.iter().for_each(|(what, count)| *self.0.entry(what).or_default() += count);
    }

    /// Commands that a workflow took or refused.
    pub(crate) fn commands(&self) -> u64 {
        self.0.iter().filter(|(what, _)| what.starts_with("command: ")).map(|(_, count)| count).sum()
    }

    /// What should have happened and did not.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        MUST.iter().filter(|what| !self.0.contains_key(**what)).copied().collect()
    }
}

/// Nothing has happened so far that is in the list.
fn listed(what: &str) -> u64 {
    assert!(MUST.contains(&what), "'{what}' is not in the list");
    0
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MUST.iter().try_for_each(|what| writeln!(f, "{:>12}  {what}", self.0.get(what).copied().unwrap_or(0)))
    }
}
