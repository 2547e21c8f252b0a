//! A look over the shape of a JSON text: how deep, and whether any object has a key twice.

use std::borrow::Cow;
use std::collections::HashSet;

use super::error::EventError;
use crate::limits;

/// Refuses what is nested too deep or has a key twice in one object. The text must be valid JSON.
///
/// A parser would not do: most keep the last of two equal keys in silence, and recurse.
pub(crate) fn check_shape(text: &str) -> Result<(), EventError> {
    let bytes = text.as_bytes();
    let mut open: Vec<Option<Keys>> = Vec::new(); // the keys of each open object; none for an array
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at);
                if is_key(bytes, end) {
                    note_key(&mut open, &text[at..end], at)?;
                }
                at = end;
                continue;
            }
            b'{' | b'[' if open.len() == limits::JSON_DEPTH => {
                return Err(EventError::TooDeep { limit: limits::JSON_DEPTH, at });
            }
            b'{' => open.push(Some(Keys::default())),
            b'[' => open.push(None),
            b'}' | b']' => {
                open.pop();
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// One past the closing quote of the string that opens at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// In valid JSON, a string is a key just when a colon follows it.
fn is_key(bytes: &[u8], end: usize) -> bool {
    bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// The keys of one object. Most have few, for which a walk is cheaper than hashing.
#[derive(Default)]
struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Keys<'a> {
    const FEW: usize = 24;

    /// Whether the key is new here.
    fn insert(&mut self, key: Cow<'a, str>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() < Self::FEW {
            self.few.push(key);
            return true;
        }
        self.many.insert(key)
    }

    fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }
}

fn note_key<'a>(open: &mut [Option<Keys<'a>>], quoted: &'a str, at: usize) -> Result<(), EventError> {
    let Some(Some(keys)) = open.last_mut() else { return Ok(()) };
    let key = if quoted.contains('\\') {
        let plain = serde_json::from_str::<String>(quoted);
        Cow::Owned(plain.map_err(|error| EventError::NotJson { why: error.to_string() })?)
    } else {
        Cow::Borrowed(&quoted[1..quoted.len() - 1])
    };
    if keys.len() == limits::OBJECT_KEYS {
        return Err(EventError::TooManyKeys { limit: limits::OBJECT_KEYS, at });
    }
    if keys.insert(key) {
        return Ok(());
    }
    let key = serde_json::from_str(quoted).unwrap_or_else(|_| quoted.to_string());
    Err(EventError::DuplicateKey { key, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_twice_is_found_at_any_depth_and_under_any_spelling() {
        for bad in [r#"{"a":1,"a":2}"#, r#"{"x":[{"b":1,"c":{"d":0},"b":2}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(matches!(check_shape(bad), Err(EventError::DuplicateKey { .. })), "{bad}");
        }
    }

    #[test]
    fn what_only_looks_like_a_key_twice_is_fine() {
        for good in
            [r#"{"a":"a","b":"a"}"#, r#"[{"a":1},{"a":2}]"#, r#"{"a":"{\"a\":1,\"a\":2}"}"#, r#"{"a":{"a":{}}}"#]
        {
            assert_eq!(check_shape(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_last_level_is_taken_and_the_next_is_not() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(check_shape(&nested(limits::JSON_DEPTH)), Ok(()));
        assert!(matches!(check_shape(&nested(limits::JSON_DEPTH + 1)), Err(EventError::TooDeep { .. })));
    }
}
