//! The story of a correlation: its records, the events that they tell of, and the chain that holds them together.

use std::collections::BTreeMap;

use regie_core::event::{CorrelationId, Incoming, LifeState, Move};
use regie_core::governance::{PolicyDecision, Verdict};
use regie_core::workflow::{Fact, Operation, Record, RunEnd};
use regie_core::{Digest, Timestamp};
use regie_journal::StoredRecord;

/// The story of a correlation.
pub(in crate::cli) struct Story<'a> {
    pub(in crate::cli) correlation: CorrelationId,
    pub(super) records: &'a [StoredRecord],
    /// Its events by the sequence of the record that received them.
    pub(in crate::cli) events: BTreeMap<u64, EventStory>,
    pub(super) run: Option<RunStory>,
    /// The sequence of the first record that does not fit what is before it.
    pub(super) broken_at: Option<u64>,
}

/// The life of one event.
pub(in crate::cli) struct EventStory {
    pub(in crate::cli) incoming: Incoming,
    pub(super) position: u64,
    pub(super) moves: Vec<Move>,
    pub(super) decisions: Vec<PolicyDecision>,
    /// When it comes back, while it is deferred.
    pub(in crate::cli) until: Option<Timestamp>,
}

/// A handler's run.
pub(super) struct RunStory {
    pub(super) definition: String,
    pub(super) version: u32,
    pub(super) end: Option<RunEnd>,
    /// Whether what it did is being put back.
    pub(super) is_put_back: bool,
}

impl EventStory {
    /// Where it is in its life.
    pub(in crate::cli) fn state(&self) -> LifeState {
        self.moves.last().map_or(LifeState::Pending, |last| last.to)
    }
}

impl<'a> Story<'a> {
    /// The story that all records of a correlation tell; none if there are none.
    pub(in crate::cli) fn of(records: &'a [StoredRecord]) -> Option<Self> {
        let correlation = records.first()?.correlation.clone();
        let mut story = Self { correlation, records, events: BTreeMap::new(), run: None, broken_at: None };
        let mut digest = Digest::ZERO;
        for (stored, sequence) in records.iter().zip(1..) {
            let fits = stored.record.sequence == sequence && stored.record.encode(digest).digest == stored.digest;
            if !fits && story.broken_at.is_none() {
                story.broken_at = Some(sequence);
            }
            digest = stored.digest;
            for fact in &stored.record.facts {
                story.follow(fact, &stored.record, stored.position);
            }
        }
        Some(story)
    }

    fn follow(&mut self, fact: &Fact, record: &Record, position: u64) {
        match fact {
            Fact::Received { format, raw, made_id, .. } => {
                // Bytes that were taken once can be read again; should they not, the record tells it as they are.
                let read = Incoming::recover(*format, raw.clone(), made_id.as_deref(), record.at);
                let Ok(incoming) = read else { return };
                let reason = "received".to_string();
                let moves = vec![Move { from: None, to: LifeState::Pending, at: record.at, reason, by: None }];
                let event = EventStory { incoming, position, moves, decisions: Vec::new(), until: None };
                self.events.insert(record.sequence, event);
            }
            Fact::Judged { event, judgement } => {
                let Some(event) = self.events.get_mut(event) else { return };
                event.decisions.extend(judgement.decisions.iter().cloned());
                event.until = match &judgement.verdict {
                    Verdict::Deferred { until, .. } => Some(*until),
                    _ => None,
                };
            }
            Fact::Moved { event, to, reason, by } => {
                let Some(event) = self.events.get_mut(event) else { return };
                let from = Some(event.state());
                event.moves.push(Move { from, to: *to, at: record.at, reason: reason.clone(), by: by.clone() });
                if *to != LifeState::Deferred {
                    event.until = None;
                }
            }
            other => self.of_run(other),
        }
    }

    fn of_run(&mut self, fact: &Fact) {
        if let Fact::Started { definition, version } = fact {
            self.run =
                Some(RunStory { definition: definition.clone(), version: *version, end: None, is_put_back: false });
        }
        let Some(run) = &mut self.run else { return };
        match fact {
            Fact::Operated { operation: Operation::Retry, .. } => run.end = None,
            Fact::Migrated { version, .. } => run.version = *version,
            Fact::Compensating { .. } => run.is_put_back = true,
            Fact::Finished { end } => (run.end, run.is_put_back) = (Some(end.clone()), false),
            _ => {}
        }
    }

    /// How many of its events are in each state.
    pub(super) fn states(&self) -> BTreeMap<LifeState, u64> {
        let mut states = BTreeMap::new();
        for event in self.events.values() {
            *states.entry(event.state()).or_default() += 1;
        }
        states
    }

    /// The digest of its last record.
    pub(super) fn digest(&self) -> Digest {
        self.records.last().map_or(Digest::ZERO, |last| last.digest)
    }

    /// The id of an event, for a fact that names it by its sequence.
    pub(super) fn name_of(&self, sequence: u64) -> String {
        self.events.get(&sequence).map_or(format!("#{sequence}"), |event| event.incoming.event().id.clone())
    }
}
