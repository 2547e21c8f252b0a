//! Helpers for tests of the runtime, beside those of `regie::testing`: events, and workflows and agents made of closures.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use regie::actors::agent::{AgentError, AgentTask};
use regie::core::event::{Event, EventBuilder, EventResult, Incoming, LifeState, Pattern, Principal};
use regie::core::governance::{CooldownMode, KeyKind, Policy, PolicySet};
use regie::core::query::Filter;
use regie::core::workflow::{Handler, HandlerError, Input, Moment, Reaction};
use regie::core::{Json, Timestamp};
pub(crate) use regie::testing::{Stage, within, within_at_most};
use regie::{Handle, JournalConfig, Refused};
use tempfile::TempDir;

/// How long a gate is waited at before something is said to hang.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// The state of each event, by `correlation/id`.
pub(crate) async fn states(handle: &Handle) -> BTreeMap<String, LifeState> {
    let events = handle.events(Filter::default()).await.unwrap();
    let name = |event: &Event| format!("{}/{}", event.correlation_id, event.id);
    events.iter().map(|stored| (name(stored.incoming.event()), stored.state)).collect()
}

/// Sends all, each in its order, without waiting for one before the next.
pub(crate) async fn submit_all(handle: &Handle, events: Vec<Incoming>) -> Vec<Result<EventResult, Refused>> {
    let mut answers = Vec::with_capacity(events.len());
    for event in events {
        answers.push(handle.enqueue(event).await.unwrap());
    }
    futures::future::join_all(answers).await
}

/// A note of an agent; its id is unique within its correlation.
pub(crate) fn note(correlation: &str, id: &str) -> EventBuilder {
    Event::new("agent.note", correlation).id(id)
}

/// The same by an actor.
pub(crate) fn note_by(actor: &str, correlation: &str, id: &str) -> EventBuilder {
    note(correlation, id).actor(Principal::user(actor))
}

pub(crate) fn event(kind: &str, correlation: &str, id: &str) -> EventBuilder {
    Event::new(kind, correlation).id(id)
}

pub(crate) fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

/// At most one note of an actor in a second.
pub(crate) fn one_a_second(mode: CooldownMode) -> Policy {
    Policy::cooldown("one-a-second", pattern("agent.note"), Duration::from_millis(1_000), KeyKind::Actor, mode)
}

pub(crate) fn set(policies: Vec<Policy>) -> PolicySet {
    PolicySet::new(policies).unwrap()
}

/// A folder for a journal, thrown away after the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("j.db")
    }

    pub(crate) fn journal(&self) -> JournalConfig {
        JournalConfig::sqlite(self.path())
    }

    /// What a kill at this instant would leave: the files as they are now, under an owner that is no more.
    pub(crate) fn image(&self) -> Folder {
        let image = Folder::new();
        for file in std::fs::read_dir(self.0.path()).unwrap().map(|file| file.unwrap()) {
            let name = file.file_name().into_string().unwrap();
            if !["-shm", "-lock", "-socket"].iter().any(|end| name.ends_with(end)) {
                std::fs::copy(file.path(), image.0.path().join(name)).unwrap();
            }
        }
        image
    }
}

/// What a [`Script`] notes to have its `evolve` panic.
pub(crate) const POISON: u64 = u64::MAX;

/// A workflow whose decisions are a closure's, and whose state is the sum of what it noted.
pub(crate) struct Script<D> {
    name: &'static str,
    starts_on: &'static str,
    decide: D,
}

/// A workflow of that name that begins on such events.
pub(crate) fn script<D>(name: &'static str, starts_on: &'static str, decide: D) -> Script<D>
where
    D: Fn(&u64, Input<'_>, &Moment<'_>) -> Result<Reaction<u64>, HandlerError> + Send + Sync + 'static,
{
    Script { name, starts_on, decide }
}

impl<D> Handler for Script<D>
where
    D: Fn(&u64, Input<'_>, &Moment<'_>) -> Result<Reaction<u64>, HandlerError> + Send + Sync + 'static,
{
    type State = u64;
    type Fact = u64;

    fn name(&self) -> &str {
        self.name
    }

    fn starts_on(&self) -> Pattern {
        pattern(self.starts_on)
    }

    fn decide(&self, sum: &u64, input: Input<'_>, moment: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
        (self.decide)(sum, input, moment)
    }

    fn evolve(&self, sum: &mut u64, noted: u64) {
        assert_ne!(noted, POISON, "a fact that cannot be taken");
        *sum += noted;
    }
}

/// What an agent gives.
pub(crate) type Done = Result<Json, AgentError>;

/// An agent made of a closure.
pub(crate) struct Acts<F>(pub(crate) F);

impl<F> regie::actors::agent::Agent for Acts<F>
where
    F: Fn(AgentTask) -> BoxFuture<'static, Done> + Send + Sync + 'static,
{
    fn handle(&self, task: AgentTask) -> impl Future<Output = Done> + Send {
        (self.0)(task)
    }
}

/// A blocking agent made of a closure.
pub(crate) struct Blocks<F>(pub(crate) F);

impl<F: Fn(AgentTask) -> Done + Send + Sync + 'static> regie::actors::agent::BlockingAgent for Blocks<F> {
    fn handle(&self, task: AgentTask) -> Done {
        (self.0)(task)
    }
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below that one.
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// A gate at which foreign code waits until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<(usize, bool)>, Condvar)>);

impl Gate {
    /// Waits until it is open, and counts who came.
    pub(crate) fn pass(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().0 += 1;
        changed.notify_all();
        let _open = changed.wait_while(state.lock().unwrap(), |(_, open)| !*open).unwrap();
    }

    /// Counts who came, who goes on at once.
    pub(crate) fn come(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().0 += 1;
        changed.notify_all();
    }

    pub(crate) fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().1 = true;
        changed.notify_all();
    }

    /// Waits until so many have come.
    pub(crate) fn wait_for(&self, count: usize) {
        let (state, changed) = &*self.0;
        let come = changed.wait_timeout_while(state.lock().unwrap(), PATIENCE, |(come, _)| *come < count).unwrap();
        assert!(!come.1.timed_out(), "only {} came to the gate", come.0.0);
    }

    /// How many have come.
    pub(crate) fn came(&self) -> usize {
        self.0.0.lock().unwrap().0
    }
}

/// A policy that cannot judge orders: each of them is parked, and waits for a person.
pub(crate) fn cannot_judge_orders() -> Policy {
    Policy::veto("fragile", pattern("order.>"), "bad", |_| panic!("cannot judge this"))
}

/// An order of somebody; its id is unique within its correlation.
pub(crate) fn order(by: &str, correlation: &str, id: &str) -> EventBuilder {
    event("order.placed", correlation, id).actor(Principal::user(by))
}
