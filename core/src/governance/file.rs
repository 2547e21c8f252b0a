//! The policy file.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::policy::{CooldownMode, KeyKind, Policy, PolicyKind, PolicySet};
use crate::event::Pattern;
use crate::limits;

/// Why a policy file was refused: where and what. It is refused whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub struct PolicyFileError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    policy: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    kind: Spanned<String>,
    #[serde(rename = "match")]
    pattern: Spanned<String>,
    window: Option<Spanned<String>>,
    key: Option<KeyKind>,
    mode: Option<CooldownMode>,
    reason: Option<String>,
    order: Option<i32>,
}

pub(super) fn parse(text: &str) -> Result<PolicySet, PolicyFileError> {
    if text.len() > limits::CONFIG_BYTES {
        let why = format!("the file has {} bytes; at most {} are taken", text.len(), limits::CONFIG_BYTES);
        return Err(place(text, 0, why));
    }
    let file: File = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        place(text, start, error.message().to_string())
    })?;
    let mut policies = Vec::with_capacity(file.policy.len());
    for entry in &file.policy {
        policies.push(policy(text, entry)?);
    }
    // The faults of a set are about names and windows; the name's place tells both.
    let name_of = |policy: &Policy| policy.name().to_string();
    let names: Vec<String> = policies.iter().map(name_of).collect();
    PolicySet::with_text(policies, text.to_string()).map_err(|error| {
        let twice = |at: &usize| names[..*at].contains(&names[*at]);
        let at = (0..names.len()).find(twice).and_then(|at| file.policy.get(at));
        place(text, at.map_or(0, |entry| entry.get_ref().name.span().start), error.to_string())
    })
}

fn policy(text: &str, entry: &Spanned<Entry>) -> Result<Policy, PolicyFileError> {
    let here = entry.get_ref();
    let pattern = Pattern::parse(here.pattern.get_ref())
        .map_err(|error| place(text, here.pattern.span().start, error.to_string()))?;
    if here.kind.get_ref() != "cooldown" {
        let why = format!(
            "'{}' is no kind of policy that a file can hold; this version knows 'cooldown'",
            here.kind.get_ref()
        );
        return Err(place(text, here.kind.span().start, why));
    }
    let missing = |what: &str| place(text, entry.span().start, format!("a cooldown needs '{what}'"));
    let window = here.window.as_ref().ok_or_else(|| missing("window"))?;
    let at_window = |why: String| place(text, window.span().start, why);
    let length = duration(window.get_ref()).map_err(at_window)?;
    if length.is_zero() || length > limits::COOLDOWN_MAX {
        return Err(at_window("a window is longer than nothing and at most 366 days".into()));
    }
    let mode = here.mode.ok_or_else(|| missing("mode"))?;
    let kind = PolicyKind::Cooldown { window: length, key: here.key.unwrap_or(KeyKind::All), mode };
    let reason = here.reason.clone().unwrap_or_else(|| format!("at most one in {}", duration_text(length)));
    Ok(Policy::new(here.name.get_ref(), pattern, &reason, kind).order(here.order.unwrap_or(0)))
}

fn place(text: &str, byte: usize, why: String) -> PolicyFileError {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    PolicyFileError { line, column, why }
}

/// Units of a duration's text, the longest first, with their milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(split);
    let known = UNITS.iter().find(|(name, _)| *name == unit.trim());
    match (count.parse::<u64>().ok(), known) {
        (Some(count), Some((_, millis))) => count
            .checked_mul(*millis)
            .map(Duration::from_millis)
            .ok_or_else(|| format!("'{text}' is longer than can be told")),
        _ => Err(format!("'{text}' is no duration such as 500ms, 60s, 5m, 2h or 1d")),
    }
}

/// A duration in the largest unit that tells it exactly.
pub(super) fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    let (name, size) =
        UNITS.iter().find(|(_, size)| millis.is_multiple_of(u128::from(*size)) && millis > 0).unwrap_or(&("ms", 1));
    format!("{}{name}", millis / u128::from(*size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (usize, usize, String) {
        let error = parse(text).unwrap_err();
        (error.line, error.column, error.why)
    }

    fn entry(line: &str) -> String {
        format!("[[policy]]\nname = \"p\"\nkind = \"cooldown\"\nmatch = \"a.b\"\nmode = \"defer\"\n{line}\n")
    }

    #[test]
    fn a_fault_is_named_with_its_line_and_column() {
        assert_eq!(refused(&entry("window = \"soon\"")).0, 6);
        assert_eq!(refused(&entry("window = \"soon\"")).1, 10);
        assert!(refused(&entry("wndow = \"1s\"")).2.contains("wndow"));
        assert!(refused("[[policy]]\nname = ").0 == 2);
    }

    #[test]
    fn a_name_twice_is_placed_at_the_second() {
        let twice = entry("window = \"1s\"") + &entry("window = \"1s\"");
        let (line, _, why) = refused(&twice);
        assert_eq!((line, why.contains("two policies")), (8, true));
    }

    #[test]
    fn durations_are_told_in_their_largest_unit() {
        for text in ["500ms", "60s", "5m", "2h", "1d"] {
            let told = duration_text(duration(text).unwrap());
            assert_eq!(duration(&told), duration(text), "{text}");
        }
        assert_eq!(duration_text(Duration::from_secs(60)), "1m");
    }

    #[test]
    fn the_same_text_has_the_same_digest_and_another_another() {
        let set = |window: &str| parse(&entry(&format!("window = \"{window}\""))).unwrap().digest();
        assert_eq!(set("1s"), set("1s"));
        assert_ne!(set("1s"), set("2s"));
    }
}
