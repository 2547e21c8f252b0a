//! What holds within each correlation: order, chain, beginning, lives of events.

use std::collections::HashMap;

use regie_core::event::LifeState;
use regie_core::workflow::{EncodedRecord, Fact, Record};

use super::causes::Causes;
use super::wakes::Owed;
use super::{BreakKind, Found, name_in};
use crate::store::{BadRow, Row, Tip};

/// Follows every correlation, up to the first break; after it, only what tells more about it.
#[derive(Default)]
pub(super) struct Walk {
    tips: HashMap<u64, Tip>,
    /// Events whose life is not over, by correlation and the sequence that received them.
    open: HashMap<(u64, u64), LifeState>,
    /// What each correlation owes.
    owed: Owed,
    broken: Option<Found>,
    /// Set while the break may still turn out to be another kind: the sequence that was skipped. If it comes later, records
    /// have changed places; if it does not, it is missing.
    skipped: Option<u64>,
    /// The name of the broken correlation, from what is left of it.
    hint: Option<String>,
}

/// A record's place, and what its row says of it.
struct Place {
    number: u64,
    sequence: u64,
    position: u64,
}

type Checked<T> = Result<T, (BreakKind, String)>;

impl Walk {
    pub(super) fn row(&mut self, row: &Row, causes: &mut Causes) {
        for (nth, encoded) in (0..).zip(&row.records) {
            let (sequence, position) = (row.sequence.saturating_add(nth), row.first.saturating_add(nth));
            let place = Place { number: row.number, sequence, position };
            if self.broken.is_none() {
                self.record(&place, encoded, causes);
            }
            self.look_closer(&place, encoded);
        }
    }

    pub(super) fn unreadable(&mut self, bad: BadRow) {
        let place = Place { number: bad.number, sequence: bad.sequence, position: bad.first };
        self.note(&place, bad.sequence, BreakKind::Digest, format!("its row cannot be read: {}", bad.why));
    }

    /// The first break.
    pub(super) fn finish(&mut self) -> Option<Found> {
        self.broken.take()
    }

    pub(super) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What each correlation owes, if nothing is broken.
    pub(super) fn owed(&self) -> &Owed {
        &self.owed
    }

    /// Whether a correlation has records.
    pub(super) fn knows(&self, number: u64) -> bool {
        self.tips.contains_key(&number)
    }

    pub(super) fn correlations(&self) -> u64 {
        self.tips.len() as u64
    }

    fn note(&mut self, place: &Place, sequence: u64, kind: BreakKind, detail: String) {
        let Place { number, position, .. } = *place;
        self.broken.get_or_insert(Found { number, sequence, position, kind, detail });
    }

    fn record(&mut self, place: &Place, encoded: &EncodedRecord, causes: &mut Causes) {
        let tip = self.tips.get(&place.number).copied().unwrap_or_default();
        let expected = tip.sequence + 1;
        let checked = self.check(place, tip, encoded).and_then(|record| self.facts(place, &record, causes));
        if let Err((kind, detail)) = checked {
            if kind == BreakKind::Gap {
                self.skipped = Some(expected);
            }
            self.note(place, expected, kind, detail);
        }
        self.tips.insert(place.number, Tip { sequence: expected, digest: encoded.digest });
    }

    /// Whether the record follows what was before it.
    fn check(&self, place: &Place, tip: Tip, encoded: &EncodedRecord) -> Checked<Record> {
        let decoded = Record::decode(&encoded.bytes);
        let expected = tip.sequence + 1;
        let sequence = decoded.as_ref().map_or(place.sequence, |record| record.sequence);
        let fits = tip.digest.chain(&encoded.bytes) == encoded.digest;
        if sequence > expected {
            return Err((BreakKind::Gap, format!("record {sequence} follows record {}", tip.sequence)));
        }
        if !fits && place.sequence == expected {
            return Err((BreakKind::Digest, "its bytes and its digest do not fit".into()));
        }
        if sequence < expected || place.sequence != expected {
            let detail = match sequence {
                it if it == expected => format!("its row says that it is record {}", place.sequence),
                _ => format!("record {sequence} stands where record {expected} belongs"),
            };
            return Err((BreakKind::Order, detail));
        }
        decoded.map_err(|error| (BreakKind::Unreadable, error.to_string()))
    }

    fn facts(&mut self, place: &Place, record: &Record, causes: &mut Causes) -> Checked<()> {
        let begins = matches!(record.facts.first(), Some(Fact::Opened { .. }));
        if begins != (record.sequence == 1) || begins && place.position != place.number {
            return Err((BreakKind::Opening, "a correlation begins with its first record, and with no other".into()));
        }
        let more = record.facts.iter().skip(1).any(|fact| matches!(fact, Fact::Opened { .. }));
        if more {
            return Err((BreakKind::Opening, "it begins twice".into()));
        }
        for fact in &record.facts {
            self.owed.fact((place.number, record.sequence, place.position), fact);
            match fact {
                Fact::Received { emitted, .. } => {
                    self.open.insert((place.number, record.sequence), LifeState::Pending);
                    if *emitted {
                        causes.want(place.number, place.position, record)?;
                    }
                }
                Fact::Moved { event, to, .. } => self.moved(place.number, *event, *to)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn moved(&mut self, number: u64, event: u64, to: LifeState) -> Checked<()> {
        let state = self.open.get_mut(&(number, event));
        let state = state.ok_or_else(|| (BreakKind::Lifecycle, format!("no event {event} is open here")))?;
        *state = state.go(to).map_err(|error| (BreakKind::Lifecycle, format!("event {event}: {error}")))?;
        if to.is_end() {
            self.open.remove(&(number, event));
        }
        Ok(())
    }

    /// Looks for what else the broken correlation's records tell, the one at the break among them.
    fn look_closer(&mut self, place: &Place, encoded: &EncodedRecord) {
        let Some(found) = self.broken.as_mut().filter(|found| found.number == place.number) else { return };
        if self.hint.is_some() && self.skipped.is_none() {
            return;
        }
        let Ok(record) = Record::decode(&encoded.bytes) else { return };
        let sequence = record.sequence;
        if self.hint.is_none() {
            self.hint = name_in(record, place.position).map(|name| name.to_string());
        }
        let Some(skipped) = self.skipped else { return };
        if sequence == skipped && place.position != found.position {
            found.kind = BreakKind::Order;
            found.detail = format!("record {skipped} comes later, at position {}", place.position);
            self.skipped = None;
        } else if place.position == found.position && place.sequence == skipped {
            // The row says that it is the one that belongs here, and its record says otherwise.
            found.detail = "its bytes and its digest do not fit".into();
            found.kind = BreakKind::Digest;
        }
    }
}
