//! Event types of one's own, and updates: what differs is told by events, and what is not possible is refused with its place.

use regie::core::entity::Update;
use regie::core::event::{Catalogue, EntityRef};
use regie::core::query::Filter;
use regie::prelude::*;
use regie::runtime::UpdateStatus;
use serde_json::json;

const TYPES: &str = r#"
[[type]]
name = "shop.order.placed"
entity = "order"
creates = true

[[type]]
name = "shop.order.paid"
entity = "order"
fields = ["paid"]
changes = { properties = { paid = { properties = { after = { type = "number", minimum = 0 } } } } }
"#;

fn order() -> Update {
    Update::of(EntityRef::new("order", "o-1"), Principal::user("ana"))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    futures::executor::block_on(async {
        let runtime = builder().catalogue(Catalogue::from_toml(TYPES)?).start().await?;
        let handle = runtime.handle();
        for update in [
            order().set("status", "open").set("paid", 0),
            order().set("paid", 70).set("status", "done"),
            order().set("paid", 70),
            order().set("paid", -5),
            order().set("status", "open").expect("status", "shipped"),
        ] {
            let result = handle.update(update).await?;
            let why = result.reason.as_deref().unwrap_or("");
            println!("{:?}, {} events {why}", result.status, result.events.len());
            assert_eq!(result.status == UpdateStatus::Refused, result.reason.is_some());
        }
        for stored in handle.events(Filter::default()).await? {
            let event = stored.incoming.event();
            let changes = event.changes.iter().map(|(field, it)| format!("{field} {} to {}", it.before, it.after));
            println!("{}: {}", event.kind, changes.collect::<Vec<_>>().join(", "));
        }
        let bad = Event::new("shop.order.paid", "o-2").entity(EntityRef::new("moon", "m")).payload(json!({}));
        let refused = handle.submit(bad.build()?).await.expect_err("a moon is no order");
        println!("refused: {refused}");
        runtime.shutdown().await;
        Ok(())
    })
}
