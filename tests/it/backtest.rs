//! Backtests on real logs against plain loops in Python, and against `regie run --clock event` on any number of shards.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flate2::read::GzDecoder;
use regie::core::Timestamp;
use serde_json::{Value, json};

use crate::support::{Place, event, lines, with};

const LOGS: [&str; 6] =
    ["running_example", "env_permit_receipt", "helpdesk", "jira_apache", "ocel_order", "bitstamp_first_hour"];

/// A log of the shared acceptance data, or nothing, said, where this checkout has none beside it.
fn log(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("REGIE_DATA").map_or(beside, PathBuf::from);
    let path = folder.join(format!("{name}.jsonl.gz"));
    let there = path.exists();
    if !there {
        println!("skipped: no data ({name})");
    }
    there.then_some(path)
}

/// What the plain loops say of a log: those accepted, those held back, how many are not subject.
fn reference(log: &Path, arguments: &[&str]) -> Option<(Value, Value, Value)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/policies.py");
    let ran = Command::new("python3").arg(script).arg(log).args(arguments).output();
    let Ok(output) = ran else {
        println!("skipped: no python3");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut told: Value = serde_json::from_slice(&output.stdout).unwrap();
    Some((told["accepted"].take(), told["held_back"].take(), told["not_subject"].take()))
}

/// The same by a backtest.
fn backtested(log: &Path, policy: &str) -> (Value, Value, Value) {
    let place = Place::new();
    place.file("p.toml", policy);
    let file = log.to_str().unwrap();
    let report = place.run(&["policy", "backtest", "--policies", "p.toml", "--json", "--ids", "--events", file]);
    let report = report.succeeds().json();
    let policy = &report["policies"][0];
    let (mut accepted, mut held_back) = (Vec::new(), Vec::new());
    for of_type in policy["types"].as_object().unwrap().values() {
        let ids = |fate: &str| of_type["ids"][fate].as_array().cloned().unwrap_or_default();
        accepted.extend(ids("accepted"));
        held_back.extend(["deferred", "discarded"].into_iter().flat_map(ids));
    }
    assert_eq!((accepted.len(), held_back.len()), (count(&policy["accepted"]), count(&policy["held_back"])));
    (Value::Array(accepted), Value::Array(held_back), policy["not_subject"].clone())
}

fn count(number: &Value) -> usize {
    number.as_u64().unwrap() as usize
}

fn sorted((accepted, held_back, not_subject): (Value, Value, Value)) -> (Vec<String>, Vec<String>, Value) {
    let names = |ids: Value| {
        let mut names: Vec<String> = serde_json::from_value(ids).unwrap();
        names.sort();
        names
    };
    (names(accepted), names(held_back), not_subject)
}

/// Policies of one kind, each with what the plain loops are told: of the type, the key, and the kind's own.
fn assert_equal(name: &str, kind: &str, policy: &str, arguments: &[&str]) {
    if let Some(path) = log(name) {
        assert_equal_over(&path, (name, kind), policy, arguments);
    }
}

fn assert_equal_over(path: &Path, (name, kind): (&str, &str), policy: &str, arguments: &[&str]) {
    let Some(reference) = reference(path, arguments) else { return };
    let policy = format!("[[policy]]\nname = \"p\"\n{policy}\n");
    let (wanted, found) = (sorted(reference), sorted(backtested(path, &policy)));
    println!("{name}, {kind}: {} accepted, {} held back", wanted.0.len(), wanted.1.len());
    assert!(!wanted.0.is_empty() && !wanted.1.is_empty(), "{name}: the log tries nothing");
    assert!(wanted == found, "{name}, {kind}: {} and {} held back", wanted.1.len(), found.1.len());
}

/// What each log is counted by: not all have actors or sessions.
fn key(name: &str) -> &'static str {
    match name {
        "running_example" => "all",
        "ocel_order" => "correlation",
        _ => "actor",
    }
}

