//! What opening a journal found worth saying.

use std::fmt;

/// Something that was put right while a journal was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenNote {
    /// The index could not be used, and was built anew from the journal.
    IndexRebuilt {
        /// Why it could not be used.
        why: String,
        /// How many records it covers now.
        records: u64,
    },
    /// The index cannot be used and may not be written: each reader builds one in memory.
    IndexInMemory {
        /// Why it cannot be used.
        why: String,
    },
    /// The journal has lost its end: its index has seen more of it. It goes on from where it ends now.
    EndLost {
        /// Records that the index has seen.
        seen: u64,
        /// Records that the journal has.
        left: u64,
        /// Events among those that are gone.
        events: u64,
    },
    /// The journal holds other records than its index has seen: it is an older copy that was written on, or was changed.
    OtherRecords {
        /// The last position that the index has seen.
        position: u64,
    },
    /// There was no file, though an index lay where it would have had its own: a new journal was begun.
    BegunAnew {
        /// Records that the index has seen of the journal that was there.
        seen: u64,
    },
    /// The table of what is to be woken was missing or did not hold, and was built anew from the journal.
    WakesRebuilt {
        /// Correlations that owe something.
        correlations: u64,
    },
    /// A write had failed when the journal was last open; all of it has been verified, and holds.
    VerifiedAfterLatch {
        /// How many records were verified.
        records: u64,
    },
}

impl OpenNote {
    /// Whether it tells that something which was answered is gone.
    pub fn is_loss(&self) -> bool {
        matches!(self, OpenNote::EndLost { .. } | OpenNote::OtherRecords { .. } | OpenNote::BegunAnew { .. })
    }
}

impl fmt::Display for OpenNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenNote::IndexRebuilt { why, records } => {
                write!(f, "the index was rebuilt from the journal, {records} records ({why})")
            }
            OpenNote::IndexInMemory { why } => write!(f, "the index is built in memory ({why})"),
            OpenNote::EndLost { seen, left, events } => write!(
                f,
                "the journal has lost its end: its index has seen {}, and it has {left}; {} that were answered are gone. It \
                 goes on from there: what is sent again is new",
                counted(*seen, "record"),
                counted(*events, "event")
            ),
            OpenNote::OtherRecords { position } => write!(
                f,
                "the journal has another record at position {position} than its index has seen: it is an older copy that was \
                 written on, or was changed, and events that were answered may be gone. It goes on as it is"
            ),
            OpenNote::BegunAnew { seen } => {
                write!(
                    f,
                    "a new journal was begun; the one that was here before, with {}, is gone",
                    counted(*seen, "record")
                )
            }
            OpenNote::WakesRebuilt { correlations } => {
                write!(
                    f,
                    "the table of what is to be woken did not hold, and was built anew from the records: {} to be woken",
                    counted(*correlations, "correlation")
                )
            }
            OpenNote::VerifiedAfterLatch { records } => {
                write!(f, "a write had failed before; all {records} records have been verified, and hold")
            }
        }
    }
}

/// A count with its noun.
fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
