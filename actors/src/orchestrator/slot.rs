//! What a shard knows of one workflow.

use std::collections::VecDeque;
use std::time::Instant;

use actix::Addr;
use regie_core::Timestamp;
use regie_core::limits;
use regie_core::workflow::Poison;
use tokio::sync::oneshot;

use super::Wanted;
use crate::entry::{Entry, Work};
use crate::workflow::{Item, Task, Workflow, WorkflowView};

/// Where a workflow is.
#[derive(Debug)]
pub(super) enum Phase {
    /// It is read from the journal, or waits for its turn to be.
    Waking,
    /// It is in memory.
    Live(Addr<Workflow>),
    /// It has died, and waits for its backoff.
    Resting,
    /// It died too often, and is left down until then.
    Down(Instant),
}

/// Who asked for a task.
#[derive(Debug)]
pub(super) enum Asker {
    /// An entry.
    Entry(Entry),
    /// Someone who wants to know how the workflow stands, and perhaps waits for its end.
    Look { wanted: Wanted, reply: oneshot::Sender<WorkflowView> },
}

/// A task that is not answered yet.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) ticket: u64,
    pub(super) asker: Asker,
    /// How often it was there when the workflow died.
    pub(super) attempts: u32,
}

impl Held {
    pub(super) fn item(&self, last_error: Option<&str>) -> Item {
        let (task, as_of) = match &self.asker {
            Asker::Entry(entry) => match &entry.work {
                Work::Command(command) => (Task::Command(command.clone()), entry.as_of),
                Work::Due => (Task::Due, entry.as_of),
            },
            Asker::Look { wanted, .. } => (Task::Look { whole: *wanted == Wanted::Whole }, None),
        };
        let poison = (self.attempts >= limits::POISON_ATTEMPTS)
            .then(|| Poison { attempts: self.attempts, error: last_error.unwrap_or("its workflow died").to_string() });
        Item { ticket: self.ticket, task, as_of, alone: self.attempts > 0, poison, more_follow: false, begun: false }
    }

    pub(super) fn is_external(&self) -> bool {
        matches!(&self.asker, Asker::Entry(Entry { permit: Some(_), .. }))
    }
}

/// Deaths of one workflow.
#[derive(Debug)]
pub(super) struct Deaths {
    pub(super) in_a_row: u32,
    pub(super) in_window: u32,
    pub(super) window_began: Instant,
    pub(super) last_error: String,
    /// The ticket that the workflow itself blamed, if it could.
    pub(super) blamed: Option<u64>,
}

/// What a shard knows of one workflow.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) epoch: u64,
    pub(super) phase: Phase,
    /// Handed over and not answered, in order.
    pub(super) handed: VecDeque<Held>,
    /// Not handed over yet, in order.
    pub(super) waiting: VecDeque<Held>,
    /// The position of its last record that is known here.
    pub(super) position: u64,
    /// What its timer is set to; nothing while that is not known here.
    pub(super) due: Option<Option<Timestamp>>,
    pub(super) touched: Instant,
    /// Whether it is in the ring of live ones.
    pub(super) in_ring: bool,
    /// Whether it is about to go because its state is stale: that is no death.
    pub(super) stale: bool,
    /// Whether it leaves as soon as nothing of it is under way: its run ended in this life, or was looked at. One that an event
    /// wakes later stays for a while: events that go on coming would each have to read it anew.
    pub(super) leaves: bool,
    pub(super) deaths: Option<Box<Deaths>>,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self {
            epoch: 0,
            phase: Phase::Waking,
            handed: VecDeque::new(),
            waiting: VecDeque::new(),
            position: 0,
            due: None,
            touched: Instant::now(),
            in_ring: false,
            stale: false,
            leaves: false,
            deaths: None,
        }
    }

    pub(super) fn held(&self) -> usize {
        self.handed.len() + self.waiting.len()
    }

    /// Takes out the task of a ticket.
    pub(super) fn take(&mut self, ticket: u64) -> Option<Held> {
        let at = self.handed.iter().position(|held| held.ticket == ticket)?;
        let held = self.handed.remove(at);
        if self.handed.is_empty() {
            self.handed = VecDeque::new(); // an idle workflow keeps no room for what it does not have
        }
        held
    }

    /// The workflow itself says what killed it.
    pub(super) fn blame(&mut self, ticket: u64, error: String) {
        let deaths = self.deaths.get_or_insert_with(|| Box::new(Deaths::new()));
        deaths.blamed = Some(ticket);
        deaths.last_error = error;
    }

    pub(super) fn last_error(&self) -> Option<&str> {
        self.deaths.as_ref().map(|deaths| deaths.last_error.as_str())
    }
}

impl Deaths {
    pub(super) fn new() -> Self {
        let last_error = "its actor died".to_string();
        Self { in_a_row: 0, in_window: 0, window_began: Instant::now(), last_error, blamed: None }
    }
}
