//! CEL's own conformance cases, through our check and view, beside the bare crate: ours is nowhere worse.
//!
//! JSON has no unsigned numbers and no bytes: where a case binds one, its literal is written in the place of the name. What a
//! case should come to is compared by the expression itself, with its type.

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use cel::objects::Key;
use cel::{Context, Value};
use regie_core::Json;
use regie_core::expr::{Program, Scope, Shape, View};
use serde::Deserialize;
use serde_json::Value as Tree;

use crate::helpers::{from_base64, shared};

#[derive(Deserialize)]
struct Case {
    file: String,
    section: String,
    test: String,
    expr: String,
    bindings: BTreeMap<String, Tree>,
    expect: BTreeMap<String, Tree>,
    plain_json: bool,
}

#[test]
fn a_case_that_the_bare_crate_passes_is_passed_by_ours() {
    let Some(text) = shared("cel/simple.jsonl") else { return };
    let cases: Vec<Case> = text.lines().map(|line| serde_json::from_str(line).expect("a case")).collect();
    let (mut count, mut bare_passed, mut ours_passed, mut refused, mut worse) = (0, 0, 0, 0, Vec::new());
    for case in cases.iter().filter(|case| case.plain_json) {
        let (bare, ours) = (bare(case), ours(case));
        count += 1;
        bare_passed += usize::from(bare);
        ours_passed += usize::from(ours.is_ok());
        let Err(why) = ours else { continue };
        // What there is not is refused here before anything runs; the bare crate finds out while it runs, or never.
        let unknown = why.contains("there is no name") || why.contains("there is no function");
        if bare && unknown && case.expr.ends_with("|| true") {
            refused += 1;
        } else if bare {
            worse.push(format!("{}/{}/{}: {}: {why}", case.file, case.section, case.test, case.expr));
        }
    }
    println!(
        "of {count} cases ours passes {ours_passed}, the bare crate {bare_passed}; {refused} name what there is not"
    );
    assert!(count > 1_000 && bare_passed > 500, "the cases are read");
    assert!(worse.is_empty(), "{} worse:\n{}", worse.len(), worse.join("\n"));
}

/// Whether the bare crate comes to what is expected, types and all.
fn bare(case: &Case) -> bool {
    let attempt = catch_unwind(|| {
        let program = cel::Program::compile(&case.expr).map_err(drop)?;
        let mut context = Context::default();
        for (name, value) in &case.bindings {
            context.add_variable_from_value(name.as_str(), value_of(value));
        }
        program.execute(&context).map_err(drop)
    });
    match (attempt, case.expect.get("value")) {
        (Ok(Ok(found)), Some(expected)) => same(&found, expected),
        (Ok(Err(())), None) => true,
        _ => false,
    }
}

/// Whether ours does.
fn ours(case: &Case) -> Result<(), String> {
    let (mut text, mut scope, mut values) = (case.expr.clone(), Scope::new(), Vec::new());
    for (name, value) in &case.bindings {
        if literal_only(value) {
            text = replaced(&text, name, &literal(value));
        } else {
            scope = scope.with(name.as_str(), Shape::Any);
            values.push((name, Json::from(plain(value))));
        }
    }
    let view = values.iter().fold(View::new(), |view, (name, json)| view.json(name, json));
    let run = |text: &str| -> Result<bool, String> {
        let program = Program::compile(text, &scope).map_err(|error| error.to_string())?;
        program.truth(&view).map_err(|error| error.to_string())
    };
    match case.expect.get("value") {
        Some(expected) => match run(&format!("dyn({text}\n) == {}{}", literal(expected), typed(&text, expected)))? {
            true => Ok(()),
            false => Err(format!("not {expected}")),
        },
        None => match Program::compile(&text, &scope).map(|program| program.value(&view)) {
            Ok(Ok(value)) => Err(format!("{value} instead of an error")),
            _ => Ok(()),
        },
    }
}

/// A condition on the type, where the value alone does not tell it.
fn typed(text: &str, expected: &Tree) -> String {
    match tag(expected) {
        Some((tag @ ("int" | "uint" | "double"), _)) => format!(" && type({text}\n) == {tag}"),
        _ => String::new(),
    }
}

fn tag(value: &Tree) -> Option<(&str, &Tree)> {
    let (name, value) = value.as_object()?.iter().next()?;
    Some((name.strip_prefix('$')?, value))
}

