//! The JSON Schema of policy files takes what the parser takes, kind by kind and field by field, and nothing more than types,
//! names and enums could tell.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use regie_core::governance::PolicySet;
use serde_json::{Map, Value, json};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.schema.json");

/// Each kind's least entry.
const LEAST: [(&str, &str); 11] = [
    ("veto", "when = \"true\""),
    ("escalate", "when = \"true\""),
    ("reason", "reasoner = \"r\""),
    ("signals", ""),
    ("priority", "priority = \"P0\""),
    ("retention", "class = \"c\""),
    ("cooldown", "window = \"1s\"\nmode = \"defer\""),
    ("window", "zone = \"UTC\"\nstart = \"01:00\"\nend = \"02:00\"\nmode = \"defer\""),
    ("rate", "rate = 1\nper = \"1s\"\nmode = \"defer\""),
    ("debounce", "wait = \"1s\""),
    ("concurrency", "limit = 1"),
];

/// Each field that not every kind takes, with good values and bad ones.
const FIELDS: [(&str, &[&str], &[&str]); 28] = [
    ("mode", &["\"discard\"", "\"defer\""], &["\"drop\"", "1"]),
    ("window", &["\"1s\"", "\"5 m\"", "\"2d\""], &["\"soon\"", "60", "\"s\""]),
    ("zone", &["\"Europe/Berlin\""], &["1"]),
    ("days", &["[\"mon-fri\"]", "[\"sat\", \"sun\"]"], &["[\"monday\"]", "\"mon\""]),
    ("start", &["\"01:30\""], &["\"1:30\"", "\"25:00\""]),
    ("end", &["\"03:30\"", "\"24:00\""], &["\"noon\""]),
    ("at_most", &["3"], &["0", "\"3\""]),
    ("holidays", &["[\"2026-12-24\"]"], &["[\"Christmas\"]"]),
    (
        "hours",
        &[
            "[{ from = \"2026-12-24\", closed = true }]",
            "[{ from = \"2026-12-24\", start = \"01:00\", end = \"02:00\" }]",
        ],
        &[
            "[{ from = \"2026-12-24\" }]",
            "[{ from = \"2026-12-24\", closed = true, start = \"01:00\", end = \"02:00\" }]",
            "[{ from = \"2026-12-24\", close = true }]",
        ],
    ),
    ("rate", &["1000"], &["0", "-1", "\"1\""]),
    ("per", &["\"1h\""], &["1"]),
    ("burst", &["7"], &["0"]),
    ("wait", &["\"1s\""], &["1"]),
    ("max", &["\"9s\""], &["9"]),
    ("limit", &["9"], &["0"]),
    ("when", &["\"event.priority == 'P0'\""], &["true"]),
    ("on_error", &["\"pass\"", "\"stop\""], &["\"fail\""]),
    ("timeout", &["\"1h\""], &["1"]),
    ("then", &["\"approve\"", "\"reject\""], &["\"wait\""]),
    ("reasoner", &["\"r\""], &["\" \"", "1"]),
    ("on_failure", &["\"continue\"", "\"escalate\""], &["\"defer\"", "\"stop\""]),
    ("retry_after", &["\"1s\""], &["1"]),
    ("signals", &["\"risk.*\""], &["1"]),
    ("min_confidence", &["0.5", "1", "0"], &["1.5", "-0.1", "\"0.5\""]),
    ("allow", &["[\"a\", \"b.>\"]"], &["\"a\"", "[1]"]),
    ("deny", &["[\"a\"]"], &["\"a\""]),
    ("priority", &["\"P0\"", "\"P3\""], &["\"P4\"", "0"]),
    ("class", &["\"short\""], &["\"\"", "1"]),
];

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn read() -> Self {
        let text = std::fs::read_to_string(SCHEMA).expect("docs/policy.schema.json");
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.add_resource("policy.json", serde_json::from_str(&text).expect("JSON")).expect("a resource");
        let index = compiler.compile("policy.json", &mut schemas).expect("a good schema");
        Self { schemas, index }
    }

    fn takes(&self, toml: &str) -> bool {
        let value: Value = as_json(toml::from_str(toml).expect("TOML"));
        self.schemas.validate(&value, self.index).is_ok()
    }
}

