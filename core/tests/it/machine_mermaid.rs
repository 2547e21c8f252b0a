//! Pictures of machines, read back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use regie_core::Json;
use regie_core::workflow::machine::Machine;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::machine_help::{Stage, order};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct At(String);

impl std::fmt::Debug for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text as Mermaid shows it.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('#') {
        let (number, after) = after.split_once(';').expect("an entity ends");
        shown.push_str(before);
        shown.push(number.parse::<u32>().ok().and_then(char::from_u32).expect("a letter"));
        rest = after;
    }
    shown + rest
}

/// What a picture holds: its arrows and what stands in its states, by the states' names.
#[derive(Debug, Default)]
struct Picture {
    names: BTreeMap<String, String>,
    arrows: BTreeSet<(String, String, String)>,
    notes: BTreeSet<(String, String)>,
    current: Option<String>,
}

impl Picture {
    fn name(&self, id: &str) -> String {
        if id == "[*]" { id.into() } else { self.names[id].clone() }
    }
}

fn read(text: &str) -> Picture {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("stateDiagram-v2"));
    let mut picture = Picture::default();
    for line in lines.map(str::trim) {
        let label = |rest: &str| rest.split_once(" : ").map(|(head, label)| (head.to_string(), shown(label)));
        if let Some(rest) = line.strip_prefix("state \"") {
            let (name, id) = rest.split_once("\" as ").expect("a state");
            picture.names.insert(id.into(), shown(name));
        } else if let Some((from, rest)) = line.split_once(" --> ") {
            let (to, label) = label(rest).unwrap_or((rest.into(), String::new()));
            picture.arrows.insert((picture.name(from), picture.name(&to), label));
        } else if let Some(rest) = line.strip_prefix("class ") {
            picture.current = rest.strip_suffix(" current").map(|id| picture.name(id));
        } else if !line.starts_with("classDef ") {
            let (id, label) = label(line).unwrap_or_else(|| panic!("not understood: {line}"));
            picture.notes.insert((picture.name(&id), label));
        }
    }
    picture
}

#[test]
fn a_picture_tells_states_guards_actions_waits_and_who_puts_back() {
    let machine = order().build().expect("a good machine");
    let picture = read(&machine.to_mermaid());
    let arrows = [
        ("[*]", "New", ""),
        ("New", "Reserving", "order.paid [enough] / count it, start reserve (by stock, undone by stock)"),
        ("Reserving", "Charging", "reserve done / note place"),
        ("Reserving", "Lost", "reserve failed [sold out]"),
        ("Reserving", "Lost", "after 60s"),
        ("Charging", "Sent", "charge done"),
        ("Sent", "[*]", "completes"),
        ("Lost", "[*]", "fails"),
    ];
    let wanted = arrows.map(|(from, to, label)| (from.to_string(), to.to_string(), label.to_string()));
    assert_eq!(picture.arrows, BTreeSet::from(wanted));
    let notes = [
        ("New", "exit / leave"),
        ("New", "on order.placed"),
        ("New", "on order.paid / count a part"),
        ("Charging", "entry / start charge (by bank, undone by bank)"),
    ];
    assert_eq!(picture.notes, BTreeSet::from(notes.map(|(state, note)| (state.to_string(), note.to_string()))));
    assert_eq!(machine.to_mermaid(), order().build().expect("a good machine").to_mermaid(), "it is the same each time");
}

#[test]
fn the_state_that_a_run_is_in_is_marked() {
    let machine = order().build().expect("a good machine");
    assert_eq!(read(&machine.to_mermaid()).current, None);
    assert_eq!(read(&machine.to_mermaid_at(&Stage::Charging)).current.as_deref(), Some("Charging"));
}

const ODD: &str = "a \"b\"; c: [*] --> d #35; %% <b> {x} \u{e9}\\ `y` end note";

#[test]
fn no_name_can_break_a_picture() {
    let machine = Machine::<At, u32>::named("odd", At(ODD.into()))
        .starts_on("odd.>")
        .step(ODD, ODD, |step| step.undo(ODD, |_| json!(1)))
        .enter(At(ODD.into()), |deeds| deeds.act(ODD, |_, _| ()))
        .on::<Json>(At(ODD.into()), "odd.>", |way| {
            way.guard(ODD, |_, _| true).start(ODD, |_, _| json!(1)).go(At("z".into()))
        })
        .after(At(ODD.into()), Duration::from_secs(1), |way| way.go(At("z".into())))
        .completes(At("z".into()), |_| json!(1))
        .build()
        .expect("a good machine");
    let text = machine.to_mermaid();
    let structure: String = text.lines().map(|line| line.replacen(" : ", "", 1).replacen(" --> ", "", 1)).collect();
    assert!(!structure.contains([':', '<', '>', '{', '`', '%', '\\']), "{text}");
    let picture = read(&text);
    let label = format!("odd.> [{ODD}] / start {ODD} (by {ODD}, undone by {ODD})");
    assert!(picture.arrows.contains(&(ODD.into(), "z".into(), label)), "{picture:#?}");
    assert!(picture.notes.contains(&(ODD.into(), format!("entry / {ODD}"))));
}
