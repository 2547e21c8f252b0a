//! A rule as it is written, in a file or in code: one form for both, so that what was given in code can be written down too.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A rule as it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Draft {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) about: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) on: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) when: Option<String>,
    #[serde(rename = "do", default)]
    pub(super) acts: Vec<ActDraft>,
}

/// One thing that it does: just one of the five is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActDraft {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entity: Option<EntityDraft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) emit: Option<EmitDraft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) update: Option<BTreeMap<String, Plain>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected: Option<BTreeMap<String, Plain>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) notify: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start: Option<StartDraft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) call: Option<CallDraft>,
}

/// An event that goes out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmitDraft {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) correlation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) priority: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) related: Vec<ThingDraft>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) changes: BTreeMap<String, Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Plain>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
}

/// A workflow that begins on an event of that type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartDraft {
    pub(super) workflow: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) correlation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Plain>,
}

/// A task for an agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallDraft {
    pub(super) agent: String,
    pub(super) task: Plain,
}

/// An entity by its type and id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThingDraft {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: String,
}

/// The entity that an act is about, or `false` for none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum EntityDraft {
    None(NoEntity),
    Thing(ThingDraft),
}

/// `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "bool", into = "bool")]
pub(super) struct NoEntity;

impl TryFrom<bool> for NoEntity {
    type Error = &'static str;
    fn try_from(yes: bool) -> Result<Self, Self::Error> {
        if yes { Err("an entity is { type, id }, or false for none") } else { Ok(Self) }
    }
}

impl From<NoEntity> for bool {
    fn from(_: NoEntity) -> bool {
        false
    }
}

/// Any value; a date of TOML is its text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Plain(pub(super) Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        plain(value).map(Self).map_err(serde::de::Error::custom)
    }
}

fn plain(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if number.is_finite() => number.into(),
        toml::Value::Float(_) => return Err("a number without a value is none that JSON has".into()),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(at) => at.to_string().into(),
        toml::Value::Array(values) => Value::Array(values.into_iter().map(plain).collect::<Result<_, _>>()?),
        toml::Value::Table(table) => {
            let entry = |(key, value)| Ok((key, plain(value)?));
            Value::Object(table.into_iter().map(entry).collect::<Result<Map<_, _>, String>>()?)
        }
    })
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "'on' is a pattern, or a list of patterns")]
    enum Patterns {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Patterns::deserialize(deserializer)? {
        Patterns::One(one) => vec![one],
        Patterns::Many(many) => many,
    })
}

impl Draft {
    /// As an entry of a rules file, in one spelling.
    pub(super) fn text(&self) -> String {
        entry("rule", &serde_json::to_value(self).unwrap_or_default())
    }
}

/// One entry of a list of tables: each field a line.
pub(super) fn entry(list: &str, fields: &Value) -> String {
    let mut text = format!("[[{list}]]\n");
    for (name, value) in fields.as_object().into_iter().flatten() {
        text += &format!("{} = {}\n", key(name), inline(value));
    }
    text
}

fn inline(value: &Value) -> String {
    match value {
        // TOML has no null; what an expression gives may be one.
        Value::Null => r#""${null}""#.to_string(),
        Value::Array(values) => format!("[{}]", values.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{} = {}", key(name), inline(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        // JSON's texts are TOML's, but for one character that TOML wants escaped.
        plain => plain.to_string().replace('\u{7f}', "\\u007f"),
    }
}

fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { name.to_string() } else { inline(&Value::String(name.to_string())) }
}
