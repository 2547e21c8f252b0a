//! Helpers: a folder of its own for each test, the command run in it, and events to feed it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder that is thrown away after the test, and the command run in it.
pub(crate) struct Place {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    /// Without rules: what is tested here is what becomes of the events themselves.
    pub(crate) fn new() -> Self {
        let place = Self::with_shipped_rules();
        let rules = place.folder.path().join(".no-rules.toml");
        std::fs::write(&rules, "shipped = false\n").unwrap();
        place.with("REGIE_RULES", rules.to_str().unwrap())
    }

    /// With the rules that are shipped, as for a user who says nothing of them.
    pub(crate) fn with_shipped_rules() -> Self {
        Self { folder: TempDir::new().unwrap(), variables: Vec::new() }
    }

    /// The same with an environment variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The command in this folder, without what the environment of the tests may say.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_regie"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("REGIE_") || name == "COLUMNS") {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }

    /// Runs events into `regie.db`, on the event clock; all of them must be taken.
    pub(crate) fn holding(self, events: &[Value]) -> Self {
        self.file("events.jsonl", lines(events));
        self.run(&["run", "events.jsonl", "--clock", "event"]).succeeds();
        self
    }

    /// A copy of the journal under another name, without its index.
    pub(crate) fn copy_of_journal(&self, name: &str) -> PathBuf {
        let copy = self.path(name);
        std::fs::copy(self.path("regie.db"), &copy).unwrap();
        copy
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// What it printed, as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// What it printed, as a JSON value a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Each of these stands somewhere in what it told.
    #[track_caller]
    pub(crate) fn tells(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "'{word}' is not told: {self:#?}");
        }
        self
    }

    /// None of these stands anywhere in what it told.
    #[track_caller]
    pub(crate) fn never_tells(self, words: &[&str]) -> Self {
        for word in words {
            assert!(!self.out.contains(word) && !self.err.contains(word), "'{word}' is told: {self:#?}");
        }
        self
    }

    /// No line that it printed has more characters.
    #[track_caller]
    pub(crate) fn fits(self, width: usize) -> Self {
        let long = self.out.lines().find(|line| line.chars().count() > width);
        assert_eq!(long, None, "{}", self.out);
        self
    }
}

/// An event; more of it can be set by its keys.
pub(crate) fn event(id: &str, kind: &str, correlation: &str, at: &str) -> Value {
    json!({"id": id, "type": kind, "correlation_id": correlation, "timestamp": at})
}

/// The event with more keys.
pub(crate) fn with(mut event: Value, more: Value) -> Value {
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

/// Events as JSON lines.
pub(crate) fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

pub(crate) fn gzipped(text: &str) -> Vec<u8> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    zip.write_all(text.as_bytes()).unwrap();
    zip.finish().unwrap()
}

/// A sprint with two tasks, as S1 of the scenarios has it, without the rule: six events of three correlations.
pub(crate) fn sprint() -> Vec<Value> {
    let task = |id: &str, what: &str, task: &str, time: &str, change: Value| {
        let at = format!("2026-03-02T{time}:00Z");
        let more = json!({
            "entity": {"type": "task", "id": task.to_uppercase()}, "related": [{"type": "sprint", "id": "TEST-001"}],
            "actor": {"kind": "user", "id": "ana"}, "changes": {"status": change}, "session_key": "s-1",
        });
        with(event(id, &format!("orchestration.task.{what}"), task, &at), more)
    };
    let change = |before: Option<&str>, after: &str| json!({"before": before, "after": after});
    vec![
        with(
            event("e-1", "orchestration.sprint.created", "sprint-001", "2026-03-02T09:00:00Z"),
            json!({"entity": {"type": "sprint", "id": "TEST-001"}, "changes": {"status": change(None, "planned")}}),
        ),
        task("e-2", "created", "task-001", "09:05", change(None, "pending")),
        task("e-3", "created", "task-002", "09:05", change(None, "pending")),
        task("e-4", "status_changed", "task-001", "10:00", change(Some("pending"), "in_progress")),
        task("e-5", "status_changed", "task-001", "11:00", change(Some("in_progress"), "completed")),
        task("e-6", "status_changed", "task-002", "12:00", change(Some("pending"), "completed")),
    ]
}

/// The bytes of a file.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
