//! A scene: this test binary, started again as a process of its own, so that it can be killed with its runtime in it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::runtime_support::within_at_most;
use crate::{governed, scenarios};

const NAME: &str = "REGIE_SCENE";
const JOURNAL: &str = "REGIE_SCENE_JOURNAL";

/// A scene under way.
pub(crate) struct Scene {
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Scene {
    /// Starts a scene over a journal.
    pub(crate) fn start(name: &str, journal: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["scene::a_scene_is_played_where_it_was_asked_for", "--exact", "--nocapture"]);
        command.env(NAME, name).env(JOURNAL, journal);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap());
        Self { child, told }
    }

    /// The next thing that it tells; nothing at its end.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        while self.told.read_line(&mut line).unwrap() > 0 {
            // The test harness says things too, and the last line may be cut short.
            if let Some(told) = line.find('{').and_then(|at| serde_json::from_str(&line[at..]).ok()) {
                return Some(told);
            }
            line.clear();
        }
        None
    }

    /// Kills it, as `kill -9` does, and gives what it had told until then and nobody has read.
    pub(crate) fn kill(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next()).collect()
    }
}

/// Tells the process that started the scene.
pub(crate) fn tell(what: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}").and_then(|()| out.flush()).unwrap();
}

/// Waits to be killed; ends when nobody is left to do it.
pub(crate) fn wait_to_be_killed() {
    let _ = std::io::read_to_string(std::io::stdin());
}

#[test]
fn a_scene_is_played_where_it_was_asked_for() {
    let (Ok(name), Some(journal)) = (std::env::var(NAME), std::env::var_os(JOURNAL)) else { return };
    within_at_most(Duration::from_secs(600), async move {
        let journal = regie::JournalConfig::sqlite(journal);
        match name.split_once(':') {
            Some(("race", kind)) => governed::racing::scene(kind, journal).await,
            _ => scenarios::scene(&name, journal).await,
        }
    });
}