/// As an editor shows TOML to a schema: times and dates are texts.
fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(at) => json!(at.to_string()),
        toml::Value::Array(list) => list.into_iter().map(as_json).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, as_json(value))).collect::<Map<_, _>>().into()
        }
        other => serde_json::to_value(other).expect("JSON"),
    }
}

/// The least entry of a kind, with some lines in place of those of the same names.
fn entry(kind: &str, more: &[&str]) -> String {
    let least = LEAST.iter().find(|(name, _)| *name == kind).map_or("", |(_, least)| least);
    let name = |line: &str| line.split(" =").next().unwrap_or_default().to_string();
    let given: BTreeSet<String> = more.iter().map(|line| name(line)).collect();
    let kept = least.lines().filter(|line| !given.contains(&name(line)));
    let head = format!("kind = \"{kind}\"\nmatch = \"a.b\"\nname = \"p\"");
    let head = head.lines().filter(|line| !given.contains(&name(line)));
    let lines: Vec<&str> = head.chain(kept).chain(more.iter().copied()).collect();
    format!("[[policy]]\n{}\n", lines.join("\n"))
}

#[track_caller]
fn assert_alike(schema: &Schema, toml: &str) -> bool {
    let parsed = PolicySet::parse(toml);
    assert_eq!(schema.takes(toml), parsed.is_ok(), "{toml}{parsed:?}");
    parsed.is_ok()
}

/// What the parser says it knows, in the message by which it refuses something else.
fn known(toml: &str, after: &str, quote: char) -> BTreeSet<String> {
    let why = PolicySet::parse(toml).expect_err(toml).why;
    let list = why.split(after).nth(1).unwrap_or_else(|| panic!("{why}"));
    list.split(quote).skip(1).step_by(2).map(str::to_string).collect()
}

#[test]
fn every_kind_and_every_field_of_the_parser_is_tried_here() {
    let kinds = known(&entry("none", &[]), "this version knows", '\'');
    assert_eq!(kinds, LEAST.iter().map(|(kind, _)| kind.to_string()).collect());
    let common = ["name", "kind", "match", "key", "reason", "order", "override"];
    let fields = FIELDS.iter().map(|(field, ..)| *field).chain(common);
    assert_eq!(known(&entry("veto", &["nope = 1"]), "expected", '`'), fields.map(str::to_string).collect());
}

#[test]
fn the_schema_takes_each_field_where_the_parser_does_and_with_the_same_values() {
    let schema = Schema::read();
    let (mut taken, mut refused) = (0, 0);
    for (kind, least) in LEAST {
        assert!(assert_alike(&schema, &entry(kind, &[])), "{kind}");
        for line in least.lines() {
            let needed = entry(kind, &[]).replace(&format!("{line}\n"), "");
            assert!(!assert_alike(&schema, &needed), "{kind} needs {line}");
        }
        for (field, good, bad) in FIELDS {
            // These go with others, and are tried below; a reasoner's mode and limit are of another form.
            let apart = matches!((kind, field), ("escalate", "then") | ("reason", "retry_after" | "mode" | "limit"));
            for value in good.iter().chain(bad).filter(|_| !apart) {
                let is_taken = assert_alike(&schema, &entry(kind, &[&format!("{field} = {value}")]));
                taken += usize::from(is_taken);
                refused += usize::from(!is_taken);
            }
        }
    }
    assert!(taken > 40 && refused > 800, "{taken} taken, {refused} refused");
}

