//! Governance: large orders wait for a person, who lets one go on and stops another; what nobody has looked at after a day is
//! stopped by itself.

use std::time::Duration;

use regie::ClockKind;
use regie::actors::clock::Clock;
use regie::core::Timestamp;
use regie::core::governance::PolicySet;
use regie::core::query::Filter;
use regie::prelude::*;

const POLICIES: &str = r#"
[[policy]]
name = "large-orders"
kind = "escalate"
match = "order.placed"
when = "event.payload.amount > 10000"
timeout = "1d"
then = "reject"
reason = "an order over 10,000 goes by hand"
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Clock::manual(Timestamp::parse("2026-03-02T09:00:00Z")?);
    futures::executor::block_on(async {
        let policies = PolicySet::parse(POLICIES)?;
        let runtime = builder().policies(policies).clock(ClockKind::Given(clock.clone())).start().await?;
        let handle = runtime.handle();
        for (order, amount) in [("o-1", 500), ("o-2", 12_000), ("o-3", 90_000), ("o-4", 11_000)] {
            let placed = Event::new("order.placed", order).id(order).payload(serde_json::json!({"amount": amount}));
            let answer = handle.submit(placed.build()?).await?;
            println!("{order} over {amount}: {}", answer.event_state.map_or("refused", LifeState::as_str));
        }
        let waiting = handle.escalations(Filter::default()).await?;
        for escalation in &waiting {
            println!("waits: {} ({})", escalation.event.event().id, escalation.reason);
        }
        let ana = || Principal::user("ana");
        handle.approve(waiting[0].position, ana(), "a known customer").await?;
        handle.reject(waiting[1].position, ana(), "the customer has called it off").await?;
        handle.advance_to(clock.now().after(Duration::from_secs(86_400))).await;
        for stored in handle.records(&"o-4".into()).await? {
            for moved in regie::core::workflow::moves_in(&stored.record, 1) {
                println!("o-4 at {}: {} ({})", moved.at, moved.to, moved.reason);
            }
        }
        let states = handle.stats(Default::default()).await?.by_state;
        assert_eq!((states["processed"], states["discarded"]), (2, 2));
        runtime.shutdown().await;
        Ok(())
    })
}
