//! What a kept result is found by: which agent, and what it was asked, whatever the spaces and the order of keys.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::answer::depth;
use crate::event::CorrelationId;
use crate::{Digest, Json, limits};

/// The key of a task for an agent. Another version of the agent finds nothing of the one before.
pub fn cache_key(agent: &str, version: &str, task: &Json) -> Digest {
    let canonical = canonical(task);
    // Lengths first, so that no name can run into what follows it.
    Digest::of(format!("{} {agent}{} {version}{canonical}", agent.len(), version.len()).as_bytes())
}

/// Where the journal keeps a result.
pub fn kept_correlation(agent: &str, key: &Digest) -> CorrelationId {
    format!("regie/kept/{agent}/{key}").into()
}

/// The text with its keys in order and without spaces; numbers as they were written.
fn canonical(json: &Json) -> String {
    let mut out = String::with_capacity(json.text().len());
    let raw = (depth(json.text()) <= limits::JSON_DEPTH).then(|| serde_json::from_str(json.text()).ok()).flatten();
    match raw.and_then(|raw: &RawValue| write(raw, &mut out)) {
        Some(()) => out,
        None => json.text().to_string(), // what cannot be put in order is equal to itself alone
    }
}

fn write(raw: &RawValue, out: &mut String) -> Option<()> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'{' => {
            let mut pairs = serde_json::from_str::<Pairs<'_>>(text).ok()?.0;
            pairs.sort_by(|left, right| left.0.cmp(&right.0)); // stable: a key twice keeps its order, and counts
            list(out, ('{', '}'), &pairs, |(key, value), out| {
                out.push_str(&serde_json::to_string(key).ok()?);
                out.push(':');
                write(value, out)
            })
        }
        b'[' => {
            list(out, ('[', ']'), &serde_json::from_str::<Vec<&RawValue>>(text).ok()?, |item, out| write(item, out))
        }
        b'"' => {
            out.push_str(&serde_json::to_string(&serde_json::from_str::<String>(text).ok()?).ok()?);
            Some(())
        }
        _ => {
            out.push_str(text);
            Some(())
        }
    }
}

fn list<T>(
    out: &mut String,
    (begin, end): (char, char),
    items: &[T],
    each: impl Fn(&T, &mut String) -> Option<()>,
) -> Option<()> {
    out.push(begin);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(item, out)?;
    }
    out.push(end);
    Some(())
}

/// The entries of an object as they stand in it.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries).map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    #[test]
    fn tasks_of_one_meaning_have_one_key_and_others_have_others() {
        let of = |text: &str| cache_key("bank", "1", &json(text));
        let task = of(r#"{"a":[1,{"b":"x","c":null}],"d":1.10}"#);
        assert_eq!(task, of(r#"{ "d": 1.10, "a": [ 1, { "c" : null, "b": "\u0078" } ] }"#));
        for other in [r#"{"a":[1,{"b":"x","c":null}],"d":1.1}"#, r#"{"a":[{"b":"x","c":null},1],"d":1.10}"#, "{}"] {
            assert_ne!(task, of(other), "{other}");
        }
        assert_ne!(of(r#"{"a":1,"a":2}"#), of(r#"{"a":2,"a":1}"#), "the last of two counts for whoever reads them");
    }

    #[test]
    fn the_agent_and_its_version_are_part_of_the_key() {
        let of = |agent, version| cache_key(agent, version, &json("1"));
        assert_ne!(of("bank", "1"), of("bank", "2"));
        assert_ne!(of("bank", "1"), of("ban", "k1"));
        assert_ne!(of("a1 b", ""), of("a", "b"));
    }

    #[test]
    fn what_is_nested_too_deep_to_be_put_in_order_has_a_key_all_the_same() {
        let deep = |inner: &str| json(&("[".repeat(1_000) + inner + &"]".repeat(1_000)));
        assert_eq!(cache_key("a", "", &deep("1")), cache_key("a", "", &deep("1")));
        assert_ne!(cache_key("a", "", &deep("1")), cache_key("a", "", &deep("2")));
    }
}
