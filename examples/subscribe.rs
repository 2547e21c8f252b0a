//! The bus: a stream of what was paid, a subscriber with a handler that fails, and its dead letter, which is tried again.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use regie::bus::{Delivery, HandleError, LetterFilter, Retry, Subscribe};
use regie::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Paid {
    amount: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    futures::executor::block_on(async {
        let is_open = Arc::new(AtomicBool::new(false));
        let bank = Arc::clone(&is_open);
        let bank = move |delivery: Arc<Delivery>| {
            println!("the bank is told of {}", delivery.event().id);
            ready(match bank.load(Ordering::Relaxed) {
                true => Ok(()),
                false => Err(HandleError::Retry("the bank is closed".into())),
            })
        };
        let to = Subscribe::to("order.paid").retry(Retry::never());
        let runtime = builder().subscriber("bank", to, bank).start().await?;
        let handle = runtime.handle();
        let large = Subscribe::to("order.paid").filter("event.payload.amount > 1000")?;
        let mut large = handle.subscribe(large).await?.typed::<Paid>();
        let mut letters = handle.subscribe(Subscribe::to("regie.dead_letter").with_own()).await?;

        for (order, amount) in [("o-1", 500), ("o-2", 12_000)] {
            let paid = Event::new("order.paid", order).id(order).payload(serde_json::json!({"amount": amount}));
            handle.submit(paid.build()?).await?;
        }
        if let Some(paid) = large.next().await {
            let paid = paid?;
            println!("large: {} over {}", paid.delivery.event().id, paid.payload.amount);
        }
        for _ in 0..2 {
            letters.next().await.ok_or("the bus ended")??;
        }
        for letter in handle.dead_letters(LetterFilter::default()).await? {
            println!("not delivered: position {} ({})", letter.position, letter.error);
        }
        is_open.store(true, Ordering::Relaxed);
        handle.retry_dead_letters(LetterFilter::default(), Principal::user("ana"), "the bank has opened").await?;
        handle.settle().await;
        assert!(handle.dead_letters(LetterFilter::default()).await?.is_empty());
        runtime.shutdown().await;
        Ok(())
    })
}
