//! `regie run -` while its policy file changes, by itself and at SIGHUP: no event is judged by half a set, and a file with a
//! fault leaves the set before.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use regie::JournalConfig;
use serde_json::json;

use super::reload::{CORRELATIONS, assert_judged_by_whole_sets, numbered, text};
use super::size;
use crate::runtime_support::{Stage, within_at_most};
use crate::support::Place;

const LONG: Duration = Duration::from_secs(120);
const FILE: &str = "policies.toml";

/// A run that reads what comes.
struct Run {
    child: Child,
    told: Lines<BufReader<ChildStderr>>,
}

impl Run {
    fn start(place: &Place) -> (Self, ChildStdin) {
        let mut command = place.command(&["run", "-", "--config", "regie.toml"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, told) = (child.stdin.take().unwrap(), child.stderr.take().unwrap());
        (Self { child, told: BufReader::new(told).lines() }, input)
    }

    fn hang_up(&self) {
        let kill = format!("kill -HUP {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until it tells that.
    fn tells(&mut self, what: &str) {
        let told = self.told.by_ref().map(Result::unwrap).find(|line| line.contains(what));
        assert!(told.is_some(), "it never told '{what}'");
    }
}

/// Feeds events until it is over; each is of an actor of its own. Says how many.
fn feed(mut input: ChildStdin, over: &AtomicBool) -> usize {
    input.write_all(b"nonsense\n").unwrap(); // it tells of this when it has begun
    let mut sent = 0;
    while !over.load(Ordering::Acquire) {
        let event = json!({
            "id": format!("e-{sent}"), "type": "agent.note", "correlation_id": format!("c-{}", sent % CORRELATIONS),
            "timestamp": "2026-03-02T09:00:00Z", "actor": {"kind": "user", "id": format!("a-{sent}")},
            "payload": {"amount": sent},
        });
        input.write_all(format!("{event}\n").as_bytes()).unwrap();
        sent += 1;
    }
    sent
}

/// The file changes so often. Who looks at it listens to the signal too, and looks at it before the first change is told.
fn change(place: &Place, run: &mut Run, changes: usize) {
    for number in 1..=changes {
        place.file(FILE, text(number));
        if number % 2 == 0 {
            run.hang_up();
        }
        run.tells(&format!("4 policies are in force now ({})", numbered(number).digest().unwrap().short()));
    }
    place.file(FILE, "[[policy]]\nname = 'half");
    run.hang_up();
    run.tells("the policies stay as they are");
}

#[test]
fn a_policy_file_that_changes_under_load_is_taken_as_a_whole() {
    let changes = size("REGIE_FILE_CHANGES", 5);
    let place = Place::new();
    place.file(FILE, text(0));
    place.file("regie.toml", "policies = \"policies.toml\"\n");
    let (mut run, input) = Run::start(&place);
    let over = Arc::new(AtomicBool::new(false));
    let feeds = std::thread::spawn({
        let over = Arc::clone(&over);
        move || feed(input, &over)
    });
    let journal = JournalConfig::sqlite(place.path("regie.db"));
    within_at_most(LONG, async move {
        run.tells("<stdin>:1");
        change(&place, &mut run, changes);
        over.store(true, Ordering::Release);
        let sent = feeds.join().unwrap();
        run.told.by_ref().for_each(drop); // to the end: what it tells has to go somewhere
        assert_eq!(run.child.wait().unwrap().code(), Some(4));
        let stage = Stage::with(|builder| builder.journal(journal)).await;
        assert_judged_by_whole_sets(&stage.handle, sent, changes).await;
        stage.close().await;
    });
}
