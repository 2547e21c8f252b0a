//! `docs/cli.md` and `--help` tell the same commands, flags, settings and exit codes.

use std::collections::BTreeSet;

use crate::support::Place;

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md")).unwrap()
}

/// The part of the page under a heading.
fn section(page: &str, heading: &str) -> String {
    let start = page.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section '{heading}'"));
    let rest = &page[start + 4..];
    rest[..rest.find("\n## ").unwrap_or(rest.len())].to_string()
}

fn help(arguments: &[&str]) -> String {
    let all: Vec<&str> = arguments.iter().chain(&["--help"]).copied().collect();
    Place::new().with("COLUMNS", "100").run(&all).succeeds().out
}

fn commands() -> Vec<String> {
    commands_in(&help(&[]))
}

/// The commands that a help lists; none where it lists none.
fn commands_in(help: &str) -> Vec<String> {
    let Some(list) = help.split("Commands:\n").nth(1) else { return Vec::new() };
    let lines = list.split("\n\n").next().unwrap_or_default().lines();
    let names = lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_string).collect()
}

/// The flags of a command, or of all that it consists of.
fn flags_of(command: &str) -> BTreeSet<String> {
    let whole = help(&[command]);
    let parts = commands_in(&whole);
    let of_parts = parts.iter().flat_map(|part| flags_of_help(&help(&[command, part])));
    flags_of_help(&whole).into_iter().chain(of_parts).collect()
}

/// Flags of one long name each, from lines that begin with one.
fn flags_of_help(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let names = lines.filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")));
    names.filter(|name| !["--help", "--version"].contains(name)).map(str::to_string).collect()
}

/// Flags that begin a row of a table.
fn flags_of_docs(section: &str) -> BTreeSet<String> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `--"));
    rows.filter_map(|row| row.split([' ', '`']).next()).map(|name| format!("--{name}")).collect()
}

#[test]
fn every_command_has_its_section_and_every_section_its_command() {
    let page = page();
    let sections: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("## regie ")).map(str::to_string).collect();
    assert_eq!(sections, commands().into_iter().collect());
}

#[test]
fn every_flag_is_in_the_docs_and_the_reverse() {
    let page = page();
    let common = flags_of_docs(&section(&page, "What every command takes"));
    assert!(common.contains("--json"), "{common:?}");
    for command in commands() {
        let told: BTreeSet<String> =
            flags_of_docs(&section(&page, &format!("regie {command}"))).union(&common).cloned().collect();
        assert_eq!(told, flags_of(&command), "{command}");
    }
}

#[test]
fn every_exit_code_of_the_help_is_in_the_table() {
    let help = help(&[]).replace('\n', " ");
    let told = help.split("Exit codes: ").nth(1).unwrap().split('.').next().unwrap().to_string();
    let codes: Vec<&str> = told.split(", ").map(|part| part.split(' ').next().unwrap()).collect();
    let table = section(&page(), "Exit codes");
    let rows: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()).collect();
    let rows: Vec<&str> = rows.into_iter().filter(|code| code.parse::<u8>().is_ok()).collect();
    assert_eq!(codes, rows);
}

#[test]
fn every_environment_variable_of_the_help_is_in_the_docs_and_the_reverse() {
    let variables = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        words.filter(|word| word.starts_with("REGIE_")).map(str::to_string).collect()
    };
    assert_eq!(variables(&help(&[])), variables(&page()));
}

#[test]
fn every_key_of_the_json_output_is_in_the_docs() {
    let place = Place::new().holding(&crate::support::sprint());
    for command in ["run", "show", "stats", "verify", "head"] {
        let mut arguments = vec![command, "--json"];
        arguments.extend(match command {
            "run" => Some("events.jsonl"),
            "show" => Some("task-001"),
            _ => None,
        });
        let told = section(&page(), &format!("regie {command}"));
        let output = place.run(&arguments).succeeds().json();
        let missing: Vec<&String> =
            output.as_object().unwrap().keys().filter(|key| !told.contains(&format!("`{key}`"))).collect();
        assert!(missing.is_empty(), "{command}: {missing:?}");
    }
}

#[test]
fn every_key_of_an_event_that_waits_is_in_the_docs() {
    let told = section(&page(), "regie escalations");
    for key in crate::cli_escalations::listed(&crate::cli_escalations::one())[0].as_object().unwrap().keys() {
        assert!(told.contains(&format!("`{key}`")), "{key}");
    }
}

/// Examples of the page: what was typed, and the lines that it is said to print.
fn examples(page: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let blocks = page.split("\n```\n$ regie ").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    let typed = |line: &str| line.split(' ').map(|word| word.trim_matches('\'').to_string()).collect();
    blocks.map(|block| (typed(block.lines().next().unwrap()), block.lines().skip(1).map(steady).collect())).collect()
}

/// A line without what differs from run to run: digests, positions, times taken, commits; and without its spaces.
fn steady(line: &str) -> String {
    let line = line.split("{\"id\"").next().unwrap();
    if line.starts_with("Speed") || line.starts_with("Answers") || line.contains(" commits, ") {
        return String::new();
    }
    let line = if line.contains(" from 1 file in ") { line.split(" in ").next().unwrap() } else { line };
    let (mut words, mut last) = (Vec::new(), "");
    for word in line.split_whitespace() {
        let digest = word.len() >= 12 && word.trim_end_matches("...").bytes().all(|it| it.is_ascii_hexdigit());
        words.push(if digest || last == "position" { "#" } else { word });
        last = word;
    }
    words.join(" ")
}

#[test]
fn every_example_prints_what_the_page_says() {
    let place = Place::with_shipped_rules().with("COLUMNS", "80");
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
    let examples = examples(&page());
    assert!(examples.len() >= 6, "{examples:?}");
    for (typed, told) in examples {
        let words: Vec<String> = typed.iter().map(|word| word.replace("examples/data", sample)).collect();
        let printed = place.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).out;
        let mut printed = printed.lines().map(steady);
        for line in told.iter().filter(|line| !["", "..."].contains(&line.as_str())) {
            assert!(printed.any(|found| found == *line), "regie {}: '{line}' is not printed there", typed.join(" "));
        }
    }
}
