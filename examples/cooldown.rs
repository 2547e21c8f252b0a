//! Governance: an agent may note once a minute. Time is a clock of ours, so that nothing has to be waited for.

use std::time::Duration;

use regie::ClockKind;
use regie::actors::clock::Clock;
use regie::core::Timestamp;
use regie::core::governance::{CooldownMode, KeyKind, Policy, PolicySet};
use regie::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let notes = Pattern::parse("agent.note")?;
    let policy = Policy::cooldown("one-a-minute", notes, Duration::from_secs(60), KeyKind::Actor, CooldownMode::Defer);
    let clock = Clock::manual(Timestamp::parse("2026-03-02T09:00:00Z")?);
    futures::executor::block_on(async {
        let runtime =
            builder().policies(PolicySet::new(vec![policy])?).clock(ClockKind::Given(clock.clone())).start().await?;
        let handle = runtime.handle();
        for nth in 1..=3 {
            let note =
                Event::new("agent.note", "notes").id(format!("n-{nth}")).actor(Principal::agent("coder")).build()?;
            let answer = handle.submit(note).await?;
            let until = answer.deferred_until.map(|until| format!(" until {until}")).unwrap_or_default();
            println!("note {nth}: {:?}{until}", answer.event_state);
        }
        handle.advance_to(clock.now().after(Duration::from_secs(120))).await;
        let states = handle.stats(Default::default()).await?.by_state;
        println!("two minutes later: {states:?}");
        assert_eq!(states["processed"], 3);
        runtime.shutdown().await;
        Ok(())
    })
}
