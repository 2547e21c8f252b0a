//! The name of a durable subscription or subscriber, and what is called by it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::CorrelationId;
use crate::limits;

/// The type of the own event that keeps a durable subscription's cursor.
pub const ADVANCED: &str = "regie.subscription.advanced";

/// The name of a subscription: letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubscriberName(String);

/// A text that names no subscription.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' names no subscription: {why}", .name.chars().take(64).collect::<String>())]
pub struct NameError {
    name: String,
    why: String,
}

impl SubscriberName {
    /// Takes a name; what is not one is refused with the place of the first character that does not fit.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let refused = |why: String| Err(NameError { name: name.to_string(), why });
        if name.is_empty() || name.len() > limits::SUBSCRIBER_NAME_BYTES {
            return refused(format!("it has 1 to {} bytes", limits::SUBSCRIBER_NAME_BYTES));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match name.chars().position(|c| !fits(c)) {
            Some(at) => refused(format!("character {} is no letter, digit, '-', '_' or '.'", at + 1)),
            None => Ok(Self(name.to_string())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The correlation that keeps its cursor.
    pub fn cursor(&self) -> CorrelationId {
        format!("regie/subscription/{}", self.0).into()
    }

    /// The agent that a subscriber with a handler is registered as.
    pub fn agent(&self) -> String {
        format!("subscriber/{}", self.0)
    }
}

impl fmt::Display for SubscriberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_fit_is_refused_with_the_place() {
        assert!(SubscriberName::new("billing-eu.v2_b").is_ok());
        let why = SubscriberName::new("bil/ling").unwrap_err().to_string();
        assert!(why.contains("character 4"), "{why}");
        assert!(SubscriberName::new("").is_err());
        assert!(SubscriberName::new(&"n".repeat(limits::SUBSCRIBER_NAME_BYTES + 1)).is_err());
    }
}
