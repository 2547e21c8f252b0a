//! The journal's own chain: positions without gaps, and a link from each record to the next.

use regie_core::Digest;

use super::{BreakKind, Found};
use crate::store::{BadRow, Head, Row};

/// Follows the journal's chain row by row.
#[derive(Default)]
pub(super) struct JournalChain {
    head: Head,
    records: u64,
    broken: Option<Found>,
}

impl JournalChain {
    pub(super) fn row(&mut self, row: &Row) {
        let missing = self.head.position.saturating_add(1);
        if row.first != missing {
            let detail = format!("position {missing} is missing; position {} follows", row.first);
            self.note(row, BreakKind::JournalGap, detail);
        }
        let chain = |head: Digest, digest: Digest| head.chain(&digest.0);
        let digest = row.records.iter().map(|record| record.digest).fold(self.head.digest, chain);
        if digest != row.head {
            self.note(row, BreakKind::JournalChain, "the link to what is before it does not fit".into());
        }
        self.records += row.records.len() as u64;
        // Goes on from what the row says, so that one break is not taken for many.
        self.head = Head { position: row.last(), digest: row.head };
    }

    /// A row that cannot be read has been noted by the walk.
    pub(super) fn unreadable(&mut self, bad: &BadRow) {
        self.head.position = bad.first;
    }

    pub(super) fn first_break(&mut self) -> Option<Found> {
        self.broken.take()
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
