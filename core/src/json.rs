//! JSON that keeps every digit as it came.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON value as the text that it came in. Cheap to clone.
///
/// Numbers do not survive a round trip through most parsers (`1.10` becomes `1.1`, long ones lose digits), so what was
/// given is never rewritten. Two values are equal when their texts are; [`Json::same`] compares what they mean.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

impl Json {
    /// `null`.
    pub fn null() -> Self {
        Self(Arc::from("null"))
    }

    /// Any serialisable value.
    ///
    /// # Panics
    /// If the value has a map with keys that are not texts, or its own serialisation fails: a fault of its type.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        match Self::try_of(value) {
            Ok(json) => json,
            Err(error) => panic!("a value that JSON cannot carry: {error}"),
        }
    }

    /// The same of a value that may not be one.
    pub(crate) fn try_of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(|text| Self(text.into()))
    }

    /// Whether both are the very same text, not only equal ones.
    pub(crate) fn is_very(&self, other: &Json) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Reads a text that must be one JSON value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(text).map(|raw| Self(raw.get().into()))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// The value as a type of yours.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The value as a tree; numbers beyond 64 bits lose digits there, and one beyond a float's range makes the whole `null`:
    /// use [`Json::to`] where that must be told.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or(serde_json::Value::Null)
    }

    /// Whether both mean the same, whatever their spaces and the order of their keys.
    pub fn same(&self, other: &Json) -> bool {
        let meaning = |json: &Json| serde_json::from_str::<serde_json::Value>(&json.0).ok();
        self == other || meaning(self).is_some_and(|mine| meaning(other) == Some(mine))
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::null()
    }
}

impl From<&RawValue> for Json {
    fn from(raw: &RawValue) -> Self {
        Self(raw.get().into())
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string().into())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_str(&self.0);
        }
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.get().into()));
        }
        <Arc<str>>::deserialize(deserializer).map(Self)
    }
}

/// What kind of value it is, in words.
pub(crate) fn kind_of(value: &serde_json::Value) -> &'static str {
    use serde_json::Value;
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_every_digit_that_it_came_with() {
        let text = r#"{"amount":1.10000000000000000000001,"big":123456789012345678901234567890}"#;
        assert_eq!(serde_json::to_string(&Json::parse(text).unwrap()).unwrap(), text);
    }

    #[test]
    fn two_texts_of_one_meaning_are_the_same() {
        assert!(Json::parse(r#"{"a":1,"b":2}"#).unwrap().same(&Json::parse(r#"{ "b": 2, "a": 1 }"#).unwrap()));
    }
}
