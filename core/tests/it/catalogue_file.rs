//! The catalogue's file: types and relations, and every fault with its place.

use std::collections::BTreeMap;

use regie_core::event::{Catalogue, EntityRef, Event};
use serde_json::json;

const GOOD: &str = r#"
[[type]]
name = "order.packed"
entity = "order"
fields = ["status", "box"]
when = { status = "packed" }
checked = true
payload = { type = "object", required = ["box"] }
changes = '{"properties": {"status": {"properties": {"after": {"type": "string"}}}}}'

[[type]]
name = "order.opened"
version = 3
entity = "order"
creates = true

[[relation]]
from = "item"
to = "order"
ids = "event.payload.order"

[[relation]]
from = "order"
to = "customer"
"#;

fn refused(text: &str) -> (usize, usize, String) {
    let error = Catalogue::from_toml(text).expect_err("a bad file");
    (error.line, error.column, error.why)
}

#[test]
fn a_file_adds_types_and_relations_to_what_is_shipped() {
    let catalogue = Catalogue::from_toml(GOOD).unwrap();
    assert!(catalogue.get("orchestration.task.created").is_some());
    assert_eq!(catalogue.get("order.opened").unwrap().latest(), 3);
    assert_eq!(catalogue.get("order.packed").unwrap().told_fields(), ["status", "box"]);
    assert!(catalogue.is_checked("order") && !catalogue.is_checked("task"));
    assert!(catalogue.knows_entity("customer") && !catalogue.knows_entity("moon"));
    let item = Event::new("t", "c").entity(EntityRef::new("item", "1")).payload(json!({"order": "o-1"}));
    let ids = catalogue.relations()[0].ids_of(item.build().unwrap().event(), &BTreeMap::new());
    assert_eq!(ids, Ok(Some(vec!["o-1".to_string()])));
}

#[test]
fn both_forms_of_a_schema_hold() {
    let catalogue = Catalogue::from_toml(GOOD).unwrap();
    let packed = || Event::new("order.packed", "order/1").entity(EntityRef::new("order", "1"));
    let pointer = |event: regie_core::event::EventBuilder| {
        catalogue.check(event.build().unwrap().event()).map_err(|breach| breach.pointer)
    };
    assert_eq!(pointer(packed().payload(json!({}))), Err("/payload/box".into()));
    assert_eq!(
        pointer(packed().payload(json!({"box": 1})).change("status", 0, 1)),
        Err("/changes/status/after".into())
    );
    assert_eq!(pointer(packed().payload(json!({"box": 1})).change("status", 0, "x")), Ok(()));
}

#[test]
fn what_is_shipped_can_be_left_out() {
    assert_eq!(Catalogue::from_toml("shipped = false").unwrap().types().count(), 0);
    assert!(Catalogue::from_toml("").unwrap().types().count() > 20);
}

#[test]
fn a_fault_is_named_with_its_line_and_column() {
    let one = |line: &str| format!("[[type]]\nname = \"a.b\"\n{line}\n");
    let table = [
        (one("entity = \" \""), (3, 10), "blank"),
        (one("version = 0"), (3, 11), "count from 1"),
        (one("version = -1"), (3, 11), "count from 1"),
        (one("payload = { type = \"txt\" }"), (3, 11), "payload"),
        (one("payload = '{'"), (3, 11), "no JSON"),
        (one("changes = { \"$ref\" = \"http://x/y\" }"), (3, 11), "not looked up"),
        (one("fields = [\"a\"]"), (2, 8), "entity"),
        (one("entity = \"task\"\ncreates = true"), (4, 11), "does that already"),
        (one("colour = 1"), (3, 1), "colour"),
        (one("[[type]]\nname = \"a.b\""), (4, 8), "two types"),
        ("[[type]]\nname = \"a.>\"\n".into(), (2, 8), "wildcards"),
        (one("[[type]]\nname = \"regie.rule.ran\""), (4, 8), "begin with 'regie.'"),
        ("[[relation]]\nfrom = \"a\"\nto = \"\"\n".into(), (3, 6), "bytes"),
        ("[[relation]]\nfrom = \"a\"\nto = \"b\"\nids = \"event.payload. \"\n".into(), (4, 0), ""),
        ("[[relation]]\nfrom = \"a\"\nto = \"b\"\nids = \"evnt.id\"\n".into(), (4, 8), "evnt"),
    ];
    for (text, (line, column), why) in table {
        let told = refused(&text);
        assert_eq!(told.0, line, "{told:?}");
        assert!((column == 0 || told.1 == column) && told.2.contains(why), "{told:?} for {text}");
    }
}
