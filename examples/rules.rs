//! Rules: when all items of an order are packed, the order is; it is tried before it acts, and put back by a person.

use regie::core::automation::RuleSet;
use regie::core::query::Order;
use regie::prelude::*;

const RULES: &str = r#"
[[relation]]
from = "item"
to = "order"

[[rule]]
name = "order-packed"
about = "order"
on = "item.packed"
when = "related.item.all(item, item.packed == true)"
do = [{ update = { stage = "packed" } }]
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    futures::executor::block_on(async {
        let runtime = builder().rules(RuleSet::parse(RULES)?).start().await?;
        let handle = runtime.handle();
        let order = EntityRef::new("order", "O-1");
        for item in ["a", "b"] {
            let added = Event::new("item.added", item).entity(EntityRef::new("item", item)).related(order.clone());
            handle.submit(added.change("packed", (), false).build()?).await?;
        }
        for item in ["a", "b"] {
            let packed = Event::new("item.packed", item).entity(EntityRef::new("item", item));
            handle.submit(packed.change("packed", false, true).build()?).await?;
            handle.settle().await;
            let stage = handle.state(&order, None).await?.and_then(|order| order.fields.get("stage").cloned());
            println!("{item} is packed; the order's stage: {:?}", stage.map(|stage| stage.text().to_string()));
        }
        for report in handle.runs(None, None, Order::Oldest).await? {
            println!("{} ran for {:?}: {}", report.run.rule, report.run.subject, report.state.as_str());
            let undone = handle.undo(&report.run.id, Principal::user("ana"), "b was the wrong one", false).await?;
            handle.settle().await;
            println!("put back by {} event", undone.events.len());
        }
        let fields = handle.state(&order, None).await?.map(|order| order.fields).unwrap_or_default();
        println!("the order's stage: {:?}", fields.get("stage"));
        runtime.shutdown().await;
        Ok(())
    })
}