#[test]
fn a_cooldown_says_of_each_log_what_plain_loops_say() {
    for name in LOGS {
        let (key, seconds) = (key(name), if name == "bitstamp_first_hour" { "1" } else { "3600" });
        for mode in ["discard", "defer"] {
            let policy = format!(
                "kind = \"cooldown\"\nmatch = \">\"\nkey = \"{key}\"\nmode = \"{mode}\"\nwindow = \"{seconds}s\""
            );
            assert_equal(name, mode, &policy, &[">", key, &format!("cooldown-{mode}"), seconds]);
        }
    }
}

/// A log as if it had been so many seconds later, or earlier.
fn moved(place: &Place, log: &Path, seconds: i64) -> PathBuf {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let lines = BufReader::new(GzDecoder::new(std::fs::File::open(log).unwrap())).lines();
    let lines = lines.map(|line| {
        let mut event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let at = Timestamp::parse(text(&event["timestamp"])).unwrap();
        let at = if seconds < 0 { at.before(by) } else { at.after(by) };
        event["timestamp"] = json!(at.to_string());
        format!("{event}\n")
    });
    place.file("moved.jsonl", lines.collect::<String>())
}

/// Each log goes over a change of its zone's clock; two are moved there, for they are too short: one by eleven weeks, the other
/// to the very hour.
#[test]
fn a_session_window_says_of_each_log_what_plain_loops_say_over_changes_of_the_clock_too() {
    let rows = [
        ("running_example", 77 * 86_400, "Europe/Berlin", "10:00", "14:30", "mon-fri", "01234", 3),
        ("env_permit_receipt", 0, "Europe/Amsterdam", "09:00", "16:30", "mon-thu", "0123", 2),
        ("helpdesk", 0, "Europe/Rome", "08:30", "17:30", "mon-fri", "01234", 5),
        ("jira_apache", 0, "America/New_York", "22:00", "06:00", "mon-fri", "01234", 4),
        ("ocel_order", 0, "Australia/Lord_Howe", "18:15", "03:45", "sun-thu", "60123", 1),
        ("bitstamp_first_hour", -2_849_400, "Europe/Berlin", "01:40", "03:15", "mon-sun", "0123456", 9_000),
    ];
    for (name, seconds, zone, start, end, days, digits, most) in rows {
        let Some(path) = log(name) else { continue };
        let (key, most, place) = (key(name), most.to_string(), Place::new());
        let path = if seconds == 0 { path } else { moved(&place, &path, seconds) };
        let policy = format!(
            "kind = \"window\"\nmatch = \">\"\nkey = \"{key}\"\nmode = \"discard\"\nzone = \"{zone}\"\nstart = \"{start}\"\n\
             end = \"{end}\"\ndays = [\"{days}\"]\nat_most = {most}"
        );
        assert_equal_over(&path, (name, zone), &policy, &[">", key, "window", zone, start, end, digits, &most]);
    }
}

/// Three in a second, of the shortest log: an interval that is no whole number of microseconds.
#[test]
fn a_rate_says_of_each_log_what_plain_loops_say() {
    for name in LOGS {
        let (key, burst) = (key(name), "2");
        let per = match name {
            "running_example" => "172800",
            "bitstamp_first_hour" => "1",
            _ => "7200",
        };
        let policy = format!(
            "kind = \"rate\"\nmatch = \">\"\nkey = \"{key}\"\nmode = \"discard\"\nrate = 3\nper = \"{per}s\"\nburst = {burst}"
        );
        assert_equal(name, "rate", &policy, &[">", key, "gcra", "3", per, burst]);
    }
}

#[test]
fn the_help_desks_resolutions_cooled_by_actor_come_to_the_figures_of_the_scenario() {
    let Some(path) = log("helpdesk") else { return };
    let policy = "[[policy]]\nname = \"p\"\nkind = \"cooldown\"\nmatch = \"*.resolve_ticket\"\nkey = \"actor\"\nwindow = \"60s\"\nmode = \"discard\"\n";
    let place = Place::new();
    place.file("p.toml", policy);
    let arguments = ["policy", "backtest", "--policies", "p.toml", "--json", "--events", path.to_str().unwrap()];
    let report = place.run(&arguments).succeeds().json();
    let of_type = &report["policies"][0]["types"]["helpdesk.resolve_ticket"];
    let counts = ["accepted", "discarded", "held_back", "not_subject"].map(|fate| count(&of_type[fate]));
    assert_eq!(counts, [4_645, 338, 338, 0]);
    assert_eq!(report["verdicts"], json!({"accepted": 21_010, "deferred": 0, "discarded": 338, "escalated": 0}));
    assert!(!place.path("regie.db").exists(), "a backtest touches no journal");
    let policy = policy.split_once("name = \"p\"\n").unwrap().1;
    let arguments = ["helpdesk.resolve_ticket", "actor", "cooldown-discard", "60"];
    assert_equal("helpdesk", "the scenario", policy, &arguments);
}

