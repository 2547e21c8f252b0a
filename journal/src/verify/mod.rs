//! Verification: a walk over the whole journal that names the first place that does not fit.

mod causes;
pub(crate) mod chain;
mod wakes;
mod walk;

use std::collections::BTreeMap;
use std::fmt;

use regie_core::Timestamp;
use regie_core::event::CorrelationId;
use regie_core::workflow::{Fact, Record};

use crate::error::StoreError;
use crate::fold;
use crate::store::{EventReader, Head};
use causes::Causes;
use chain::JournalChain;
use wakes::Owed;
use walk::Walk;

/// Rows that are read at once.
const ROWS: usize = 512;

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records that were looked at.
    pub records: u64,
    /// Correlations that they belong to.
    pub correlations: u64,
    /// The end of the journal, as the records give it.
    pub head: Head,
    /// The first place that does not fit: within a correlation if there is one, else in the journal's chain.
    pub first_break: Option<Break>,
}

/// A place that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The correlation; `#` and its number if its name is nowhere to be found, nothing if it is of no correlation.
    pub correlation: String,
    /// The sequence that is missing or does not fit.
    pub sequence: u64,
    /// The position at which it was noticed.
    pub position: u64,
    /// What does not fit.
    pub kind: BreakKind,
    /// For people.
    pub detail: String,
}

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakKind {
    /// A record of a correlation is missing.
    Gap,
    /// Records of a correlation are not in their order.
    Order,
    /// A record is not what its digest says.
    Digest,
    /// A record is what its digest says, and cannot be understood.
    Unreadable,
    /// A correlation does not begin as it must, or begins twice.
    Opening,
    /// The cause of an event that the runtime emitted is not in the journal before it.
    Causation,
    /// An event made a move that its life does not have.
    Lifecycle,
    /// A position of the journal is missing.
    JournalGap,
    /// The journal's chain does not fit.
    JournalChain,
    /// What is to be woken is not what the records owe.
    Wake,
    /// The journal ends before what its index has seen, or holds something else there.
    JournalEnd,
}

impl BreakKind {
    /// The name in the output of `regie verify --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            BreakKind::Gap => "gap",
            BreakKind::Order => "order",
            BreakKind::Digest => "digest",
            BreakKind::Unreadable => "unreadable",
            BreakKind::Opening => "opening",
            BreakKind::Causation => "causation",
            BreakKind::Lifecycle => "lifecycle",
            BreakKind::JournalGap => "journal_gap",
            BreakKind::JournalChain => "journal_chain",
            BreakKind::Wake => "wake",
            BreakKind::JournalEnd => "journal_end",
        }
    }
}

impl fmt::Display for BreakKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Break { correlation, sequence, position, kind, detail } = self;
        if correlation.is_empty() {
            return write!(f, "{kind}: {detail}");
        }
        write!(f, "{kind} at record {sequence} of '{correlation}' (position {position}): {detail}")
    }
}

/// A break whose correlation is still a number.
#[derive(Clone, Debug)]
struct Found {
    number: u64,
    sequence: u64,
    position: u64,
    kind: BreakKind,
    detail: String,
}

/// Walks the whole journal in position order. `each` is told the position reached from time to time.
///
/// # Errors
/// [`StoreError::Damaged`] if the file itself cannot be read to its end, [`StoreError::Failed`] if the system refuses.
pub fn verify(reader: &mut dyn EventReader, each: &mut dyn FnMut(u64)) -> Result<VerifyReport, StoreError> {
    // Before the first look at the journal: an index that follows it meanwhile has seen no more than is there.
    let witness = reader.witness()?;
    let (mut walk, mut chain, mut causes) = (Walk::default(), JournalChain::against(witness), Causes::default());
    let mut first = 0;
    loop {
        match reader.rows_after(first, ROWS) {
            Ok(rows) => {
                let Some(last) = rows.last() else { break };
                for row in &rows {
                    chain.row(row);
                    walk.row(row, &mut causes);
                }
                first = last.first;
                each(last.last());
            }
            Err(StoreError::Damaged { why }) => {
                let bare = StoreError::Damaged { why: format!("after position {first}: {why}") };
                let bad = reader.bad_row_after(first).ok().flatten().ok_or(bare)?;
                first = bad.first;
                chain.unreadable(&bad);
                walk.unreadable(bad);
            }
            Err(error) => return Err(error),
        }
        if causes.is_full() {
            causes.settle(reader)?;
        }
    }
    causes.settle(reader)?;
    let found = earliest(walk.finish(), causes.first_missing());
    let first_break = match found.or(chain.first_break()).or_else(|| chain.unseen()) {
        Some(found) => Some(name(reader, found, walk.hint())?),
        None => last_break(reader, &walk, &chain)?,
    };
    Ok(VerifyReport { records: chain.records(), correlations: walk.correlations(), head: chain.head(), first_break })
}

