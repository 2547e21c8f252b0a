//! Journals that cannot be used as they are: each is a clear error, or put right and told.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use rusqlite::Connection;
use serde_json::json;

use crate::support::{Place, event, lines, sprint};

fn holding() -> Place {
    Place::new().holding(&sprint())
}

#[test]
fn a_journal_that_is_not_there_is_told_and_not_made_by_reading() {
    let place = Place::new();
    place.run(&["stats", "--db", "none.db"]).exits(5).tells(&["there is no journal at none.db"]);
    assert!(!place.path("none.db").exists());
}

#[test]
fn a_file_that_is_something_else_is_left_alone() {
    let place = holding();
    place.file("text.db", "this is no database, and long enough not to be taken for an empty one".repeat(40));
    Connection::open(place.path("other.db")).unwrap().execute_batch("CREATE TABLE mine(x)").unwrap();
    for name in ["text.db", "other.db"] {
        let before = crate::support::bytes(&place.path(name));
        place.run(&["stats", "--db", name]).exits(5).tells(&["is not a Regie journal"]);
        place.run(&["run", "events.jsonl", "--db", name]).exits(5).tells(&["is not a Regie journal"]);
        assert!(crate::support::bytes(&place.path(name)) == before, "{name} has changed");
    }
}

#[test]
fn a_journal_of_a_newer_version_is_refused() {
    let place = holding();
    Connection::open(place.path("regie.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    place.run(&["run", "events.jsonl"]).exits(5).tells(&["schema version 99"]);
    place.run(&["stats"]).exits(5).tells(&["schema version 99"]);
}

#[test]
fn a_journal_that_another_process_owns_can_be_read_and_not_written() {
    let place = holding();
    let mut owner = place
        .command(&["run", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = owner.stdin.take().unwrap();
    input.write_all(b"nonsense\n").unwrap();
    // It reads lines once it owns the journal.
    BufReader::new(owner.stderr.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    place.run(&["run", "events.jsonl"]).exits(5).tells(&["owned by another process", &owner.id().to_string()]);
    assert_eq!(place.run(&["query", "--count", "--json"]).succeeds().json(), json!({"count": 6}));
    drop(input);
    assert_eq!(owner.wait().unwrap().code(), Some(4));
    place.run(&["run", "events.jsonl"]).succeeds();
}

#[test]
fn a_journal_that_may_not_be_written_can_be_read() {
    let place = holding();
    let set = |mode: u32| std::fs::set_permissions(place.path("regie.db"), std::fs::Permissions::from_mode(mode));
    set(0o444).unwrap();
    assert_eq!(place.run(&["stats", "--json"]).succeeds().json()["events"], 6);
    // Whoever may do everything is not held by the mode of a file.
    if std::fs::OpenOptions::new().append(true).open(place.path("regie.db")).is_err() {
        place.run(&["run", "events.jsonl"]).exits(5).tells(&["cannot be written"]);
    }
    set(0o644).unwrap();
}

#[test]
fn a_journal_that_is_cut_off_is_told_as_damaged() {
    let place = holding();
    let bytes = crate::support::bytes(&place.path("regie.db"));
    place.file("regie.db", &bytes[..bytes.len() / 2]);
    let told = place.run(&["run", "events.jsonl"]).exits(5);
    assert!(told.err.contains("damaged") || told.err.contains("not a Regie journal"), "{told:?}");
}

#[test]
fn a_record_with_a_flipped_byte_is_never_told_as_if_it_were_whole() {
    let place = holding();
    Connection::open(place.path("regie.db"))
        .unwrap()
        .execute_batch("UPDATE turns SET body = CAST(replace(CAST(body AS TEXT), 'e-4', 'e-9') AS BLOB)")
        .unwrap();
    place.run(&["show", "task-001"]).exits(5).tells(&["damaged"]);
    place.run(&["verify"]).exits(1).tells(&["digest", "task-001"]);
}

fn without(place: &Place, spoil: impl Fn(&std::path::Path)) {
    // What was not written back yet would mend what is spoilt here.
    for beside in ["regie.db-index-wal", "regie.db-index-shm"] {
        let _ = std::fs::remove_file(place.path(beside));
    }
    spoil(&place.path("regie.db-index"));
    let before = crate::support::bytes(&place.path("regie.db"));
    // Who only reads builds it in memory, and says so.
    let read = place.run(&["stats", "--json"]).succeeds().tells(&["note", "index"]);
    assert_eq!(read.json()["events"], 6);
    // Who owns the journal rebuilds it, and says so.
    place.run(&["run", "events.jsonl"]).succeeds().tells(&["the index was rebuilt", "nothing changed"]);
    assert_eq!(place.run(&["stats", "--json"]).succeeds().json()["events"], 6);
    assert!(crate::support::bytes(&place.path("regie.db")) == before, "the journal itself has changed");
}

#[test]
fn an_index_that_is_missing_is_rebuilt() {
    without(&holding(), |index| std::fs::remove_file(index).unwrap());
}

#[test]
fn an_index_that_is_corrupt_is_rebuilt() {
    without(&holding(), |index| std::fs::write(index, vec![7; 8192]).unwrap());
}

#[test]
fn an_index_of_another_journal_is_rebuilt() {
    let other = Place::new().holding(&sprint()[..2]);
    without(&holding(), |index| {
        std::fs::copy(other.path("regie.db-index"), index).unwrap();
    });
}

#[test]
fn an_index_that_is_behind_is_brought_up() {
    let place = Place::new();
    place.file("a.jsonl", lines(&sprint()[..3]));
    place.run(&["run", "a.jsonl", "--clock", "event"]).succeeds();
    let early = crate::support::bytes(&place.path("regie.db-index"));
    let place = place.holding(&sprint());
    place.file("regie.db-index", early);
    assert_eq!(place.run(&["stats", "--json"]).succeeds().json()["events"], 6);
    place.run(&["run", "events.jsonl"]).succeeds();
    assert_eq!(place.run(&["stats", "--json"]).succeeds().json()["events"], 6);
}

/// Flips a letter in the body of the last event of `task-001`; its digest stays.
const FLIP: &str =
    "UPDATE turns SET body = CAST(replace(CAST(body AS TEXT), '\"completed\"', '\"cOmpleted\"') AS BLOB)";

#[test]
fn content_that_was_changed_is_not_printed_by_any_command_that_reads_it() {
    for with_index in [true, false] {
        let place = holding();
        if !with_index {
            std::fs::remove_file(place.path("regie.db-index")).unwrap();
        }
        Connection::open(place.path("regie.db")).unwrap().execute_batch(FLIP).unwrap();
        let broken = "record 3 of 'task-001': its digest does not fit";
        let reading = [
            &["state", "task", "TASK-001", "--json"][..],
            &["state", "task", "TASK-001", "--at", "2026-03-02T11:30:00Z"],
            &["query", "--json"],
            &["query", "--raw"],
            &["query"],
            &["show", "task-001"],
        ];
        for command in reading {
            let ran = place.run(command).exits(5).tells(&[broken]);
            assert!(!ran.out.contains("cOmpleted"), "{command:?}: {ran:?}");
        }
        assert_eq!(place.run(&["state", "sprint", "TEST-001", "--at", "2026-03-02T09:01:00Z"]).code, 0);
    }
}

#[test]
fn a_run_on_a_damaged_journal_says_what_helps_and_tells_its_fault_once() {
    // By two runs, so that the second record of each task begins a row; the last two rows of the journal hold.
    let last = ["x", "y"].map(|id| event(id, "a.b", id, AT));
    let place = Place::new().holding(&sprint()[..3]).holding(&sprint()).holding(&last);
    Connection::open(place.path("regie.db")).unwrap().execute_batch("DELETE FROM turns WHERE sequence = 2").unwrap();
    let of = |nth: usize| event(&format!("new-{nth}"), "a.b", ["task-001", "task-002"][nth % 2], AT);
    let more: String = (0..5).map(|nth| format!("{}\n", of(nth))).collect();
    place.file("more.jsonl", more);
    let ran = place.run(&["run", "more.jsonl", "--json"]).exits(5);
    let report = ran.json();
    let stopped = report["stopped"].as_str().unwrap();
    assert!(stopped.contains("restore a whole copy") && !stopped.contains("is safe"), "{stopped}");
    assert!(stopped.contains("record 2 of 'task-00") && stopped.contains("its row is missing"), "{stopped}");
    assert_eq!((&report["new"], &report["refused_count"]), (&json!(0), &json!(5)));
    assert_eq!(report["refused"].as_array().unwrap().len(), 5);
    let lines = |word: &str| ran.err.lines().filter(|line| line.contains(word)).count();
    assert_eq!((lines("ERROR"), lines("more.jsonl:"), lines("4 more events under way refused")), (1, 1, 1), "{ran:?}");
}

const AT: &str = "2026-03-02T13:00:00Z";

#[test]
fn a_journal_of_which_some_bytes_are_left_is_not_begun_anew() {
    for bytes in [1, 40, 4095] {
        let place = holding();
        let whole = crate::support::bytes(&place.path("regie.db"));
        place.file("regie.db", &whole[..bytes]);
        place.run(&["run", "events.jsonl"]).exits(5).tells(&["damaged"]);
        assert_eq!(crate::support::bytes(&place.path("regie.db")).len(), bytes);
        assert_ne!(place.run(&["verify"]).code, 0);
    }
    let place = holding();
    let whole = crate::support::bytes(&place.path("regie.db"));
    place.file("regie.db", &whole[..whole.len() - 1]);
    for command in [&["run", "events.jsonl"][..], &["stats"], &["query"]] {
        place.run(command).exits(5).tells(&["is cut off: 1 of its bytes are missing"]);
    }
    place.run(&["verify"]).exits(1).tells(&["the journal is damaged", "is cut off: 1 of its bytes are missing"]);
}

#[test]
fn a_link_of_the_last_row_that_was_changed_stops_the_run_and_an_older_one_is_for_verify() {
    const LINK: &str = "head = zeroblob(32)";
    const BODY: &str = "body = CAST(replace(CAST(body AS TEXT), 'TASK', 'tASK') AS BLOB)";
    for (row, harm, code) in [("max", LINK, 5), ("max", BODY, 5), ("min", LINK, 0)] {
        let place = Place::new().holding(&sprint()[..3]).holding(&sprint());
        let sql = format!("UPDATE turns SET {harm} WHERE position = (SELECT {row}(position) FROM turns)");
        assert_eq!(Connection::open(place.path("regie.db")).unwrap().execute(&sql, []).unwrap(), 1);
        let ran = place.run(&["run", "events.jsonl"]).exits(code);
        assert_eq!(ran.err.contains("the journal is damaged"), code == 5, "{row} {harm}: {ran:#?}");
        place.run(&["verify"]).exits(1).tells(&["the journal is broken"]);
    }
}

#[test]
fn what_many_workflows_meet_is_logged_a_few_times() {
    let of = |nth: usize, id: &str| event(&format!("{id}-{nth}"), "a.b", &format!("c-{nth:02}"), AT);
    let all = |id: &str| (0..60).map(|nth| format!("{}\n", of(nth, id))).collect::<String>();
    let place = Place::new().with("REGIE_LOG", "error");
    for id in ["first", "second", "third"] {
        place.file("events.jsonl", all(id));
        place.run(&["run", "events.jsonl", "--clock", "event"]).succeeds();
    }
    let connection = Connection::open(place.path("regie.db")).unwrap();
    assert!(connection.execute("DELETE FROM turns WHERE sequence = 2 AND correlation != (SELECT correlation FROM turns ORDER BY position DESC LIMIT 1)", []).unwrap() > 50);
    place.file("events.jsonl", all("fourth"));
    let ran = place.run(&["run", "events.jsonl", "--shards", "1"]).exits(5);
    let logged = ran.err.lines().filter(|line| line.contains("a workflow cannot be read")).count();
    assert!((1..=6).contains(&logged), "{logged}: {}", ran.err);
}
