//! Why an agent did not do a task.

/// Why an agent did not do a task: a message, a code that programs may go by, and whether trying again can help.
///
/// ```
/// use regie_core::agents::AgentError;
/// let busy: AgentError = "the bank does not answer".into();
/// assert!(!busy.is_final);
/// let wrong = AgentError::new("there is no such account").code("NO_ACCOUNT").is_final();
/// assert_eq!(wrong.to_string(), "there is no such account (NO_ACCOUNT)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentError {
    /// What went wrong, for people.
    pub message: String,
    /// The same for programs.
    pub code: Option<String>,
    /// Whether the same task would fail again: what was asked is at fault, and not the agent.
    pub is_final: bool,
}

impl AgentError {
    /// An error without a code, after which trying again can help.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, is_final: false }
    }

    /// With a code; of a longer one than 64 bytes the beginning counts.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// One after which trying again does not help.
    #[must_use]
    pub fn is_final(mut self) -> Self {
        self.is_final = true;
        self
    }
}

impl std::fmt::Display for AgentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.code.as_ref().map_or(Ok(()), |code| write!(f, " ({code})"))
    }
}

impl std::error::Error for AgentError {}

impl From<String> for AgentError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for AgentError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}
