//! Why some bytes are no event.

/// Why some bytes, or a built event, cannot be taken. Each says what is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Larger than [`EVENT_BYTES`](crate::limits::EVENT_BYTES).
    #[error(
        "the event has {bytes} bytes; at most {limit} are taken: keep large content elsewhere and send its address"
    )]
    TooLarge {
        /// Bytes that came.
        bytes: usize,
        /// Bytes that are taken.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("byte {at} is not UTF-8")]
    NotUtf8 {
        /// Where the first bad byte is, from 0.
        at: usize,
    },
    /// Not JSON; `NaN` and `Infinity` are none either.
    #[error("not JSON: {why}")]
    NotJson {
        /// What the parser said, with line and column.
        why: String,
    },
    /// JSON, but no object.
    #[error("an event is a JSON object, this is {found}")]
    NotAnObject {
        /// What it is instead.
        found: &'static str,
    },
    /// Nested deeper than [`JSON_DEPTH`](crate::limits::JSON_DEPTH).
    #[error("nested deeper than {limit} levels, at byte {at}")]
    TooDeep {
        /// Levels that are taken.
        limit: usize,
        /// Where the first level too many opens, from 0.
        at: usize,
    },
    /// One object has a key twice: which of the two counts would be a guess.
    #[error("the key \"{key}\" stands twice in one object, at byte {at}")]
    DuplicateKey {
        /// The key.
        key: String,
        /// Where it stands for the second time, from 0.
        at: usize,
    },
    /// One object has more than [`OBJECT_KEYS`](crate::limits::OBJECT_KEYS) keys.
    #[error("an object has more than {limit} keys, at byte {at}")]
    TooManyKeys {
        /// Keys that are taken.
        limit: usize,
        /// Where the first key too many stands, from 0.
        at: usize,
    },
    /// A field that must be there is not.
    #[error("\"{field}\" is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field has a value that it cannot have.
    #[error("\"{field}\": {why}")]
    Wrong {
        /// The field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
}

impl EventError {
    /// A field has a value that it cannot have.
    pub fn wrong(field: &str, why: impl ToString) -> Self {
        Self::Wrong { field: field.to_string(), why: why.to_string() }
    }
}
