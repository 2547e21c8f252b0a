//! The shape: where one can come from the first state, and where one is stuck.

use std::collections::{BTreeMap, BTreeSet};

use super::super::builder::MachineBuilder;
use super::super::model::{Deed, MachineData, MachineState, StatePlan, Transition, Trigger, Unmatched, name_of};
use super::super::patterns::{covers, meet};
use super::{Faults, place_of, transitions};
use crate::event::Pattern;
use crate::limits;

pub(super) fn check<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>, faults: &mut Faults) {
    check_targets(machine, faults);
    check_reached(machine, faults);
    check_begun(machine, faults);
    for (state, plan) in &machine.states {
        check_end(state, plan, faults);
        check_ambiguous(state, plan, faults);
    }
    check_loops(machine, faults);
    check_effects(machine, faults);
}

/// What one transition asks for is no more than a turn may ask for, with the waits of the state that it leads to.
fn check_effects<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>, faults: &mut Faults) {
    let of = |deeds: &[Deed<D>]| {
        deeds.iter().filter(|deed| matches!(deed, Deed::Start { .. } | Deed::Send { .. } | Deed::Update { .. })).count()
    };
    let entered = |plan: &StatePlan<S, D>| {
        let waits = plan.transitions.iter().filter(|way| matches!(way.trigger, Trigger::After(_))).count();
        of(&plan.entry) + waits
    };
    let most = limits::REACTION_EFFECTS;
    for (state, place, way) in transitions(machine) {
        let left = way.to.first().and_then(|_| machine.states.get(state)).map_or(0, |plan| of(&plan.exit));
        let next = way.to.first().and_then(|to| machine.states.get(to)).map_or(0, entered);
        let count = left + of(&way.deeds) + next;
        faults.unless(count <= most, place, format!("it asks for {count} effects at once; at most {most} may be"));
    }
    if let Some(count) = machine.states.get(&machine.initial).map(entered).filter(|count| *count > most) {
        let place = format!("state {}", name_of(&machine.initial));
        faults.add(place, format!("it asks for {count} effects at once; at most {most} may be"));
    }
}

fn check_targets<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>, faults: &mut Faults) {
    if !machine.states.contains_key(&machine.initial) {
        faults
            .add(format!("state {}", name_of(&machine.initial)), "the machine begins in it, and nothing is said of it");
    }
    for (_, place, way) in transitions(machine) {
        faults.unless(way.to.len() <= 1, &place, "it leads to more than one state");
        for to in way.to.iter().filter(|to| !machine.states.contains_key(to)) {
            faults.add(&place, format!("it leads to state {}, of which nothing is said", name_of(to)));
        }
    }
}

fn check_reached<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>, faults: &mut Faults) {
    let mut reached = BTreeSet::from([&machine.initial]);
    let mut next = vec![&machine.initial];
    while let Some(state) = next.pop() {
        let ways = machine.states.get(state).into_iter().flat_map(|plan| &plan.transitions);
        next.extend(ways.flat_map(|way| &way.to).filter(|to| reached.insert(to)));
    }
    for state in machine.states.keys().filter(|state| !reached.contains(state)) {
        faults.add(format!("state {}", name_of(state)), "no transition leads to it from the first state");
    }
}

/// What begins the machine has a place in its first state, or waits or is passed over on purpose.
fn check_begun<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>, faults: &mut Faults) {
    let patterns = machine.starts_on.iter().filter_map(|text| Pattern::parse(text).ok());
    let is_refused = machine.unmatched() == Unmatched::Refuse && machine.exceptions.is_empty();
    let first: Vec<&Pattern> = machine
        .states
        .get(&machine.initial)
        .map_or_else(Vec::new, |plan| plan.transitions.iter().filter_map(|way| event_of(&way.trigger)).collect());
    for pattern in patterns.filter(|_| is_refused) {
        let has_place = first.iter().any(|mine| meet(mine, &pattern));
        let name = name_of(&machine.initial);
        faults.unless(has_place, "starts_on", format!("'{pattern}' has no transition in state {name}, and is refused"));
    }
}

fn event_of(trigger: &Trigger) -> Option<&Pattern> {
    if let Trigger::Event(pattern) = trigger { Some(pattern) } else { None }
}

