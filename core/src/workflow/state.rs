//! The state of one correlation, and its snapshots.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::effect::{Effect, EffectKey};
use super::known::Known;
use super::operation::Operation;
use super::parent::Parent;
use super::registry::Definitions;
use super::run::{Parked, Run, RunStatus};
use crate::event::{EventError, Format, Identity, Incoming, LifeState};
use crate::governance::{Booking, Lapse};
use crate::reasoning::{self, Reasoning};
use crate::{Digest, Json, Timestamp};

/// An event whose life is not over: kept whole, for it will be judged or handled again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenEvent {
    format: Format,
    raw: Arc<str>,
    made_id: Option<String>,
    received_at: Timestamp,
    pub(super) identity: Identity,
    /// Where it is in its life.
    pub state: LifeState,
    /// When it comes back, if it is deferred.
    pub until: Option<Timestamp>,
    /// The place that it was promised, if it is deferred.
    pub booking: Option<Booking>,
    /// What becomes of it at that time, if it is escalated and nobody has resolved it.
    pub lapse: Option<Lapse>,
    /// Deferrals without a booked place, and those by which another policy than before booked one.
    pub deferrals: u32,
    /// Who is asked about it and has not answered yet; only while it is pending.
    pub asks: Vec<reasoning::Ask>,
    /// The set of policies that asked them.
    pub asked_under: Option<Digest>,
    /// What reasoners have said of it.
    pub reasonings: Vec<Reasoning>,
    /// The policy that booked its last place.
    pub(super) booked_by: Option<String>,
    /// What it waits for, if it is deferred and waits for its run.
    pub awaits: Option<Awaits>,
    /// Why the workflow that it was to begin is not wanted any more, if it is not.
    pub(super) unwanted: Option<String>,
}

/// That an event waits for its run: the definition had no place for it as the run stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaits {
    /// The event's type.
    pub kind: String,
    /// Whether the definition has not seen it yet.
    pub queued: bool,
    /// Whether it is to be given to the definition, once it is the oldest of those.
    pub recalled: bool,
}

impl OpenEvent {
    pub(super) fn new(
        format: Format,
        raw: &Arc<str>,
        made_id: Option<&String>,
        at: Timestamp,
        identity: Identity,
    ) -> Self {
        let state = LifeState::Pending;
        let (raw, made_id) = (Arc::clone(raw), made_id.cloned());
        Self {
            format,
            raw,
            made_id,
            received_at: at,
            identity,
            state,
            until: None,
            booking: None,
            lapse: None,
            deferrals: 0,
            booked_by: None,
            asks: Vec::new(),
            asked_under: None,
            reasonings: Vec::new(),
            awaits: None,
            unwanted: None,
        }
    }

    /// Its bytes as they came.
    pub fn raw(&self) -> &Arc<str> {
        &self.raw
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.raw.len()
    }

    /// The event, read again from its bytes.
    pub fn event(&self) -> Result<Incoming, EventError> {
        Incoming::recover(self.format, Arc::clone(&self.raw), self.made_id.as_deref(), self.received_at)
    }
}

/// A place at a concurrency limit that one of the correlation's events holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPlace {
    /// Which event holds it.
    pub event: u64,
    /// The policy.
    pub policy: String,
    /// Its key.
    pub key: String,
}

/// The state of one correlation. Changed by [`evolve`](super::evolve) alone.
#[derive(Debug, Default)]
pub struct State {
    /// The sequence of its last record; 0 before the first.
    pub sequence: u64,
    /// The digest of its last record.
    pub digest: Digest,
    /// When its last record was decided; later ones are not decided earlier.
    pub last_at: Timestamp,
    pub(super) known: Known,
    /// Boxed: a map keeps room for several of what it holds, and most workflows have one at a time.
    pub(super) open: BTreeMap<u64, Box<OpenEvent>>,
    /// Bytes of the open events together.
    pub(super) open_bytes: usize,
    pub(super) run: Option<Box<Run>>,
    pub(super) owed: BTreeMap<EffectKey, Effect>,
    /// Places that its events hold until they are freed.
    pub(super) places: Vec<HeldPlace>,
    /// Identities of the records that a turn has made and whose positions are not known yet.
    pub(super) unplaced: Vec<(u64, Identity)>,
}

impl State {
    /// The event identities that it remembers.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Events whose life is not over, by the sequence of the record that received them.
    pub fn open(&self) -> &BTreeMap<u64, Box<OpenEvent>> {
        &self.open
    }

    /// The handler's run, if one took over.
    pub fn run(&self) -> Option<&Run> {
        self.run.as_deref()
    }

    /// What is owed to the outside.
    pub fn owed(&self) -> &BTreeMap<EffectKey, Effect> {
        &self.owed
    }

