//! Every fault of a policy file that can be told at once: what is no TOML, or one of each entry and of each name.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::entry::{self, Entry};
use super::{Fault, PolicyFileError, parse, place};

pub(in crate::governance) fn faults(text: &str) -> Vec<PolicyFileError> {
    let Err(first) = parse(text) else { return Vec::new() };
    let mut all = if text.len() > crate::limits::CONFIG_BYTES { Vec::new() } else { collect(text) };
    // What is about the file as a whole is told by the parser alone.
    if all.is_empty() {
        all.push(first);
    }
    all.sort_by_key(|fault| (fault.line, fault.column));
    all
}

fn collect(text: &str) -> Vec<PolicyFileError> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What follows from a line that was not understood would only lead astray.
        let mut all: Vec<_> = errors.iter().map(|error| of_toml(text, error)).collect();
        all.dedup_by_key(|fault| fault.line); // so would what follows on the line itself
        return all;
    }
    let told = |(at, why)| place(text, at, why);
    let mut all = Vec::new();
    for (name, value) in table.into_inner() {
        match &**name.get_ref() {
            "policy" => all.extend(entries(text, value)),
            "max_deferrals" => {
                let number = Spanned::<i64>::deserialize(ValueDeserializer::from(value));
                let number = number.map_err(|error| of_toml(text, &error));
                all.extend(number.and_then(|number| entry::count(&number).map_err(told)).err());
            }
            other => {
                let why = format!("unknown field `{other}`, expected `max_deferrals` or `policy`");
                all.push(told((name.span().start, why)));
            }
        }
    }
    all
}

fn entries(text: &str, value: Spanned<DeValue<'_>>) -> Vec<PolicyFileError> {
    let start = value.span().start;
    let DeValue::Array(list) = value.into_inner() else {
        return vec![place(text, start, "policies are a list: each begins with [[policy]]".into())];
    };
    let mut names: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for one in list {
        let entry = match Spanned::<Entry>::deserialize(ValueDeserializer::from(one)) {
            Ok(entry) => entry,
            Err(error) => {
                all.push(of_toml(text, &error));
                continue;
            }
        };
        let of_name = twice(&entry, &names).map_or(Ok(()), Err);
        let fault = of_name.and_then(|()| entry::policies(&entry).map(drop));
        all.extend(fault.map_err(|(at, why)| place(text, at, why)).err());
        names.push(entry.get_ref().name.get_ref().clone());
    }
    all
}

fn twice(entry: &Spanned<Entry>, names: &[String]) -> Option<Fault> {
    let name = &entry.get_ref().name;
    let is_twice = names.contains(name.get_ref());
    is_twice.then(|| (name.span().start, format!("two policies have the name '{}'", name.get_ref())))
}

fn of_toml(text: &str, error: &toml::de::Error) -> PolicyFileError {
    place(text, error.span().map_or(0, |span| span.start), error.message().to_string())
}