fn check_end<S: MachineState, D>(state: &S, plan: &StatePlan<S, D>, faults: &mut Faults) {
    let place = format!("state {}", name_of(state));
    if plan.ends.is_empty() {
        let is_left = plan.transitions.iter().flat_map(|way| &way.to).any(|to| to != state);
        let why = "a dead end: no transition leads out of it, and it neither completes nor fails";
        return faults.unless(is_left, place, why);
    }
    faults.unless(plan.ends.len() == 1, &place, "it is said more than once how the machine ends in it");
    let is_bare = plan.transitions.is_empty() && plan.exit.is_empty();
    faults.unless(is_bare, &place, "the machine ends in it: nothing leads out of it, and it is never left");
    let starts = plan.entry.iter().any(|deed| matches!(deed, Deed::Start { .. }));
    faults.unless(!starts, &place, "the machine ends in it: a step that starts there would be given up at once");
}

/// A transition that is never taken, because one before it always is; and two without guards that some events fit both,
/// where neither is meant for a part of what the other is for.
fn check_ambiguous<S: MachineState, D>(state: &S, plan: &StatePlan<S, D>, faults: &mut Faults) {
    for (at, way) in plan.transitions.iter().enumerate() {
        let before = plan.transitions[..at].iter().position(|before| always_before(before, way));
        if let Some(before) = before {
            let first = &plan.transitions[before];
            let how = if first.guards.is_empty() { "which has no guard" } else { "which has the same guards" };
            let why = format!("it is never taken: transition {} ({}), {how}, comes first", before + 1, first.trigger);
            faults.add(place_of(state, at, way), why);
            continue;
        }
        let other = plan.transitions[..at].iter().position(|before| overlap(before, way));
        if let Some(other) = other {
            let first = &plan.transitions[other];
            let why = format!("it is ambiguous: some events fit transition {} ({}) too", other + 1, first.trigger);
            faults.add(place_of(state, at, way), format!("{why}, and neither has a guard"));
        }
    }
}

/// Whether some events set both off, without a guard to tell them apart and without one being the exception to the other.
fn overlap<S, D>(earlier: &Transition<S, D>, later: &Transition<S, D>) -> bool {
    match (&earlier.trigger, &later.trigger) {
        (Trigger::Event(one), Trigger::Event(other)) if earlier.guards.is_empty() && later.guards.is_empty() => {
            meet(one, other) && !covers(other, one)
        }
        _ => false,
    }
}

/// Whether whatever sets the later one off is taken by the earlier one: its guards are some of the later one's.
fn always_before<S, D>(earlier: &Transition<S, D>, later: &Transition<S, D>) -> bool {
    let covered = match (&earlier.trigger, &later.trigger) {
        (Trigger::Event(wide), Trigger::Event(narrow)) => covers(wide, narrow),
        (one, other) => one == other,
    };
    covered && earlier.guards.iter().all(|mine| later.guards.iter().any(|other| other.name == mine.name))
}

/// States that time alone drives round and round, so that the journal grows for ever.
fn check_loops<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>, faults: &mut Faults) {
    let driven: BTreeMap<&S, &S> =
        machine.states.iter().filter_map(|(state, plan)| Some((state, driven_to(state, plan)?))).collect();
    let mut seen = BTreeSet::new();
    for start in driven.keys() {
        let (mut path, mut state) = (Vec::new(), *start);
        while let Some(next) = driven.get(state).filter(|_| seen.insert(state)) {
            path.push(state);
            state = next;
        }
        // Where the walk met an earlier one, what there is to tell was told.
        let Some(first) = path.iter().position(|it| *it == state) else { continue };
        let names: Vec<String> = path[first..].iter().map(|state| name_of(*state)).collect();
        let why = "time alone leads round without end: no event, no step and no guard leads out";
        faults.add(format!("state {}", names[0]), format!("{why} of {}", names.join(", ")));
    }
}

/// Where time alone leads from a state, if nothing else may.
fn driven_to<'a, S: MachineState, D>(state: &'a S, plan: &'a StatePlan<S, D>) -> Option<&'a S> {
    let mut waits = Vec::new();
    for way in &plan.transitions {
        match (&way.trigger, way.to.first()) {
            (Trigger::After(wait), Some(to)) if way.guards.is_empty() => waits.push((*wait, to)),
            (_, Some(to)) if to != state => return None,
            _ => {}
        }
    }
    waits.into_iter().min_by_key(|(wait, _)| *wait).map(|(_, to)| to)
}
