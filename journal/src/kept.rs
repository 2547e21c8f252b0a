//! Folds that are kept beside the journal, so that they need not begin at its first record each time.

/// A fold over the journal up to one of its records. It never replaces the records: without it, the fold begins anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The fold's name.
    pub name: String,
    /// The version of what it folds to: of another version none is found.
    pub version: u32,
    /// The position of the last record that it holds.
    pub position: u64,
    /// What it folded to, in a form of the caller's.
    pub body: Vec<u8>,
}