fn text_of(value: &Tree) -> &str {
    value.as_str().expect("a text")
}

fn pairs(value: &Tree) -> impl Iterator<Item = (&Tree, &Tree)> {
    value.as_array().expect("pairs").iter().map(|pair| (&pair[0], &pair[1]))
}

/// A value as CEL writes it.
fn literal(value: &Tree) -> String {
    match (tag(value), value) {
        (Some(("int", it)), _) => format!("({})", text_of(it)),
        (Some(("uint", it)), _) => format!("{}u", text_of(it)),
        (Some(("double", it)), _) => format!("double('{}')", text_of(it)),
        (Some(("bytes_b64", it)), _) => {
            let bytes = from_base64(text_of(it));
            format!("b'{}'", bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>())
        }
        (Some(("map", it)), _) => {
            let entries: Vec<_> =
                pairs(it).map(|(key, value)| format!("{}: {}", literal(key), literal(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        (Some((_, it)), _) => text_of(it).to_string(),
        (None, Tree::Array(items)) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        (None, other) => other.to_string(),
    }
}

fn literal_only(value: &Tree) -> bool {
    match (tag(value), value) {
        (Some(("map", it)), _) => pairs(it).any(|(key, value)| !key.is_string() || literal_only(value)),
        (Some((tag, _)), _) => !matches!(tag, "int" | "double"),
        (None, Tree::Array(items)) => items.iter().any(literal_only),
        _ => false,
    }
}

/// A bound value as JSON.
fn plain(value: &Tree) -> Tree {
    match (tag(value), value) {
        (Some(("map", it)), _) => {
            Tree::Object(pairs(it).map(|(key, value)| (text_of(key).to_string(), plain(value))).collect())
        }
        (Some((_, it)), _) => serde_json::from_str(text_of(it)).expect("a number"),
        (None, Tree::Array(items)) => Tree::Array(items.iter().map(plain).collect()),
        (None, other) => other.clone(),
    }
}

/// A text with another in the place of each name of its own.
fn replaced(text: &str, name: &str, by: &str) -> String {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut all = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let after = &rest[at + name.len()..];
        let whole = !rest[..at].ends_with(part_of_name) && !after.starts_with(part_of_name);
        all.push_str(&rest[..at]);
        all.push_str(if whole { by } else { name });
        rest = after;
    }
    all + rest
}

/// A value as the bare crate has it.
fn value_of(value: &Tree) -> Value {
    match (tag(value), value) {
        (Some(("int", it)), _) => Value::Int(text_of(it).parse().expect("an int")),
        (Some(("uint", it)), _) => Value::UInt(text_of(it).parse().expect("a uint")),
        (Some(("double", it)), _) => Value::Float(text_of(it).parse().expect("a double")),
        (Some(("bytes_b64", it)), _) => Value::Bytes(from_base64(text_of(it)).into()),
        (Some(("map", it)), _) => {
            let entries = pairs(it).map(|(key, value)| (key_of(key), value_of(value)));
            Value::from(entries.collect::<std::collections::HashMap<_, _>>())
        }
        (Some((_, it)), _) => Value::from(text_of(it)),
        (None, Tree::Array(items)) => Value::from(items.iter().map(value_of).collect::<Vec<_>>()),
        (None, Tree::Bool(value)) => Value::Bool(*value),
        (None, Tree::String(value)) => Value::from(value.as_str()),
        _ => Value::Null,
    }
}

fn key_of(value: &Tree) -> Key {
    value_of(value).try_into().expect("a key")
}

/// Whether a value of the bare crate is the expected one, of the same type.
fn same(found: &Value, expected: &Tree) -> bool {
    match (found, tag(expected)) {
        (Value::String(name), Some(("type", it))) => name.as_str() == text_of(it),
        (Value::Float(found), Some(("double", it))) => text_of(it).parse() == Ok(*found),
        (Value::Map(map), Some(("map", it))) => {
            map.map.len() == pairs(it).count()
                && pairs(it).all(|(key, value)| map.get(&key_of(key)).is_some_and(|found| same(found, value)))
        }
        (Value::List(found), None) => {
            let expected = expected.as_array().map(Vec::as_slice).unwrap_or_default();
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| same(found, expected))
        }
        (found, _) => {
            let expected = value_of(expected);
            std::mem::discriminant(found) == std::mem::discriminant(&expected) && *found == expected
        }
    }
}