/// When each correlation must be woken, by what its records owe. The journal must hold.
pub(crate) fn owed(reader: &mut dyn EventReader) -> Result<BTreeMap<u64, Timestamp>, StoreError> {
    let (mut owed, mut first) = (Owed::default(), 0);
    loop {
        let rows = reader.rows_after(first, ROWS)?;
        let Some(last) = rows.last() else { return Ok(owed.due()) };
        first = last.first;
        for row in &rows {
            for (nth, encoded) in (0..).zip(&row.records) {
                let (position, sequence) = (row.first + nth, row.sequence + nth);
                let record = fold::decode(encoded, position, sequence)?;
                record.facts.iter().for_each(|fact| owed.fact((row.number, sequence, position), fact));
            }
        }
    }
}

/// What is left to break where all that is there fits: an end that is gone, and what is to be woken.
fn last_break(reader: &mut dyn EventReader, walk: &Walk, chain: &JournalChain) -> Result<Option<Break>, StoreError> {
    let end = chain.head().position;
    if let Some(seen) = chain.seen_beyond() {
        return Ok(Some(lost_end(reader, end, seen)));
    }
    let found = walk.owed().compare(reader, end, |number| walk.knows(number))?;
    found.map(|found| name(reader, found, walk.hint())).transpose()
}

/// The break of a journal that ends before what its index has seen: at the first record that is gone.
fn lost_end(reader: &mut dyn EventReader, end: u64, seen: u64) -> Break {
    let (correlation, sequence) = reader.witnessed(end + 1).unwrap_or_else(|| ("".into(), 0));
    let detail = format!(
        "the index beside the journal has seen {seen} records, and it ends at {end}: what was answered after that is gone; \
         'regie run' goes on without it"
    );
    let correlation = correlation.to_string();
    Break { correlation, sequence, position: end + 1, kind: BreakKind::JournalEnd, detail }
}

fn earliest(one: Option<Found>, other: Option<Found>) -> Option<Found> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.position < one.position { other } else { one }),
        (one, other) => one.or(other),
    }
}

fn name(reader: &mut dyn EventReader, found: Found, hint: Option<&str>) -> Result<Break, StoreError> {
    let opened = match reader.row_of(found.number) {
        Ok(row) => row.filter(|row| row.number == found.number && row.first == found.number),
        Err(StoreError::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    let record = opened.and_then(|row| Record::decode(&row.records.first()?.bytes).ok());
    let correlation = match record.filter(|_| found.number > 0).and_then(|record| name_in(record, found.number)) {
        Some(name) => name.to_string(),
        None if found.number == 0 => String::new(),
        None => hint.map_or_else(|| format!("#{}", found.number), str::to_string),
    };
    let Found { sequence, position, kind, detail, .. } = found;
    Ok(Break { correlation, sequence, position, kind, detail })
}

/// The name of a correlation, as one of its records tells it.
fn name_in(record: Record, position: u64) -> Option<CorrelationId> {
    let opened = record.facts.iter().find_map(|fact| match fact {
        Fact::Opened { correlation } => Some(correlation.clone()),
        _ => None,
    });
    opened.or_else(|| Some(fold::received(record, position).ok()??.event().correlation_id.clone()))
}
