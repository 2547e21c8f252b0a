//! Advice by rules: no model, no network, the same answer every time.

use std::fmt;
use std::sync::Arc;

use super::outcome::ReasonError;
use super::request::Request;
use super::signal::{Confidence, ConfidenceError, SignalDraft};
use crate::expr::{ExprError, Program, Scope, Shape, View};

/// Whether a rule applies to what is asked. Any pure function is one.
pub trait RuleCondition: Send + Sync + 'static {
    /// Whether it holds, or why that cannot be said.
    fn holds(&self, request: &Request) -> Result<bool, String>;
}

impl<F: Fn(&Request) -> Result<bool, String> + Send + Sync + 'static> RuleCondition for F {
    fn holds(&self, request: &Request) -> Result<bool, String> {
        self(request)
    }
}

/// A condition in CEL over `event`, as the request shows it: what is not to be seen is not there.
impl RuleCondition for Program {
    fn holds(&self, request: &Request) -> Result<bool, String> {
        self.truth(&View::new().json("event", &request.view)).map_err(|error| error.to_string())
    }
}

/// One rule: where its condition holds, it gives one signal.
#[derive(Clone)]
pub struct Rule {
    when: Arc<dyn RuleCondition>,
    kind: String,
    confidence: Confidence,
    rationale: String,
}

impl Rule {
    /// A rule that gives a signal of that kind.
    pub fn new(
        kind: impl Into<String>,
        confidence: f64,
        rationale: impl Into<String>,
        when: impl RuleCondition,
    ) -> Result<Self, ConfidenceError> {
        let confidence = Confidence::new(confidence)?;
        Ok(Self { when: Arc::new(when), kind: kind.into(), confidence, rationale: rationale.into() })
    }
}

impl Rule {
    /// A rule with a condition in CEL over `event`, whose fields are not checked here, for a request may show some alone.
    ///
    /// # Errors
    /// If the condition does not parse, cannot be true or false, or could cost too much; or the confidence is none.
    ///
    /// ```
    /// use regie_core::reasoning::Rule;
    /// assert!(Rule::cel("risk.large", 0.9, "a large sum", "event.payload.sum > 10000").is_ok());
    /// assert!(Rule::cel("risk.large", 0.9, "a large sum", "evnt.payload.sum > 10000").is_err());
    /// ```
    pub fn cel(
        kind: impl Into<String>,
        confidence: f64,
        rationale: impl Into<String>,
        when: &str,
    ) -> Result<Self, RuleError> {
        let when = Program::condition(when, &Scope::new().with("event", Shape::Any))?;
        Ok(Self::new(kind, confidence, rationale, when)?)
    }
}

/// Why something is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// Its condition is none.
    #[error(transparent)]
    Condition(#[from] ExprError),
    /// Its confidence is none.
    #[error(transparent)]
    Confidence(#[from] ConfidenceError),
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({} at {}: {})", self.kind, self.confidence, self.rationale)
    }
}

/// Rules in their order.
#[derive(Clone, Debug, Default)]
pub struct Rules(pub Vec<Rule>);

impl Rules {
    /// The signals of all rules that apply, in the order of the rules. One rule whose condition cannot be told fails all: a
    /// part of the advice might say the contrary of the whole.
    pub fn advise(&self, request: &Request) -> Result<Vec<SignalDraft>, ReasonError> {
        let signal = |rule: &Rule| match rule.when.holds(request) {
            Ok(true) => Some(Ok(rule.draft())),
            Ok(false) => None,
            Err(why) => Some(Err(ReasonError::Failed(format!("the rule for '{}': {why}", rule.kind)))),
        };
        self.0.iter().filter_map(signal).collect()
    }
}

impl Rule {
    fn draft(&self) -> SignalDraft {
        SignalDraft::new(self.kind.clone(), self.confidence.get()).rationale(self.rationale.clone())
    }
}
