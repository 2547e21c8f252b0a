//! A reasoner made of rules: at once, and the same every time.

use regie_core::reasoning::{Request, Rule, Rules};

use super::{Reasoner, Reply};

/// Advises by rules.
#[derive(Clone, Debug)]
pub struct RuleReasoner(Rules);

impl RuleReasoner {
    /// By these rules, whose signals it gives in their order.
    ///
    /// ```
    /// use regie_actors::reasoner::RuleReasoner;
    /// use regie_core::reasoning::{Request, Rule};
    /// let is_large = |request: &Request| match request.view.value()["payload"]["sum"].as_u64() {
    ///     Some(sum) => Ok(sum > 10_000),
    ///     None => Err("the order has no sum".to_string()),
    /// };
    /// let reasoner = RuleReasoner::new(vec![Rule::new("risk.high", 0.9, "an order of this size is rare", is_large)?]);
    /// # Ok::<(), regie_core::reasoning::ConfidenceError>(())
    /// ```
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(Rules(rules))
    }
}

impl Reasoner for RuleReasoner {
    async fn reason(&self, request: Request) -> Reply {
        self.0.advise(&request)
    }
}
