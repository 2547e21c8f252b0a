//! Settings: from a file, the environment and flags.

use serde_json::Value;

use crate::support::{Place, lines, sprint};

fn place() -> Place {
    let place = Place::new();
    place.file("a.jsonl", lines(&sprint()));
    place
}

#[test]
fn every_fault_is_told_at_once_with_file_line_and_column_and_nothing_is_opened() {
    let place = place().with("REGIE_SHARDS", "many").with("REGIE_RULES", "");
    place.file("r.toml", "[[rule]]\nname = 'r'\non = 'x..y'\ndo = []\n");
    place.file(
        "policies.toml",
        "[[policy]]\nname = 'p'\nkind = 'cooldown'\nmatch = 'x'\nwindow = 'soon'\nmode = 'defer'\n",
    );
    place.file("regie.toml", "polices = 'x'\npolicies = 'policies.toml'\nclock = 7\nrules = 'r.toml'\n");
    place.run(&["run", "a.jsonl", "--config", "regie.toml"]).exits(2).tells(&[
        "regie.toml:1:1: unknown key 'polices'; did you mean 'policies'?",
        "regie.toml:3:9: clock: a text is wanted, this is a number",
        "r.toml:3:6: ",
        "REGIE_SHARDS: shards: 'many' is not taken",
        "policies.toml:5:10: 'soon' is no duration",
    ]);
    assert!(!place.path("regie.db").exists());
}

#[test]
fn a_policy_file_that_is_not_there_is_told_where_it_is_named() {
    let place = place();
    place.file("regie.toml", "clock = 'event'\npolicies = 'nope.toml'\n");
    let run = ["run", "a.jsonl", "--config", "regie.toml"];
    place.run(&run).exits(2).tells(&["regie.toml:2:12: policies: nope.toml: cannot be read"]);
    place.file("regie.toml", "shards = 0\npolicies = 'nope.toml'\n");
    place
        .run(&run)
        .exits(2)
        .tells(&["regie.toml:1:10: shards", "regie.toml:2:12: policies: nope.toml: cannot be read"]);
    let place = place.with("REGIE_POLICIES", "other.toml");
    place.file("regie.toml", "policies = 'nope.toml'\n");
    let told = place.run(&run).exits(2).tells(&["other.toml: cannot be read"]);
    assert!(!told.err.contains("regie.toml:"), "{told:?}");
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let place = place().with("REGIE_DB", "variable.db");
    place.file("regie.toml", "db = 'file.db'\nclock = 'event'\n");
    let db = |arguments: &[&str]| -> Value {
        let all: Vec<&str> =
            ["run", "a.jsonl", "--json", "--config", "regie.toml"].iter().chain(arguments).copied().collect();
        place.run(&all).succeeds().json()["db"].clone()
    };
    assert_eq!((db(&["--db", "flag.db"]), db(&[])), (Value::from("flag.db"), Value::from("variable.db")));
    let place = place.with("REGIE_DB", "");
    assert_eq!(place.run(&["run", "a.jsonl", "--json", "--config", "regie.toml"]).json()["db"], "file.db");
    assert_eq!(place.run(&["stats", "--config", "regie.toml", "--json"]).succeeds().json()["events"], 6);
}

#[test]
fn paths_in_a_file_are_relative_to_it() {
    let place = place();
    std::fs::create_dir(place.path("sub")).unwrap();
    place.file("sub/regie.toml", "db = 'work.db'\npolicies = 'p.toml'\n");
    place.file("sub/p.toml", "");
    place.run(&["run", "a.jsonl", "--config", "sub/regie.toml"]).succeeds();
    assert!(place.path("sub/work.db").exists());
}

#[test]
fn a_config_file_that_is_not_there_is_a_fault() {
    place().run(&["run", "a.jsonl", "--config", "none.toml"]).exits(2).tells(&["none.toml: cannot be read"]);
    place().with("REGIE_CONFIG", "none.toml").run(&["stats"]).exits(2).tells(&["none.toml: cannot be read"]);
}

#[test]
fn a_policy_file_that_is_not_there_is_a_fault() {
    place().with("REGIE_POLICIES", "none.toml").run(&["run", "a.jsonl"]).exits(2).tells(&["none.toml: cannot be read"]);
}

#[test]
fn wrong_use_has_its_exit_code() {
    let place = place();
    for arguments in [&["run"][..], &["runn"], &["run", "a.jsonl", "--shards", "0"], &["state", "task"], &[]] {
        place.run(arguments).exits(2);
    }
    place.run(&["run", "a.jsonl", "--in-flight", "5000"]).exits(2).tells(&["2048"]);
}

#[test]
fn help_and_version_are_no_faults() {
    place().run(&["--help"]).succeeds().tells(&["run", "verify", "Exit codes"]);
    place().run(&["--version"]).succeeds().tells(&["regie 0."]);
}
