//! A view of one's own over the journal: the open amount of each customer, read with one's own writes in it.

use std::collections::BTreeMap;

use regie::core::query::{Committed, Projection};
use regie::prelude::*;

struct Open;

impl Projection for Open {
    type State = BTreeMap<String, i64>;

    fn name(&self) -> &str {
        "open-amounts"
    }

    fn apply(&self, open: &mut Self::State, committed: &Committed<'_>) {
        let event = committed.event;
        let Some(customer) = event.actor.as_ref().map(|actor| actor.id.clone()) else { return };
        let cents = event.payload.value()["cents"].as_i64().unwrap_or_default();
        match event.kind.as_str() {
            "order.placed" => *open.entry(customer).or_default() += cents,
            "order.paid" => *open.entry(customer).or_default() -= cents,
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    futures::executor::block_on(async {
        let runtime = builder().projection(Open).start().await?;
        let handle = runtime.handle();
        for (kind, who, cents) in
            [("order.placed", "ana", 1_999), ("order.placed", "ben", 500), ("order.paid", "ana", 1_999)]
        {
            let event = Event::new(kind, format!("orders-of-{who}")).actor(Principal::user(who));
            let answer = handle.submit(event.payload(serde_json::json!({"cents": cents})).build()?).await?;
            let position = answer.position.unwrap_or_default();
            let open: BTreeMap<String, i64> = handle.projection("open-amounts", position, Clone::clone).await?;
            println!("after {kind} of {who}: {open:?}");
        }
        runtime.shutdown().await;
        Ok(())
    })
}
