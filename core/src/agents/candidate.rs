//! Who may take a task on a route.

use std::fmt;

/// One or more agents of a route, and which tasks they take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub who: Who,
    /// Of which kinds, by the task's field `kind`; of any where this is empty.
    pub kinds: Vec<String>,
    /// Those for which this holds, an expression over `task`.
    pub when: Option<String>,
    /// The lower one goes first; 0 unless said.
    pub preference: u32,
}

/// By what agents are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one of that name.
    Agent(String),
    /// All that can do this.
    Capability(String),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Agent(name) => write!(f, "the agent '{name}'"),
            Who::Capability(what) => write!(f, "the capability '{what}'"),
        }
    }
}

impl Candidate {
    /// The agent of that name.
    pub fn agent(name: impl Into<String>) -> Self {
        Self::of(Who::Agent(name.into()))
    }

    /// All agents that can do this.
    pub fn capability(what: impl Into<String>) -> Self {
        Self::of(Who::Capability(what.into()))
    }

    /// Tasks of this kind, or with `*` and `>` of these kinds; said again, of that kind too.
    #[must_use]
    pub fn kind(mut self, pattern: impl Into<String>) -> Self {
        self.kinds.push(pattern.into());
        self
    }

    /// Tasks for which a condition holds, in CEL over `task`.
    #[must_use]
    pub fn when(mut self, condition: impl Into<String>) -> Self {
        self.when = Some(condition.into());
        self
    }

    /// With this preference; the lower one goes first.
    #[must_use]
    pub fn prefer(mut self, preference: u32) -> Self {
        self.preference = preference;
        self
    }

    fn of(who: Who) -> Self {
        Self { who, kinds: Vec::new(), when: None, preference: 0 }
    }
}