/// All kinds together over every type, so that they meet at one event.
const MIXED: &str = r#"
max_deferrals = 3
[[policy]]
name = "closed"
kind = "veto"
match = "work.>"
when = "entity != null && has(entity.fields.status) && entity.fields.status == 'closed'"
[[policy]]
name = "busy"
kind = "escalate"
match = "work.b"
when = "workflow.open >= 2 || workflow.records % 7 == 6"
timeout = "90s"
then = "approve"
[[policy]]
name = "quiet"
kind = "debounce"
match = "work.d"
key = "session"
wait = "20s"
max = "50s"
[[policy]]
name = "open"
kind = "window"
match = "work.a"
key = "entity"
zone = "Europe/Berlin"
start = "01:30"
end = "03:10"
at_most = 4
mode = "defer"
[[policy]]
name = "some"
kind = "rate"
match = "work.>"
key = "correlation"
rate = 7
per = "100s"
burst = 3
mode = "defer"
[[policy]]
name = "gap"
kind = "cooldown"
match = "work.*"
key = "actor"
window = "11s"
mode = "defer"
[[policy]]
name = "strict"
kind = "cooldown"
match = "work.c"
window = "3s"
mode = "discard"
[[policy]]
name = "one"
kind = "concurrency"
match = "work.c"
limit = 1
[[policy]]
name = "first"
kind = "priority"
match = "work.a"
priority = "P0"
"#;

/// Events in the night in which the clocks are put on, some stamped late, some twice.
fn night() -> Vec<Value> {
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let start = regie::core::Timestamp::parse("2026-03-29T00:20:00Z").unwrap();
    let mut seconds = 0;
    let mut events = Vec::new();
    for nth in 0..600 {
        seconds += next(14);
        let late = if next(10) == 0 { next(40) } else { 0 };
        let at = start.after(std::time::Duration::from_secs(seconds)).before(std::time::Duration::from_secs(late));
        let kind = ["work.a", "work.b", "work.c", "work.d", "free"][next(5) as usize];
        let status = ["open", "open", "closed"][next(3) as usize];
        let one = with(
            event(&format!("e-{nth}"), kind, &format!("c-{}", next(9)), &at.to_string()),
            json!({
                "actor": {"kind": "user", "id": format!("u-{}", next(4))}, "session_key": format!("s-{}", next(3)),
                "entity": {"type": "task", "id": format!("t-{}", next(25))}, "related": [{"type": "task", "id": "t-1"}],
                "changes": if kind == "free" { json!({"status": {"after": status}}) } else { json!({}) },
            }),
        );
        events.push(one.clone());
        if next(25) == 0 {
            events.push(one);
        }
    }
    events
}

type Firsts = BTreeMap<String, (String, Value)>;

