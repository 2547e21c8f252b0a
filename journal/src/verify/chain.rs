//! The journal's own chain: positions without gaps, and a link from each record to the next.

use regie_core::Digest;

use super::{BreakKind, Found};
use crate::store::{BadRow, Head, Row};

/// What is said of a row that [`follows`] says no of.
pub(crate) const UNLINKED: &str = "the link to what is before it does not fit";

/// Whether the digest of a row is that of its records after the digest of the row before it.
pub(crate) fn follows(row: &Row, before: Digest) -> bool {
    let chain = |head: Digest, digest: Digest| head.chain(&digest.0);
    row.records.iter().map(|record| record.digest).fold(before, chain) == row.head
}

/// Follows the journal's chain row by row.
#[derive(Default)]
pub(super) struct JournalChain {
    head: Head,
    records: u64,
    broken: Option<Found>,
    /// How far somebody else has seen the journal.
    witness: Option<Head>,
    /// Where the journal is not what was seen.
    unseen: Option<Found>,
}

impl JournalChain {
    /// A chain that is to be what a witness has seen, as far as that goes.
    pub(super) fn against(witness: Option<Head>) -> Self {
        Self { witness, ..Self::default() }
    }

    pub(super) fn row(&mut self, row: &Row) {
        let missing = self.head.position.saturating_add(1);
        if row.first != missing {
            let detail = format!("position {missing} is missing; position {} follows", row.first);
            self.note(row, BreakKind::JournalGap, detail);
        }
        if !follows(row, self.head.digest) {
            self.note(row, BreakKind::JournalChain, UNLINKED.into());
        }
        let end = Head { position: row.last(), digest: row.head };
        if self.witness.is_some_and(|seen| row.first <= seen.position && seen.position <= end.position && seen != end) {
            let detail = "the index beside the journal has seen another record here".to_string();
            let Row { number, sequence, first: position, .. } = *row;
            self.unseen.get_or_insert(Found { number, sequence, position, kind: BreakKind::JournalEnd, detail });
        }
        self.records += row.records.len() as u64;
        // Goes on from what the row says, so that one break is not taken for many.
        self.head = end;
    }

    /// A row that cannot be read has been noted by the walk.
    pub(super) fn unreadable(&mut self, bad: &BadRow) {
        self.head.position = bad.first;
    }

    pub(super) fn first_break(&mut self) -> Option<Found> {
        self.broken.take()
    }

    /// Where the journal is not what the witness has seen.
    pub(super) fn unseen(&mut self) -> Option<Found> {
        self.unseen.take()
    }

    /// How far the witness has seen it, if that is beyond its end.
    pub(super) fn seen_beyond(&self) -> Option<u64> {
        self.witness.map(|seen| seen.position).filter(|seen| *seen > self.head.position)
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    fn note(&mut self, row: &Row, kind: BreakKind, detail: String) {
        let Row { first: position, number, sequence, .. } = *row;
        self.broken.get_or_insert(Found { number, sequence, position, kind, detail });
    }
}
