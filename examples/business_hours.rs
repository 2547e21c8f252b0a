//! Governance: orders go on in business hours alone, three a day, and the rest come back by themselves, over a change of the
//! clocks too. The policy is a file that an operator can read.

use regie::ClockKind;
use regie::actors::clock::Clock;
use regie::core::Timestamp;
use regie::core::governance::PolicySet;
use regie::prelude::*;

const POLICIES: &str = r#"
[[policy]]
name = "business-hours"
kind = "window"
match = "order.placed"
zone = "Europe/Berlin"
days = ["mon-fri"]
start = "09:00"
end = "17:00"
at_most = 3
mode = "defer"
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The last days before Berlin's clocks go forward.
    let clock = Clock::manual(Timestamp::parse("2026-03-26T07:59:59.999Z")?);
    futures::executor::block_on(async {
        let policies = PolicySet::parse(POLICIES)?;
        let runtime = builder().policies(policies).clock(ClockKind::Given(clock.clone())).start().await?;
        let handle = runtime.handle();
        for at in ["26T07:59:59.999Z", "26T08:00:01Z", "26T12:00:00Z", "26T15:00:00Z", "27T16:00:00Z"] {
            let now = Timestamp::parse(&format!("2026-03-{at}"))?;
            handle.advance_to(now).await;
            let answer = handle.submit(Event::new("order.placed", at).build()?).await?;
            match answer.deferred_until {
                Some(until) => println!("{now}: until {until}"),
                None => println!("{now}: at once"),
            }
        }
        // Monday at nine is an hour earlier in UTC by then.
        handle.advance_to(Timestamp::parse("2026-03-30T07:00:00Z")?).await;
        let states = handle.stats(Default::default()).await?.by_state;
        println!("on Monday at nine: {states:?}");
        assert_eq!(states["processed"], 5);
        runtime.shutdown().await;
        Ok(())
    })
}
