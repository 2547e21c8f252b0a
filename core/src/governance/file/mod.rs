//! The policy file.

mod duration;
mod entry;
mod faults;
mod stateless;
mod window;

use serde::Deserialize;
use toml::Spanned;

pub(super) use self::duration::duration_text;
use self::entry::Entry;
pub(super) use self::faults::faults;
use super::set::PolicySet;
use crate::fault::{Fault, line_and_column};
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
    max_deferrals: Option<Spanned<i64>>,
    #[serde(default)]
    policy: Vec<Spanned<Entry>>,
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
        policies.extend(entry::policies(entry).map_err(|(at, why)| place(text, at, why))?);
    }
    // What is left are the faults of a set, which are about names.
    let name_of = |entry: &Spanned<Entry>| entry.get_ref().name.get_ref().clone();
    let names: Vec<String> = file.policy.iter().map(name_of).collect();
    let most = file.max_deferrals.as_ref().map(entry::count).transpose();
    let most = most.map_err(|(at, why)| place(text, at, why))?;
    let set = PolicySet::with_text(policies, text.to_string()).map_err(|error| {
        let twice = |at: &usize| names[..*at].contains(&names[*at]);
        let at = (0..names.len()).find(twice).and_then(|at| file.policy.get(at));
        place(text, at.map_or(0, |entry| entry.get_ref().name.span().start), error.to_string())
    })?;
    Ok(set.deferring(most))
}

fn place(text: &str, byte: usize, why: String) -> PolicyFileError {
    let (line, column) = line_and_column(text, byte);
    PolicyFileError { line, column, why }
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
    fn the_same_text_has_the_same_digest_and_another_another() {
        let set = |window: &str| parse(&entry(&format!("window = \"{window}\""))).unwrap().digest();
        assert_eq!(set("1s"), set("1s"));
        assert_ne!(set("1s"), set("2s"));
    }
}
