//! JSON as the evaluator has it, and back. Texts are borrowed where they have no escapes, and nothing is read twice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt};
use cel::common::value::Val;
use cel::objects::Key;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Tree;

use super::EvalError;
use crate::{Json, Timestamp, limits};

/// A value that borrows its texts.
pub(super) type Value<'a> = Box<dyn Val + 'a>;

/// Reads a JSON text.
pub(super) fn read(json: &Json) -> Result<Value<'_>, String> {
    let text = json.text();
    if text.len() > limits::EXPRESSION_INPUT_BYTES {
        return Err(format!("has {} bytes; at most {} are looked at", text.len(), limits::EXPRESSION_INPUT_BYTES));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    Node.deserialize(&mut reader).map_err(|error| format!("cannot be read: {error}"))
}

/// A text that borrows what it is made of.
pub(super) fn text<'a>(text: &'a str) -> Value<'a> {
    Box::new(CelString::from(text))
}

/// An object of a few fields.
pub(super) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Value<'a> {
    let fields = fields.into_iter().map(|(name, value)| (CelMapKey::String(CelString::from(name)), value));
    Box::new(CelMap::from(fields.collect::<HashMap<_, _>>()))
}

/// A list.
pub(super) fn list<'a>(values: impl IntoIterator<Item = Value<'a>>) -> Value<'a> {
    Box::new(CelList::from(values.into_iter().collect::<Vec<_>>()))
}

struct Node;

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'de>, E> {
        Ok(Box::new(CelNull))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Box::new(CelBool::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Box::new(CelInt::from(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(match i64::try_from(value) {
            Ok(value) => Box::new(CelInt::from(value)),
            Err(_) => Box::new(CelUInt::from(value)),
        })
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Box::new(CelDouble::from(value)))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(text(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Box::new(CelString::from(value.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Node)? {
            all.push(item);
        }
        Ok(Box::new(CelList::from(all)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'de>, A::Error> {
        let mut all = HashMap::new();
        while let Some(name) = entries.next_key_seed(Name)? {
            let name = match name {
                Cow::Borrowed(name) => CelString::from(name),
                Cow::Owned(name) => CelString::from(name),
            };
            all.insert(CelMapKey::String(name), entries.next_value_seed(Node)?);
        }
        Ok(Box::new(CelMap::from(all)))
    }
}

/// A key; serde's own `Cow` always owns.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_string()))
    }
}

/// A value as JSON: timestamps and durations as the texts that they are read from.
pub(super) fn tell(value: &dyn Val) -> Result<Json, EvalError> {
    let value = cel::Value::try_from(value).map_err(EvalError::from)?;
    tree(&value).map(Json::from)
}

fn tree(value: &cel::Value) -> Result<Tree, EvalError> {
    let none = |why: &str| Err(EvalError::NoJson(why.to_string()));
    Ok(match value {
        cel::Value::Null => Tree::Null,
        cel::Value::Bool(value) => (*value).into(),
        cel::Value::Int(value) => (*value).into(),
        cel::Value::UInt(value) => (*value).into(),
        cel::Value::Float(value) if value.is_finite() => (*value).into(),
        cel::Value::Float(_) => return none("a number without a value"),
        cel::Value::String(value) => value.as_str().into(),
        cel::Value::Timestamp(value) => Timestamp::from(value.to_utc()).to_string().into(),
        cel::Value::Duration(value) => seconds(*value).into(),
        cel::Value::List(values) => Tree::Array(values.iter().map(tree).collect::<Result<_, _>>()?),
        cel::Value::Map(map) => {
            let entry = |(key, value)| Ok((name(key), tree(value)?));
            Tree::Object(map.map.iter().map(entry).collect::<Result<_, EvalError>>()?)
        }
        cel::Value::Bytes(_) => return none("bytes"),
        _ => return none("a value of a type that JSON does not have"),
    })
}

fn name(key: &Key) -> String {
    match key {
        Key::String(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// `1.5s`, as CEL writes a duration.
fn seconds(duration: chrono::TimeDelta) -> String {
    let (whole, nanos) = (duration.num_seconds(), duration.subsec_nanos().unsigned_abs());
    let sign = if duration < chrono::TimeDelta::zero() { "-" } else { "" };
    let fraction = format!(".{nanos:09}");
    format!("{sign}{}{}s", whole.unsigned_abs(), fraction.trim_end_matches('0').trim_end_matches('.'))
}
