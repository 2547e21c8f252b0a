//! How one machine stands in its correlation, and how that follows from what it notes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::workflow::RunEnd;
use crate::workflow::step::{StepError, StepFact, Steps};
use crate::{Json, Timestamp};

/// What a machine notes. Kept for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MachineFact<S, D> {
    /// It begins, in its first state.
    Began {
        /// Which.
        state: S,
    },
    /// A transition was taken.
    Took {
        /// From which state.
        from: S,
        /// To which; none where it stayed.
        #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
        to: Option<S>,
        /// What set it off.
        on: String,
        /// The guards that held.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        guards: Vec<String>,
        /// What was done, in order: when the old state was left, on the way, and when the new one was entered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        did: Vec<String>,
    },
    /// An action changed the data.
    Changed {
        /// The data, whole.
        data: D,
    },
    /// Something happened to a step.
    Step(StepFact),
    /// What a step gave waits for a state that takes it.
    Waits {
        /// The step.
        step: String,
        /// What it gave.
        result: Json,
    },
    /// It waits no more.
    Taken {
        /// The step.
        step: String,
    },
    /// An event or an update is under way.
    Sends {
        /// What the loop calls it by.
        name: String,
    },
    /// It was recorded, or refused.
    Sent {
        /// What the loop calls it by.
        name: String,
    },
    /// It is to end like that, once what it sends is recorded.
    Ending {
        /// How.
        end: RunEnd,
    },
    /// It failed, and nothing was to be put back: a retry begins these steps anew.
    Stopped {
        /// What failed, and what was under way then.
        again: Vec<Again>,
    },
    /// It goes on from there.
    GoesOn,
    /// A step failed for good, and no transition takes that.
    Broke {
        /// Why it failed.
        error: StepError,
    },
    /// It failed, and ends once what it sends is recorded: a retry begins these steps anew, and sends nothing again.
    Fails {
        /// What failed, and what was under way then.
        again: Vec<Again>,
    },
    /// The waits of its state run since then.
    Timed {
        /// When it was entered.
        since: Timestamp,
        /// How long each is, in milliseconds.
        waits: Vec<u64>,
    },
}

/// A step that a retry begins anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Again {
    /// Which.
    pub step: String,
    /// What its agent was to do.
    pub input: Json,
}

/// How a machine stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing<S, D> {
    /// Its state; none before it begins.
    pub(super) state: Option<S>,
    pub(super) data: D,
    pub(super) steps: Steps,
    /// What steps gave and no transition has taken yet.
    pub(super) results: BTreeMap<String, Json>,
    pub(super) sending: BTreeSet<String>,
    pub(super) ending: Option<RunEnd>,
    pub(super) again: Vec<Again>,
    /// Since when the waits of its state run, and which; nothing if it has none.
    #[serde(default)]
    pub(super) timed: Option<(Timestamp, Vec<u64>)>,
    /// The failure that broke it, if one did.
    #[serde(default)]
    pub(super) broke: Option<StepError>,
}

impl<S, D: Default> Default for Standing<S, D> {
    fn default() -> Self {
        Self {
            state: None,
            data: D::default(),
            steps: Steps::default(),
            results: BTreeMap::new(),
            sending: BTreeSet::new(),
            ending: None,
            again: Vec::new(),
            timed: None,
            broke: None,
        }
    }
}

impl<S: Clone, D: Clone> Standing<S, D> {
    /// The state that it is in; none before it begins.
    pub fn state(&self) -> Option<&S> {
        self.state.as_ref()
    }

    /// Its data.
    pub fn data(&self) -> &D {
        &self.data
    }

    /// Its steps.
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    pub(super) fn follow(&mut self, fact: &MachineFact<S, D>) {
        match fact {
            MachineFact::Began { state } | MachineFact::Took { to: Some(state), .. } => {
                (self.state, self.timed) = (Some(state.clone()), None);
            }
            MachineFact::Took { to: None, .. } => {}
            MachineFact::Changed { data } => self.data = data.clone(),
            MachineFact::Step(fact) => self.steps.follow(fact),
            MachineFact::Waits { step, result } => drop(self.results.insert(step.clone(), result.clone())),
            MachineFact::Taken { step } => drop(self.results.remove(step)),
            MachineFact::Sends { name } => drop(self.sending.insert(name.clone())),
            MachineFact::Sent { name } => drop(self.sending.remove(name)),
            MachineFact::Ending { end } => self.ending = Some(end.clone()),
            MachineFact::Stopped { again } => {
                (self.again, self.ending) = (again.clone(), None);
                self.sending.clear();
            }
            MachineFact::Fails { again } => self.again = again.clone(),
            MachineFact::GoesOn => {
                self.again.clear();
                (self.ending, self.broke) = (None, None);
            }
            MachineFact::Broke { error } => self.broke = Some(error.clone()),
            MachineFact::Timed { since, waits } => self.timed = Some((*since, waits.clone())),
        }
    }
}
