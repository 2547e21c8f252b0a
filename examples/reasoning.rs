//! Bounded reasoning: a reasoner is asked about each order before it goes on. What it is unsure of is dropped, what it is sure
//! of may stop the order, and one that never answers costs its time limit and nothing else.

use regie::core::governance::PolicySet;
use regie::prelude::*;
use regie::reasoning::{ReasonError, Reasoner, Request, SignalDraft};

const POLICIES: &str = r#"
[[policy]]
name = "ask-fraud"
kind = "reason"
match = "order.placed"
reasoner = "fraud"
mode = "risk_flagging"
limit = "50ms"
on_failure = "continue"

[[policy]]
name = "sure-enough"
kind = "signals"
match = "order.placed"
min_confidence = 0.7

[[policy]]
name = "no-fraud"
kind = "veto"
match = "order.placed"
when = "signals.exists(s, s.kind == 'risk.fraud')"
reason = "it looks like fraud"
"#;

/// Knows what large orders are like, and falls silent over those without an amount.
struct Fraud;

impl Reasoner for Fraud {
    async fn reason(&self, request: Request) -> Result<Vec<SignalDraft>, ReasonError> {
        let Some(amount) = request.view.value()["payload"]["amount"].as_f64() else {
            return std::future::pending().await;
        };
        let sure = (amount / 100_000.0).min(1.0);
        Ok(vec![SignalDraft::new("risk.fraud", sure).rationale(format!("an amount of {amount}"))])
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    futures::executor::block_on(async {
        let runtime = builder().policies(PolicySet::parse(POLICIES)?).reasoner("fraud", Fraud).start().await?;
        let handle = runtime.handle();
        let mut ends = Vec::new();
        for (order, payload) in [("small", r#"{"amount": 900}"#), ("large", r#"{"amount": 95000}"#), ("odd", "{}")] {
            let payload: serde_json::Value = serde_json::from_str(payload)?;
            let answer = handle.submit(Event::new("order.placed", order).payload(payload).build()?).await?;
            let (kept, dropped) = (answer.signals.len(), answer.signals_filtered.len());
            let end = answer.event_state.map_or("refused", LifeState::as_str);
            println!("{order}: {end}, {kept} signals kept, {dropped} dropped");
            let asked = answer.policy_decisions.iter().find(|decision| decision.policy == "ask-fraud");
            println!("  {}", asked.map_or("nobody was asked", |asked| asked.observed["outcome"].text()));
            ends.push(end);
        }
        assert_eq!(ends, ["processed", "discarded", "processed"]);
        runtime.shutdown().await;
        Ok(())
    })
}
