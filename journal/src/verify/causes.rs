//! Causes of events that the runtime emitted: each must be in the journal before its effect.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use regie_core::event::Identity;
use regie_core::workflow::Record;

use super::{BreakKind, Found, ROWS};
use crate::error::StoreError;
use crate::fold;
use crate::store::EventReader;

/// Causes that are looked for in one walk; more are looked for in several.
const AT_ONCE: usize = 1 << 20;

/// An event whose cause is looked for.
struct Wanted {
    number: u64,
    sequence: u64,
    position: u64,
    cause: String,
    /// Whether one of its readings was found before it.
    is_there: Cell<bool>,
}

/// Gathers causes, and looks for them in a walk of their own.
#[derive(Default)]
pub(super) struct Causes {
    wanted: HashMap<Identity, Vec<Rc<Wanted>>>,
    count: usize,
    /// The last position that wants a cause.
    last: u64,
    missing: Option<Found>,
}

impl Causes {
    /// The cause of the emitted event in a record is to be looked for.
    pub(super) fn want(&mut self, number: u64, position: u64, record: &Record) -> Result<(), (BreakKind, String)> {
        let incoming =
            fold::received(record.clone(), position).map_err(|error| (BreakKind::Unreadable, error.to_string()))?;
        let Some(incoming) = incoming else { return Ok(()) };
        let event = incoming.event();
        let Some(cause) = event.causation_id.clone() else { return Ok(()) };
        let wanted = Rc::new(Wanted { number, sequence: record.sequence, position, cause, is_there: Cell::new(false) });
        for (source, id) in event.causes() {
            self.wanted.entry(Identity::of(source, id)).or_default().push(Rc::clone(&wanted));
            self.count += 1;
        }
        self.last = position;
        Ok(())
    }

    /// Whether those gathered should be looked for before more are.
    pub(super) fn is_full(&self) -> bool {
        self.count >= AT_ONCE
    }

    /// Looks for all that were gathered.
    pub(super) fn settle(&mut self, reader: &mut dyn EventReader) -> Result<(), StoreError> {
        let mut first = 0;
        while !self.wanted.is_empty() && first < self.last {
            match reader.rows_after(first, ROWS) {
                Ok(rows) => {
                    let Some(last) = rows.last() else { break };
                    first = last.first;
                    for row in &rows {
                        // What cannot be read has been noted by the walk, and is nobody's cause.
                        let _ = fold::changes(row, &mut |change| {
                            if let fold::Change::Received(received) = change {
                                self.found(received.identity, received.position);
                            }
                            Ok(())
                        });
                    }
                }
                Err(StoreError::Damaged { why }) => {
                    let bare = StoreError::Damaged { why: format!("after position {first}: {why}") };
                    first = reader.bad_row_after(first).ok().flatten().ok_or(bare)?.first;
                }
                Err(error) => return Err(error),
            }
        }
        for wanted in std::mem::take(&mut self.wanted).into_values().flatten() {
            self.lack(&wanted);
        }
        self.count = 0;
        Ok(())
    }

    /// The first event whose cause is nowhere before it.
    pub(super) fn first_missing(&mut self) -> Option<Found> {
        self.missing.take()
    }

    /// An event is at a position, and nowhere before it: it is the cause of those after it alone.
    fn found(&mut self, identity: Identity, at: u64) {
        if let Some(wanted) = self.wanted.get(&identity) {
            wanted.iter().filter(|wanted| wanted.position > at).for_each(|wanted| wanted.is_there.set(true));
        }
    }

    fn lack(&mut self, wanted: &Wanted) {
        let later = self.missing.as_ref().is_some_and(|missing| missing.position <= wanted.position);
        if wanted.is_there.get() || later {
            return;
        }
        let Wanted { number, sequence, position, cause, .. } = wanted;
        let detail = format!("its cause '{cause}' is nowhere before it");
        let (number, sequence, position) = (*number, *sequence, *position);
        self.missing = Some(Found { number, sequence, position, kind: BreakKind::Causation, detail });
    }
}
