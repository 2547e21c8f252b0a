//! Patterns over dotted names: one grammar for policies, rules, queries and subscriptions.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits;

/// A pattern over event types: segments, `*` for exactly one, `>` at the end for one or more.
///
/// ```
/// use regie_core::event::Pattern;
/// let pattern = Pattern::parse("orchestration.*.created").unwrap();
/// assert!(pattern.matches("orchestration.task.created"));
/// assert!(!pattern.matches("orchestration.task.note.created"));
/// assert!(Pattern::parse("orchestration.>").unwrap().matches("orchestration.task.note.created"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{pattern}' is no pattern: {why}")]
pub struct PatternError {
    pattern: String,
    why: &'static str,
}

impl PatternError {
    /// What is wrong with it.
    pub(super) fn why(&self) -> &'static str {
        self.why
    }
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let refused = |why| Err(PatternError { pattern: text.chars().take(64).collect(), why });
        let count = text.split('.').count();
        if text.is_empty() || text.len() > limits::ID_BYTES || count > limits::TYPE_SEGMENTS {
            return refused("it has 1 to 255 bytes and at most 32 segments");
        }
        for (at, segment) in text.split('.').enumerate() {
            match segment {
                "" => return refused("a segment is empty"),
                ">" if at + 1 < count => return refused("'>' stands for all that follow, so it is the last segment"),
                "*" | ">" => {}
                _ if segment.contains(['*', '>']) => return refused("'*' and '>' stand for whole segments"),
                _ if segment.chars().any(char::is_control) => return refused("it holds a control character"),
                _ => {}
            }
        }
        Ok(Self(text.to_string()))
    }

    /// The pattern of one type alone, whose name is known to be one.
    pub(crate) fn literal(name: &'static str) -> Self {
        Self(name.to_string())
    }

    /// Whether a dotted name fits.
    pub fn matches(&self, name: &str) -> bool {
        let mut segments = name.split('.');
        for wanted in self.0.split('.') {
            match (wanted, segments.next()) {
                (">", Some(_)) => return true,
                (_, None) => return false,
                ("*", Some(_)) => {}
                (wanted, Some(segment)) if wanted == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has no wildcard and so fits one name alone.
    pub fn is_literal(&self) -> bool {
        !self.0.contains(['*', '>'])
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_segment_and_an_arrow_is_all_that_follow() {
        let cases = [
            ("a", "a", true),
            ("a", "a.b", false),
            ("*", "a", true),
            ("*", "a.b", false),
            (">", "a.b.c", true),
            ("a.>", "a", false),
            ("a.>", "a.b", true),
            ("a.*.c", "a.b.c", true),
            ("a.*.c", "a.c", false),
            ("*.>", "a.b.c", true),
        ];
        for (pattern, name, fits) in cases {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(name), fits, "{pattern} against {name}");
        }
    }

    #[test]
    fn a_bad_pattern_says_why() {
        for bad in ["", "a..b", ".a", "a.", ">.a", "a.b*", "a.\u{7}"] {
            assert!(Pattern::parse(bad).is_err(), "{bad:?}");
        }
    }
}