/// The events that a set holds back, by a backtest: how they fare otherwise than under no policy at all.
fn held_back(place: &Place, file: &str) -> Firsts {
    place.file("none.toml", "");
    let arguments =
        ["policy", "backtest", "--policies", "p.toml", "--against", "none.toml", "--json", "--events", file];
    let report = place.run(&arguments).succeeds().json();
    let differences = report["against"]["differences"].as_array().unwrap();
    let said = |it: &Value| (it["policies"]["verdict"].as_str().unwrap().to_string(), it["policies"]["until"].clone());
    let held: Firsts = differences
        .iter()
        .map(|it| (format!("{}/{}", text(&it["correlation_id"]), text(&it["id"])), said(it)))
        .collect();
    let verdicts = report["verdicts"].as_object().unwrap();
    let counts = ["deferred", "discarded", "escalated"].map(|fate| count(&verdicts[fate]));
    assert_eq!(counts.iter().sum::<usize>(), held.len());
    held
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The same by a run on so many shards.
fn held_back_by_run(place: &Place, file: &str, shards: usize) -> Firsts {
    let (db, answers) = (format!("{shards}.db"), format!("{shards}.jsonl"));
    let shards = shards.to_string();
    let arguments = ["run", file, "--db", &db, "--clock", "event", "--policies", "p.toml", "--answers", &answers];
    place.run(&[&arguments[..], &["--shards", &shards, "--durability", "relaxed"]].concat()).succeeds();
    let told = std::fs::read_to_string(place.path(&answers)).unwrap();
    let told = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let new = told.filter(|answer| answer["status"] == "new" && answer["event_state"] != "processed");
    let name = |answer: &Value| format!("{}/{}", text(&answer["correlation_id"]), text(&answer["event_id"]));
    new.map(|it| (name(&it), (text(&it["event_state"]).to_string(), it["deferred_until"].clone()))).collect()
}

fn assert_run_is_as_backtested(place: &Place, file: &str, shards: &[usize]) -> Firsts {
    let wanted = held_back(place, file);
    for shards in shards {
        let found = held_back_by_run(place, file, *shards);
        let other = wanted.iter().find(|(name, said)| found.get(*name) != Some(said));
        let other = other.map(|(name, said)| (name, said, found.get(name)));
        assert_eq!((other, found.len()), (None, wanted.len()), "{shards} shards");
    }
    wanted
}

#[test]
fn a_run_on_the_event_clock_says_of_each_event_what_the_backtest_says_on_any_number_of_shards() {
    let place = Place::new();
    place.file("p.toml", MIXED);
    place.file("night.jsonl", lines(&night()));
    let held = assert_run_is_as_backtested(&place, "night.jsonl", &[1, 2, 5]);
    for verdict in ["deferred", "discarded", "escalated"] {
        let count = held.values().filter(|(said, _)| said == verdict).count();
        println!("{count} {verdict}");
        assert!(count >= 10, "{verdict}: {count}");
    }
}

#[test]
fn a_run_of_a_real_log_on_the_event_clock_says_what_the_backtest_says() {
    let policies = "[[policy]]\nname = \"gap\"\nkind = \"cooldown\"\nmatch = \">\"\nkey = \"actor\"\nwindow = \"10m\"\nmode = \"defer\"\n\
        [[policy]]\nname = \"hours\"\nkind = \"window\"\nmatch = \"receipt.t02_check_confirmation_of_receipt\"\nkey = \"actor\"\n\
        zone = \"Europe/Amsterdam\"\nstart = \"09:00\"\nend = \"16:30\"\nat_most = 2\nmode = \"defer\"\n";
    let Some(path) = log("env_permit_receipt") else { return };
    let place = Place::new();
    place.file("p.toml", policies);
    let held = assert_run_is_as_backtested(&place, path.to_str().unwrap(), &[1, 2, 5]);
    assert!(held.len() > 1_000, "the log tries nothing: {}", held.len());
}

#[test]
fn a_journal_is_backtested_in_the_order_of_its_positions_as_its_files_are() {
    let place = Place::new();
    place.file("p.toml", MIXED);
    place.file("events.jsonl", lines(&night()));
    place.run(&["run", "events.jsonl", "--clock", "event", "--shards", "1", "--in-flight", "1"]).succeeds();
    let backtest = |more: &[&str]| {
        let all = [&["policy", "backtest", "--policies", "p.toml", "--json", "--ids"], more].concat();
        let mut report = place.run(&all).succeeds().json();
        report["known"] = Value::Null; // a journal has each event once
        report
    };
    let files = backtest(&["--events", "events.jsonl"]);
    assert_eq!(files, backtest(&["--db", "regie.db"]));
    let part = backtest(&["--from", "2026-03-29T00:40:00Z", "--to", "2026-03-29T00:50:00Z"]);
    assert!(count(&part["events"]) > 20 && count(&part["events"]) < count(&files["events"]));
    let span = (text(&part["first"]) >= "2026-03-29T00:40", text(&part["last"]) < "2026-03-29T00:50");
    assert_eq!(span, (true, true));
}
