//! A machine as a picture: a state diagram that Mermaid draws.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Machine;
use super::model::{Deed, End, MachineData, MachineState, StatePlan, Table, Transition, name_of};
use crate::workflow::drawn::escaped;

impl<S: MachineState, D: MachineData> Machine<S, D> {
    /// The machine as a Mermaid state diagram (`stateDiagram-v2`), with guards in brackets, what is done after a slash, waits,
    /// and who puts which step back. The same machine gives the same text.
    pub fn to_mermaid(&self) -> String {
        draw(&self.table, None)
    }

    /// The same, with the state marked that a run is in.
    pub fn to_mermaid_at(&self, state: &S) -> String {
        draw(&self.table, Some(state))
    }
}

fn draw<S: MachineState, D>(table: &Table<S, D>, current: Option<&S>) -> String {
    let ids: BTreeMap<&S, String> =
        table.states.keys().zip(1_u32..).map(|(state, at)| (state, format!("s{at}"))).collect();
    let mut lines = vec!["stateDiagram-v2".to_string()];
    for (state, id) in &ids {
        lines.push(format!("    state \"{}\" as {id}", escaped(&name_of(*state))));
    }
    if let Some(first) = ids.get(&table.initial) {
        lines.push(format!("    [*] --> {first}"));
    }
    for (state, plan) in &table.states {
        draw_state(table, plan, (&ids[state], &ids), &mut lines);
    }
    if let Some(id) = current.and_then(|state| ids.get(state)) {
        lines.push("    classDef current stroke-width:4px".into());
        lines.push(format!("    class {id} current"));
    }
    lines.join("\n") + "\n"
}

fn draw_state<S: MachineState, D>(
    table: &Table<S, D>,
    plan: &StatePlan<S, D>,
    (id, ids): (&str, &BTreeMap<&S, String>),
    lines: &mut Vec<String>,
) {
    for (what, deeds) in [("entry", &plan.entry), ("exit", &plan.exit)] {
        if !deeds.is_empty() {
            lines.push(format!("    {id} : {what} / {}", done(table, deeds)));
        }
    }
    for way in &plan.transitions {
        let label = label(table, way);
        match way.to.first().and_then(|to| ids.get(to)) {
            Some(to) => lines.push(format!("    {id} --> {to} : {label}")),
            None => lines.push(format!("    {id} : on {label}")),
        }
    }
    for end in &plan.ends {
        let how = match end {
            End::Completes(_) => "completes",
            End::Fails(_) => "fails",
        };
        lines.push(format!("    {id} --> [*] : {how}"));
    }
}

/// What sets it off, its guards in brackets, and after a slash what is done.
fn label<S, D>(table: &Table<S, D>, way: &Transition<S, D>) -> String {
    let mut label = escaped(&way.trigger.to_string());
    if !way.guards.is_empty() {
        let guards: Vec<String> = way.guards.iter().map(|guard| escaped(&guard.name)).collect();
        let _ = write!(label, " [{}]", guards.join(", "));
    }
    if !way.deeds.is_empty() {
        let _ = write!(label, " / {}", done(table, &way.deeds));
    }
    label
}

fn done<S, D>(table: &Table<S, D>, deeds: &[Deed<D>]) -> String {
    let told = deeds.iter().map(|deed| match deed {
        Deed::Start { step, .. } => escaped(&deed.to_string()) + &by_whom(table, step),
        deed => escaped(&deed.to_string()),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Who does a step, and who puts it back.
fn by_whom<S, D>(table: &Table<S, D>, step: &str) -> String {
    let Some(plan) = table.steps.get(step) else { return String::new() };
    let undo = plan.undo.as_ref().map(|undo| format!(", undone by {}", escaped(&undo.agent)));
    format!(" (by {}{})", escaped(&plan.agent), undo.unwrap_or_default())
}
