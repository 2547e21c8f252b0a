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
    /// A write had failed when the journal was last open; all of it has been verified, and holds.
    VerifiedAfterLatch {
        /// How many records were verified.
        records: u64,
    },
}

impl fmt::Display for OpenNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenNote::IndexRebuilt { why, records } => {
                write!(f, "the index was rebuilt from the journal, {records} records ({why})")
            }
            OpenNote::IndexInMemory { why } => write!(f, "the index is built in memory ({why})"),
            OpenNote::VerifiedAfterLatch { records } => {
                write!(f, "a write had failed before; all {records} records have been verified, and hold")
            }
        }
    }
}
