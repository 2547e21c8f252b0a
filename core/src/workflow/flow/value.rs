//! What expressions of users may give.

use std::time::Duration;

use crate::{Json, Timestamp};

/// What an expression gives as a value: JSON, or why there is none.
pub trait IntoValue {
    /// The value.
    ///
    /// # Errors
    /// Why there is none: the task fails by it, with the kind `expression`.
    fn into_value(self) -> Result<Json, String>;
}

impl IntoValue for Json {
    fn into_value(self) -> Result<Json, String> {
        Ok(self)
    }
}

impl IntoValue for &Json {
    fn into_value(self) -> Result<Json, String> {
        Ok(self.clone())
    }
}

impl IntoValue for serde_json::Value {
    fn into_value(self) -> Result<Json, String> {
        Ok(Json::of(&self))
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    /// Nothing is null.
    fn into_value(self) -> Result<Json, String> {
        self.map_or(Ok(Json::null()), IntoValue::into_value)
    }
}

impl<T: IntoValue, E: ToString> IntoValue for Result<T, E> {
    fn into_value(self) -> Result<Json, String> {
        self.map_err(|error| error.to_string())?.into_value()
    }
}

/// What a condition gives: whether it holds, or why that cannot be told.
pub trait IntoTruth {
    /// Whether it holds.
    ///
    /// # Errors
    /// Why that cannot be told: the task fails by it, with the kind `expression`.
    fn into_truth(self) -> Result<bool, String>;
}

impl IntoTruth for bool {
    fn into_truth(self) -> Result<bool, String> {
        Ok(self)
    }
}

impl<E: ToString> IntoTruth for Result<bool, E> {
    fn into_truth(self) -> Result<bool, String> {
        self.map_err(|error| error.to_string())
    }
}

/// What tells an instant: one, or how long from now.
pub trait IntoInstant {
    /// The instant.
    ///
    /// # Errors
    /// Why there is none: the task fails by it, with the kind `expression`.
    fn into_instant(self, now: Timestamp) -> Result<Timestamp, String>;
}

impl IntoInstant for Timestamp {
    fn into_instant(self, _: Timestamp) -> Result<Timestamp, String> {
        Ok(self)
    }
}

impl IntoInstant for Duration {
    fn into_instant(self, now: Timestamp) -> Result<Timestamp, String> {
        Ok(now.after(self))
    }
}

impl<T: IntoInstant, E: ToString> IntoInstant for Result<T, E> {
    fn into_instant(self, now: Timestamp) -> Result<Timestamp, String> {
        self.map_err(|error| error.to_string())?.into_instant(now)
    }
}
