//! An agent that does what it is told, in turn, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use regie_actors::agent::{Agent, AgentError, AgentTask};
use regie_core::Json;

/// An agent that follows a script: each call takes the next line; when none is left, the last one again, or without any
/// line `null`. Its clones are the same agent.
///
/// ```
/// use regie::testing::ScriptedAgent;
/// let agent = ScriptedAgent::new().fails("busy").answers(serde_json::json!({"done": true}));
/// assert_eq!(agent.calls().len(), 0);
/// ```
#[derive(Clone, Debug, Default)]
// lock: a test looks into it from another thread than those that it runs on; it is held for a few instructions.
#[must_use]
pub struct ScriptedAgent(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    lines: VecDeque<Line>,
    calls: Vec<AgentTask>,
}

#[derive(Clone, Debug)]
enum Line {
    Answer(Json),
    Error(AgentError),
    Panic(String),
    Never,
}

impl ScriptedAgent {
    /// Without a line yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next call gets this.
    pub fn answers(self, answer: impl Into<Json>) -> Self {
        self.says(Line::Answer(answer.into()))
    }

    /// The next call gets an error.
    pub fn fails(self, error: impl Into<AgentError>) -> Self {
        self.says(Line::Error(error.into()))
    }

    /// The next call panics.
    pub fn panics(self, message: impl Into<String>) -> Self {
        self.says(Line::Panic(message.into()))
    }

    /// The next call never comes back: its time limit ends it.
    pub fn never_answers(self) -> Self {
        self.says(Line::Never)
    }

    /// What it was asked so far, in order.
    pub fn calls(&self) -> Vec<AgentTask> {
        self.script().calls.clone()
    }

    fn says(self, line: Line) -> Self {
        self.script().lines.push_back(line);
        self
    }

    fn next(&self, task: AgentTask) -> Line {
        let mut script = self.script();
        script.calls.push(task);
        match script.lines.len() {
            0 => Line::Answer(Json::null()),
            1 => script.lines[0].clone(),
            _ => script.lines.pop_front().unwrap_or(Line::Never),
        }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agent for ScriptedAgent {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        match self.next(task) {
            Line::Answer(answer) => Ok(answer),
            Line::Error(error) => Err(error),
            Line::Panic(message) => panic!("{message}"),
            Line::Never => std::future::pending().await,
        }
    }
}