#[test]
fn the_schema_takes_what_goes_together_as_the_parser_does() {
    let schema = Schema::read();
    let good: [(&str, &[&str]); 12] = [
        ("escalate", &["timeout = \"1h\"", "then = \"approve\""]),
        ("reason", &["on_failure = \"defer\"", "retry_after = \"5s\""]),
        ("reason", &["mode = \"risk_flagging\"", "limit = \"500ms\"", "when = \"true\""]),
        ("retention", &["class = \"short\"", "when = \"true\""]),
        ("priority", &["priority = \"P3\""]),
        ("cooldown", &["key = \"actor\"", "reason = \"r\"", "order = -3"]),
        ("cooldown", &["key = \"all\"", "override = [{ match = \"a.c\", off = true }]"]),
        ("cooldown", &["override = [{ match = \"a.c\", window = \"2s\", mode = \"discard\", reason = \"r\" }]"]),
        ("rate", &["override = [{ match = \"a.c\", rate = 2, per = \"2s\", burst = 2 }]"]),
        ("debounce", &["override = [{ match = \"a.c\", wait = \"2s\", max = \"3s\" }]"]),
        ("window", &["start = 01:00:00", "end = 02:30:00", "holidays = [2026-12-24]", "at_most = 1"]),
        ("signals", &["override = [{ match = \"a.c\", min_confidence = 0.1, when = \"true\" }]"]),
    ];
    for (kind, lines) in good {
        assert!(assert_alike(&schema, &entry(kind, lines)), "{kind} {lines:?}");
    }
    let bad: [(&str, &[&str]); 12] = [
        ("escalate", &["then = \"approve\""]),
        ("reason", &["retry_after = \"5s\""]),
        ("reason", &["on_failure = \"escalate\"", "retry_after = \"5s\""]),
        ("reason", &["limit = 500"]),
        ("concurrency", &["limit = \"500ms\""]),
        ("retention", &["class = \"\""]),
        ("priority", &["priority = \"P4\""]),
        ("cooldown", &["key = \"user\""]),
        ("cooldown", &["order = 1.5"]),
        ("cooldown", &["override = [{ window = \"2s\" }]"]),
        ("cooldown", &["override = [{ match = \"a.c\", rate = 2 }]"]),
        ("cooldown", &["override = [{ match = \"a.c\", wndow = \"2s\" }]"]),
    ];
    for (kind, lines) in bad {
        assert!(!assert_alike(&schema, &entry(kind, lines)), "{kind} {lines:?}");
    }
    assert!(assert_alike(&schema, "max_deferrals = 3\n"));
    assert!(!assert_alike(&schema, "max_deferrals = 0\n"));
    assert!(!assert_alike(&schema, "policies = []\n"));
}

/// Every policy file in the repository's pages, examples and tests, with where it is: whole files, blocks, raw texts in code.
fn policy_files() -> Vec<(String, String)> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let folders = ["docs", "examples", "tests", "benches", "core/tests", "core/src", "journal/tests", "actors/tests"];
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).filter(|it| it.exists()).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let (begin, end) = match path.extension().and_then(|it| it.to_str()) {
                Some("toml") => ("", "\0"),
                Some("md") => ("\n```toml\n", "\n```"),
                Some("rs") => ("r#\"", "\"#"),
                _ => continue,
            };
            let parts = if begin.is_empty() { vec![text.as_str()] } else { text.split(begin).skip(1).collect() };
            let parts = parts.into_iter().filter_map(|part| part.split(end).next());
            let parts = parts.filter(|part| part.contains("[[policy]]"));
            found.extend(parts.map(|part| (path.display().to_string(), part.to_string())));
        }
    }
    found
}

#[test]
fn every_policy_file_of_pages_examples_and_tests_is_as_the_schema_has_it() {
    let schema = Schema::read();
    let files = policy_files();
    let mut taken = 0;
    for (path, file) in &files {
        let parsed = PolicySet::parse(file);
        assert!(parsed.is_ok() || path.ends_with(".rs"), "{path}: {parsed:?}"); // in code some are bad, or parts
        if parsed.is_ok() {
            assert!(schema.takes(file), "{path}: {file}");
            taken += 1;
        }
    }
    println!("{taken} of {} are policy files", files.len());
    let of = |end: &str| files.iter().filter(|(path, _)| path.ends_with(end)).count();
    assert!(of("policies.toml") == 1 && of("governance.md") >= 3 && taken >= 15, "{taken} of {}", files.len());
}
