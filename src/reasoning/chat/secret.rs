//! A text that is not shown.

use std::fmt;

/// A text that is not shown: neither as a debug print nor in errors.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A variable of the environment that holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {0} holds no key")]
pub struct NoSecret(String);

impl Secret {
    /// Keeps a text; spaces around it are not part of it.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_string())
    }

    /// Takes it from the environment.
    ///
    /// # Errors
    /// If the variable is not set, or is empty.
    pub fn from_env(variable: &str) -> Result<Self, NoSecret> {
        let secret = std::env::var(variable).map(Self::new).ok().filter(|secret| !secret.0.is_empty());
        secret.ok_or_else(|| NoSecret(variable.into()))
    }

    /// The text, to be sent.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// A text without it.
    pub(super) fn scrub(&self, text: String) -> String {
        if self.0.is_empty() || !text.contains(&self.0) { text } else { text.replace(&self.0, "[key]") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}