    /// Places at concurrency limits that its events hold.
    pub fn places(&self) -> &[HeldPlace] {
        &self.places
    }

    /// Whether later events are only recorded, as skipped: the run failed, was stopped, or is being put back.
    pub fn skips(&self) -> bool {
        self.run().is_some_and(|run| run.status.skips())
    }

    /// Whether the piece of work is over: its run ended, or, without one, nothing is pending, deferred or escalated.
    pub fn has_ended(&self) -> bool {
        match self.run().map(|run| &run.status) {
            Some(status) => status.is_over(),
            None => self.sequence > 0 && self.open.is_empty(),
        }
    }

    /// Tells where the records of the last turn stand: the position of the first, which has that sequence.
    pub fn placed(&mut self, first_sequence: u64, first_position: u64) {
        for (sequence, identity) in std::mem::take(&mut self.unplaced) {
            let position = first_position + sequence.saturating_sub(first_sequence);
            self.known.placed(identity, position);
        }
    }

    /// Forgets identities that the index covers, once there are too many.
    pub fn forget_known(&mut self, covered: u64) {
        self.known.forget_up_to(covered);
    }
}

/// The binary form of a state, without its tip, which stands beside it.
#[derive(Serialize, Deserialize)]
struct Saved {
    version: u8,
    last_at: Timestamp,
    known: Known,
    open: BTreeMap<u64, Box<OpenEvent>>,
    run: Option<SavedRun>,
    owed: BTreeMap<EffectKey, Effect>,
    places: Vec<HeldPlace>,
}

#[derive(Serialize, Deserialize)]
struct SavedRun {
    definition: String,
    version: u32,
    started_at: Timestamp,
    status: RunStatus,
    paused: bool,
    parked: Vec<Parked>,
    data: String,
    attempts: BTreeMap<String, u32>,
    parent: Option<Parent>,
    operations: Vec<(String, Operation)>,
}

const SAVED_VERSION: u8 = 7;

impl State {
    /// The handler's own state, as it serialises it; nothing where there is no run, or this program lacks its definition.
    pub fn told(&self, definitions: &Definitions) -> Option<Json> {
        let run = self.run()?;
        let text = definitions.get(&run.definition, run.version)?.save(run.data.as_deref()?)?;
        Json::parse(&text).ok()
    }

    /// The definition as a Mermaid diagram, with where its run stands; nothing where there is no run, this program lacks its
    /// definition, or that cannot be drawn.
    pub fn diagram(&self, definitions: &Definitions) -> Option<String> {
        let run = self.run()?;
        // One that is over stands nowhere any more.
        let data = run.data.as_deref().filter(|_| !run.status.is_over());
        definitions.get(&run.definition, run.version)?.diagram(data.map(|data| data as &dyn Any))
    }

    /// The state as bytes, to wake faster; nothing where it cannot be told, for want of its handler.
    pub fn save(&self, definitions: &Definitions) -> Option<Vec<u8>> {
        let run = match &self.run {
            None => None,
            Some(run) => Some(SavedRun {
                definition: run.definition.clone(),
                version: run.version,
                started_at: run.started_at,
                status: run.status.clone(),
                data: definitions.get(&run.definition, run.version)?.save(run.data.as_deref()?)?,
                paused: run.paused,
                parked: run.parked.clone(),
                attempts: run.attempts.clone(),
                parent: run.parent.clone(),
                operations: run.operations.clone(),
            }),
        };
        let (known, open, owed, places) =
            (self.known.clone(), self.open.clone(), self.owed.clone(), self.places.clone());
        let (version, last_at) = (SAVED_VERSION, self.last_at);
        postcard::to_allocvec(&Saved { version, last_at, known, open, run, owed, places }).ok()
    }

    /// The state of a snapshot, or nothing where this program cannot read it: the records tell it all the same.
    pub fn restore(bytes: &[u8], sequence: u64, digest: Digest, definitions: &Definitions) -> Option<Self> {
        let saved: Saved = postcard::from_bytes(bytes).ok()?;
        if saved.version != SAVED_VERSION {
            return None;
        }
        let run = match saved.run {
            None => None,
            Some(run) => {
                let data = Some(definitions.get(&run.definition, run.version)?.load(&run.data)?);
                let SavedRun { definition, version, started_at, status, paused, parked, attempts, parent, .. } = run;
                Some(Box::new(Run {
                    definition,
                    version,
                    started_at,
                    status,
                    paused,
                    parked,
                    data,
                    attempts,
                    parent,
                    operations: run.operations,
                }))
            }
        };
        let Saved { last_at, known, open, owed, places, .. } = saved;
        let open_bytes = open.values().map(|open| open.bytes()).sum();
        Some(Self { sequence, digest, last_at, known, open, open_bytes, run, owed, places, unplaced: Vec::new() })
    }
}
