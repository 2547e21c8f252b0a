//! How a store fails, by who must act.

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room. Everything acknowledged is intact. An open journal goes on by itself once there is room.
    #[error("there is no room left to write ({why}): free some")]
    Full {
        /// What the system said.
        why: String,
    },
    /// Writing or syncing failed, so that it is not known what reached the disk. The store takes nothing more until it
    /// has been opened anew and verified.
    #[error("the journal is latched shut after a failed write ({why}): open it anew; it is verified then")]
    Latched {
        /// What the system said.
        why: String,
    },
    /// Another process owns the journal.
    #[error("{path} is owned by another process{}", owner.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Owned {
        /// The journal.
        path: String,
        /// The owner's process id, if it could be read.
        owner: Option<u32>,
    },
    /// The file is something else.
    #[error("{path} is not a Regie journal ({why})")]
    NotOurs {
        /// The file.
        path: String,
        /// What tells.
        why: String,
    },
    /// Written by a newer version.
    #[error("{path} has schema version {found}; this program knows up to {known}: use a newer one")]
    Newer {
        /// The file.
        path: String,
        /// The version found.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// The file may not be written.
    #[error("{path} cannot be written ({why})")]
    ReadOnly {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// There is no such file.
    #[error("there is no journal at {path}")]
    Missing {
        /// The file.
        path: String,
    },
    /// What was read is not what was written.
    #[error("the journal is damaged: {why}; 'regie verify' names the first bad place")]
    Damaged {
        /// What does not fit.
        why: String,
    },
    /// The index did not reach a position in time.
    #[error("the index has not reached position {wanted} in time; it is at {reached}")]
    Behind {
        /// The position that was asked for.
        wanted: u64,
        /// Where it is.
        reached: u64,
    },
    /// Anything else that the system said.
    #[error("{why}")]
    Failed {
        /// What the system said.
        why: String,
    },
}

impl StoreError {
    /// Whether it is unknown if what was to be written was.
    pub fn is_unknown(&self) -> bool {
        matches!(self, StoreError::Latched { .. })
    }

    /// Whether the same may succeed later without anybody doing anything to the journal.
    pub fn is_passing(&self) -> bool {
        matches!(self, StoreError::Full { .. } | StoreError::Behind { .. } | StoreError::Owned { .. })
    }
}
