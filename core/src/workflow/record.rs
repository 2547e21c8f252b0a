//! A record: what one command left. Its binary form is what is hashed and kept.

use serde::{Deserialize, Serialize};

use super::fact::Fact;
use crate::{Digest, Timestamp};

/// The version of the binary form; the first byte of every record.
const VERSION: u8 = 1;

/// What one command left: its facts, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place within its correlation, from 1, without gaps.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened, in order.
    pub facts: Vec<Fact>,
}

/// A record in its binary form, with its link in the correlation's hash chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord {
    /// Version byte and [postcard](https://postcard.jamesmunns.com) body.
    pub bytes: Vec<u8>,
    /// The digest of the previous record's digest (zeros before the first) and these bytes.
    pub digest: Digest,
}

/// Why some bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Written by a newer version.
    #[error("the record has format version {found}; this program reads up to {VERSION}: use a newer one")]
    Newer {
        /// The version found.
        found: u8,
    },
    /// Not what was written.
    #[error("the record is damaged: {why}")]
    Damaged {
        /// What the decoder said.
        why: String,
    },
}

impl Record {
    /// The binary form, linked to the record before it.
    ///
    /// # Panics
    /// If a fact has a sequence that does not know its length: a fault of that fact's type. Nothing is appended then.
    pub fn encode(&self, previous: Digest) -> EncodedRecord {
        let bytes = match postcard::to_extend(self, vec![VERSION]) {
            Ok(bytes) => bytes,
            Err(error) => panic!("a record that its own form cannot carry: {error}"),
        };
        let digest = previous.chain(&bytes);
        EncodedRecord { bytes, digest }
    }

    /// Reads the binary form. Total over any bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let damaged = |why: &str| DecodeError::Damaged { why: why.to_string() };
        let (version, body) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
        match *version {
            VERSION => {}
            0 => return Err(damaged("it has version 0")),
            found => return Err(DecodeError::Newer { found }),
        }
        let (record, rest) = postcard::take_from_bytes(body).map_err(|error| damaged(&error.to_string()))?;
        if rest.is_empty() { Ok(record) } else { Err(damaged("something follows its end")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::LifeState;

    fn record() -> Record {
        let moved = Fact::Moved { event: 1, to: LifeState::Processed, reason: "handled".into(), by: None };
        Record { sequence: 1, at: Timestamp::from_millis(7), facts: vec![moved] }
    }

    #[test]
    fn what_was_written_is_read_again() {
        assert_eq!(Record::decode(&record().encode(Digest::ZERO).bytes), Ok(record()));
    }

    #[test]
    fn the_link_depends_on_what_was_before() {
        let first = record().encode(Digest::ZERO);
        assert_ne!(record().encode(first.digest).digest, first.digest);
    }

    #[test]
    fn damaged_and_newer_bytes_are_told_apart() {
        let mut bytes = record().encode(Digest::ZERO).bytes;
        assert!(matches!(Record::decode(&bytes[..bytes.len() - 1]), Err(DecodeError::Damaged { .. })));
        bytes[0] = 9;
        assert_eq!(Record::decode(&bytes), Err(DecodeError::Newer { found: 9 }));
    }
}
