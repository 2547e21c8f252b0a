//! The real binary on a disk that is watched: a folder of its own, the log of its calls, and what it answered.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::log::Call;
use crate::support::{Ran, lines};

/// The name of the journal in the folder that is watched.
pub(crate) const JOURNAL: &str = "regie.db";
/// The file in it that answers are told to; their writes stand in the log among the journal's.
pub(crate) const ANSWERS: &str = "answers.jsonl";

/// How long a command may take before it is said to hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A place for one recording.
pub(crate) struct Bench {
    folder: TempDir,
}

/// A folder in memory where there is one: neither a test nor the recorder needs a disk for what it is about.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = scratch();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        Self { folder }
    }

    /// The folder that is watched.
    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// A file that is not.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn events(&self, events: &[Value]) {
        self.file("events.jsonl", &lines(events));
    }

    /// A command on this disk, that watches and fails as the variables say.
    pub(crate) fn command(&self, program: &Path, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("REGIE_") || name == "COLUMNS") {
            command.env_remove(name);
        }
        command.env("LD_PRELOAD", preloaded());
        command.env("REGIE_DISK_FOLDER", self.disk()).env("REGIE_DISK_LOG", self.log());
        command.envs(variables.iter().copied()).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// `regie` on this disk. `run` takes the events, and tells its answers.
    pub(crate) fn regie(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let (db, answers) = (self.disk().join(JOURNAL), self.disk().join(ANSWERS));
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_regie")), variables);
        command.args(arguments).arg("--db").arg(db).arg("--json");
        if arguments.first() == Some(&"run") {
            command.arg("events.jsonl").arg("--answers").arg(answers);
        }
        within(command)
    }

    /// A child of ours on this disk: see `child.rs`.
    pub(crate) fn child(&self, act: &str, variables: &[(&str, &str)]) -> Ran {
        let mut command = self.command(&std::env::current_exe().unwrap(), variables);
        command.env("REGIE_CHILD", act).args(["--exact", "disk::child::a_child_does_what_it_is_told", "--nocapture"]);
        within(command)
    }

    /// Another disk instead: these files, and no log.
    pub(crate) fn lay(&self, files: &[(String, Vec<u8>)]) {
        std::fs::remove_dir_all(self.disk()).unwrap();
        std::fs::create_dir(self.disk()).unwrap();
        for (name, bytes) in files {
            std::fs::write(self.disk().join(name), bytes).unwrap();
        }
        let _ = std::fs::remove_file(self.log());
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What happened so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        Call::all(&std::fs::read(self.log()).unwrap_or_default())
    }

    /// The files of the journal as they are now, without what is none of the disk's.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.disk()).unwrap().map(|entry| entry.unwrap());
        let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
        let kept = named.filter(|(name, _)| !["-shm", "-lock", "-socket"].iter().any(|end| name.ends_with(end)));
        kept.map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
    }
}

/// Runs a command to its end; one that hangs is killed, and has no exit code.
fn within(mut command: Command) -> Ran {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (id, (done, ended)) = (child.id(), channel());
    let waits = std::thread::spawn(move || drop(done.send(child.wait_with_output().unwrap())));
    let output = ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        Command::new("kill").args(["-9", &id.to_string()]).status().unwrap();
        ended.recv().unwrap()
    });
    waits.join().unwrap();
    Ran::of(output)
}

/// The library that is preloaded: cargo has put it beside this test.
fn preloaded() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let library = tests.with_file_name("libregie_disk.so");
    assert!(library.exists(), "{} is missing: build the tests with cargo", library.display());
    library
}

/// What was answered, from the writes of the answers' file.
#[derive(Default)]
pub(crate) struct Answers {
    handles: Vec<u32>,
    text: Vec<u8>,
    /// The highest position that was answered.
    pub(crate) highest: u64,
    pub(crate) all: Vec<Answer>,
}

/// An event was taken, and its sender knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) event: String,
    pub(crate) correlation: String,
    pub(crate) position: u64,
}

impl Answers {
    /// Takes the next call; tells how many answers came with it.
    pub(crate) fn take(&mut self, call: &Call) -> usize {
        match call {
            Call::Start => self.handles.clear(),
            Call::Open { handle, name, .. } if name == ANSWERS => self.handles.push(*handle),
            Call::Write { handle, bytes, .. } if self.handles.contains(handle) => {
                self.text.extend_from_slice(bytes);
                return self.read();
            }
            _ => {}
        }
        0
    }

    /// Those up to a position.
    pub(crate) fn within(&self, position: u64) -> Vec<Answer> {
        self.all.iter().filter(|answer| answer.position <= position).cloned().collect()
    }

    fn read(&mut self) -> usize {
        let before = self.all.len();
        while let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.text.drain(..=end).collect();
            let value: Value = serde_json::from_slice(&line).unwrap();
            let Some(position) = value["position"].as_u64() else { continue };
            let text = |key: &str| value[key].as_str().unwrap().to_string();
            self.all.push(Answer { event: text("event_id"), correlation: text("correlation_id"), position });
            self.highest = self.highest.max(position);
        }
        self.all.len() - before
    }
}
