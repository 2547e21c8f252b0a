//! Names: that they are some, that nobody has them twice, and that what they name is there.

use std::collections::{BTreeMap, BTreeSet};

use super::super::builder::MachineBuilder;
use super::super::model::{Deed, MachineData, MachineState, Transition, Trigger, name_of};
use super::{Faults, transitions};
use crate::event::Pattern;
use crate::limits;
use crate::workflow::own::is_own_name;
use crate::workflow::step::{UNDO_FAULT, faults_of, is_a_wait};

/// Whether the rest can be looked at in reasonable time.
pub(super) fn check_size<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>, faults: &mut Faults) -> bool {
    let counts = [
        ("states", machine.states.len(), limits::MACHINE_STATES),
        ("transitions", machine.states.values().map(|plan| plan.transitions.len()).sum(), limits::MACHINE_TRANSITIONS),
        ("steps", machine.steps.len(), limits::MACHINE_STEPS),
    ];
    for (what, count, most) in counts {
        faults.unless(count <= most, "the machine", format!("it has {count} {what}; at most {most} may be"));
    }
    faults.0.is_empty()
}

pub(super) fn check<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>, faults: &mut Faults) {
    check_machine(machine, faults);
    check_states(machine, faults);
    let begun = begun(machine);
    check_steps(machine, &begun, faults);
    let steps: BTreeSet<&str> = machine.steps.iter().map(|(name, _)| name.as_str()).collect();
    for (state, plan) in &machine.states {
        for (what, deeds) in [("entry", &plan.entry), ("exit", &plan.exit)] {
            check_deeds(&format!("state {}, {what}", name_of(state)), deeds, &steps, faults);
        }
    }
    let sent = sent(machine);
    for (_, place, way) in transitions(machine) {
        check_deeds(&place, &way.deeds, &steps, faults);
        check_guards(&place, way, faults);
        check_trigger(&place, &way.trigger, (&steps, &sent), faults);
    }
}

fn is_name(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len()) && !name.contains(char::is_control)
}

fn check_machine<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>, faults: &mut Faults) {
    let place = "the machine";
    let most = limits::ID_BYTES;
    faults.unless(
        is_name(&machine.name, most),
        place,
        format!("its name has 1 to {most} bytes without control characters"),
    );
    faults.unless(!is_own_name(&machine.name), place, "names that begin with 'regie.' are the runtime's own");
    faults.unless(machine.version > 0, place, "versions begin at 1");
    match &machine.starts_on[..] {
        [] => faults.add(place, "nothing begins it: say starts_on"),
        [one] => check_pattern("starts_on", one, faults),
        _ => faults.add("starts_on", "it is said more than once: one pattern begins a machine"),
    }
    let mut sent = BTreeSet::new();
    for name in machine.farewells.names() {
        let good = is_name(name, limits::STEP_NAME_BYTES) && sent.insert(name);
        let most = limits::STEP_NAME_BYTES;
        let why = format!(
            "'{}' is sent at its end: a name has 1 to {most} bytes, and no two have the same",
            name.escape_debug()
        );
        faults.unless(good, place, why);
    }
    machine.exceptions.iter().for_each(|(text, _)| check_pattern("otherwise_for", text, faults));
}

fn check_pattern(place: &str, text: &str, faults: &mut Faults) {
    if let Err(error) = Pattern::parse(text) {
        faults.add(place, error.to_string());
    }
}

fn check_states<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>, faults: &mut Faults) {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    machine.states.keys().for_each(|state| *names.entry(name_of(state)).or_default() += 1);
    for (name, count) in names {
        let place = format!("state {name}");
        let most = limits::ID_BYTES;
        faults.unless(is_name(&name, most), &place, format!("its Debug text has 1 to {most} bytes, on one line"));
        faults.unless(count == 1, &place, format!("{count} states have this Debug text"));
    }
}

/// What is started somewhere.
fn begun<S: MachineState, D>(machine: &MachineBuilder<S, D>) -> BTreeSet<&str> {
    let started = all_deeds(machine).filter_map(|deed| match deed {
        Deed::Start { step, .. } => Some(step.as_str()),
        _ => None,
    });
    started.collect()
}

