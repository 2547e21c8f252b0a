//! Why an expression is refused, and why one has no value.

use cel::ExecutionError;

/// Why an expression is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub struct ExprError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub why: String,
}

/// Why an expression has no value on some input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// It failed: a key that is not there, a division by zero, types that do not fit.
    #[error("{0}")]
    Failed(String),
    /// A condition came out as something else.
    #[error("the condition came out as {found}, which is neither true nor false")]
    NotBool {
        /// The type of what it came out as.
        found: String,
    },
    /// A name that the program uses was not given to the view, or what was given cannot be read.
    #[error("'{name}' {why}")]
    Input {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The value has no JSON: bytes, a number that is none, an optional.
    #[error("the value cannot be told as JSON: {0}")]
    NoJson(String),
    /// The evaluator panicked: a fault of its or ours, which stops here.
    #[error("the evaluation panicked")]
    Panicked,
}

/// Longest text of a failure.
const WHY_CHARS: usize = 300;

impl From<ExecutionError> for EvalError {
    fn from(error: ExecutionError) -> Self {
        let text = match &error {
            ExecutionError::NoSuchKey(key) => format!("no such key: '{key}'"),
            ExecutionError::DivisionByZero(_) => "division by zero".to_string(),
            ExecutionError::RemainderByZero(_) => "remainder by zero".to_string(),
            ExecutionError::Overflow(..) => "the result is beyond its type's range".to_string(),
            ExecutionError::IndexOutOfBounds(_) => "the index is beyond the list".to_string(),
            ExecutionError::NoSuchOverload(it)
                if plain(it.function()) == "." && it.argument_types().first().is_some_and(|of| of.contains("null")) =>
            {
                "null has no fields".to_string()
            }
            ExecutionError::NoSuchOverload(it) => {
                let types = it.argument_types().join(", ");
                format!("'{}' does not take ({types})", plain(it.function()))
            }
            // These would print whole values: what an event holds does not belong in a reason.
            ExecutionError::UnsupportedBinaryOperator(operator, a, b) => {
                format!("'{operator}' does not take ({}, {})", a.type_of(), b.type_of())
            }
            ExecutionError::ValuesNotComparable(a, b) => {
                format!("{} cannot be compared to {}", a.type_of(), b.type_of())
            }
            ExecutionError::UnsupportedIndex(index, of) => {
                format!("{} is no index of {}", index.type_of(), of.type_of())
            }
            ExecutionError::UnsupportedKeyType(key) => format!("{} cannot be a key", key.type_of()),
            other => other.to_string(),
        };
        Self::Failed(text.chars().take(WHY_CHARS).collect())
    }
}

/// An operator as it is written.
pub(super) fn plain(function: &str) -> &str {
    match function {
        "_?_:_" => "? :",
        "_[_]" | "_[?_]" => "[ ]",
        "_._" | "_?._" => ".",
        other => other.trim_matches(['_', '@']),
    }
}
