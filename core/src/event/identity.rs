//! Who an event is: the pair of source and id, within its correlation.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The identity of an event within its correlation: 128 bits of the SHA-256 digest of source and id.
///
/// Two events of one correlation with the same identity are the same event; should their bytes differ, the second is
/// refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity(pub [u8; 16]);

impl Identity {
    /// The identity that source and id make.
    pub fn of(source: &str, id: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(source.as_bytes());
        hasher.update([0]); // neither may hold control characters, so that no two pairs run together
        hasher.update(id.as_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        Self(short)
    }
}

/// The id of an event that the runtime emits: made from what made it, so that a repetition is the same event.
///
/// `maker` is the workflow or rule, `step` the step or trigger, `nth` the attempt or count.
pub fn emitted_id(maker: &str, step: &str, nth: u32) -> String {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"regie:emitted");
    Uuid::new_v5(&namespace, format!("{maker}\0{step}\0{nth}").as_bytes()).to_string()
}