/// What is sent or updated somewhere.
fn sent<S: MachineState, D>(machine: &MachineBuilder<S, D>) -> BTreeSet<&str> {
    let sent = all_deeds(machine).filter_map(|deed| match deed {
        Deed::Send { name, .. } | Deed::Update { name, .. } => Some(name.as_str()),
        _ => None,
    });
    sent.collect()
}

fn all_deeds<S: MachineState, D>(machine: &MachineBuilder<S, D>) -> impl Iterator<Item = &Deed<D>> {
    machine.states.values().flat_map(|plan| {
        let ways = plan.transitions.iter().flat_map(|way| &way.deeds);
        plan.entry.iter().chain(&plan.exit).chain(ways)
    })
}

fn check_steps<S: MachineState, D: MachineData>(
    machine: &MachineBuilder<S, D>,
    begun: &BTreeSet<&str>,
    faults: &mut Faults,
) {
    let mut seen = BTreeSet::new();
    for (name, plan) in &machine.steps {
        let place = format!("step '{}'", name.escape_debug());
        let most = limits::STEP_NAME_BYTES;
        let good = is_name(name, most) && !name.starts_with('~');
        faults.unless(
            good,
            &place,
            format!("its name has 1 to {most} bytes without control characters, and does not begin with '~'"),
        );
        faults.unless(seen.insert(name), &place, "it is said twice");
        faults.unless(begun.contains(name.as_str()), &place, "nothing starts it");
        let undo = plan.undo.iter().map(|undo| (UNDO_FAULT, &undo.agent, (undo.timeout, &undo.retry)));
        let own = ("", &plan.agent, (plan.timeout, &plan.retry));
        for (whose, agent, (limit, retry)) in std::iter::once(own).chain(undo) {
            let most = limits::ID_BYTES;
            faults.unless(
                is_name(agent, most),
                &place,
                format!("{whose}an agent's name has 1 to {most} bytes without control characters"),
            );
            faults_of(limit, retry).for_each(|fault| faults.add(&place, format!("{whose}{fault}")));
        }
    }
}

fn check_deeds<D>(place: &str, deeds: &[Deed<D>], steps: &BTreeSet<&str>, faults: &mut Faults) {
    for deed in deeds {
        match deed {
            Deed::Start { step, .. } | Deed::GiveUp { step } => check_step(place, step, steps, faults),
            Deed::Act { name, .. } | Deed::Send { name, .. } | Deed::Update { name, .. } => {
                let most = limits::STEP_NAME_BYTES;
                faults.unless(
                    is_name(name, most),
                    place,
                    format!("the name of an action has 1 to {most} bytes without control characters"),
                );
            }
        }
    }
}

fn check_step(place: &str, step: &str, steps: &BTreeSet<&str>, faults: &mut Faults) {
    if !steps.contains(step) {
        let known: Vec<&str> = steps.iter().copied().collect();
        let near = crate::near::nearest(step, known.iter().copied());
        let near = near.map(|near| format!(": did you mean '{near}'?")).unwrap_or_default();
        faults.add(place, format!("there is no step '{}'{near}", step.escape_debug()));
    }
}

fn check_guards<S, D>(place: &str, way: &Transition<S, D>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for guard in &way.guards {
        let most = limits::STEP_NAME_BYTES;
        let named = is_name(&guard.name, most);
        faults.unless(named, place, format!("the name of a guard has 1 to {most} bytes without control characters"));
        faults.unless(seen.insert(&guard.name), place, format!("two guards are named '{}'", guard.name));
    }
}

fn check_trigger(
    place: &str,
    trigger: &Trigger,
    (steps, sent): (&BTreeSet<&str>, &BTreeSet<&str>),
    faults: &mut Faults,
) {
    match trigger {
        Trigger::NoPattern(text) => check_pattern(place, text, faults),
        Trigger::Done(step) | Trigger::Failed(step) => check_step(place, step, steps, faults),
        Trigger::NotSent(name) => {
            faults.unless(sent.contains(name.as_str()), place, format!("nothing is sent by the name '{name}'"));
        }
        Trigger::After(wait) => {
            faults.unless(is_a_wait(*wait), place, "a wait has at least 1 ms and at most a year");
            faults.unless(wait.subsec_nanos() % 1_000_000 == 0, place, "a wait is in whole milliseconds");
        }
        Trigger::Event(_) => {}
    }
}
