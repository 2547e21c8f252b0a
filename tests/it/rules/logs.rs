//! Real logs, where they are: what rules make of them through the command is what a reference in Python makes of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::Place;

const JIRA: &str = include_str!("jira.toml");
const ORDERS: &str = include_str!("orders.toml");

fn data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    path.exists().then_some(path)
}

/// A log run through rules on the event clock: the runs, the oldest first, each as timestamp of its trigger, rule and subject.
fn ran(log: &Path, rules: &str) -> Vec<(String, String, String)> {
    let place = Place::with_shipped_rules();
    place.file("rules.toml", rules);
    let log = log.to_str().unwrap();
    place.run(&["run", log, "--clock", "event", "--rules", "rules.toml"]).succeeds();
    let mut runs = place.run(&["rules", "runs", "--json"]).succeeds().json_lines();
    runs.sort_by_key(|line| line["position"].as_u64());
    assert!(runs.iter().all(|line| line["state"] == "done"), "a run is not done");
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let brief = |line: &Value| {
        let run = &line["run"];
        (text(&line["recorded_at"]), text(&run["rule"]), text(&run["subject"]["id"]))
    };
    runs.iter().map(brief).collect()
}

/// What the reference says: instants and subjects, in order.
fn reference(log: &Path, what: &str) -> Vec<(String, String)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/rules.py");
    let output = Command::new("python3").arg(script).arg(log).args([what, "--json"]).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let lines = told["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    let read = |line: &str| {
        let parts: Vec<&str> = line.split('|').collect();
        let subject = if what == "releases" { parts[1..3].join("|") } else { parts[1].to_string() };
        (parts[0].to_string(), subject)
    };
    let mut all: Vec<_> = lines.map(read).collect();
    all.sort();
    all
}

/// Instants and subjects of one rule's runs, in order.
fn of_rule(runs: &[(String, String, String)], rule: &str) -> Vec<(String, String)> {
    let of = runs.iter().filter(|(_, of, _)| of == rule);
    let mut all: Vec<_> = of.map(|(at, _, subject)| (at.clone(), subject.clone())).collect();
    all.sort();
    all
}

#[test]
fn alerts_and_releases_of_the_issues_are_those_of_the_reference() {
    let Some(log) = data("jira_apache.jsonl.gz") else { return };
    let runs = ran(&log, JIRA);
    let (alerts, releases) = (of_rule(&runs, "alert"), of_rule(&runs, "version-released"));
    assert_eq!((alerts.len(), releases.len()), (48, 130));
    assert_eq!(alerts, reference(&log, "alerts"));
    assert_eq!(releases, reference(&log, "releases"));
}

#[test]
fn orders_are_packed_as_the_reference_says() {
    let Some(log) = data("ocel_order.jsonl.gz") else { return };
    let packed = of_rule(&ran(&log, ORDERS), "order-packed");
    assert_eq!(packed.len(), 2_000);
    assert_eq!(packed, reference(&log, "packed"));
}
