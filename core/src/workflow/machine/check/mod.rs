//! What is wrong with a machine, all of it at once and each with its place.

mod names;
mod shape;

use std::fmt;

use super::builder::MachineBuilder;
use super::model::{MachineData, MachineState, Transition, name_of};

/// Something that is wrong with a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineFault {
    /// Where: a state, a transition by its number in its state, a step.
    pub place: String,
    /// What.
    pub why: String,
}

impl fmt::Display for MachineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

/// Why a machine cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine '{machine}' does not hold:{}", listed(.faults))]
pub struct MachineError {
    /// Its name.
    pub machine: String,
    /// All that is wrong.
    pub faults: Vec<MachineFault>,
}

fn listed(faults: &[MachineFault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

/// The faults that are found so far.
#[derive(Default)]
struct Faults(Vec<MachineFault>);

impl Faults {
    fn add(&mut self, place: impl Into<String>, why: impl Into<String>) {
        self.0.push(MachineFault { place: place.into(), why: why.into() });
    }

    fn unless(&mut self, holds: bool, place: impl Into<String>, why: impl Into<String>) {
        if !holds {
            self.add(place, why);
        }
    }
}

/// All that is wrong with a machine.
pub(super) fn faults<S: MachineState, D: MachineData>(machine: &MachineBuilder<S, D>) -> Vec<MachineFault> {
    let mut faults = Faults::default();
    if names::check_size(machine, &mut faults) {
        names::check(machine, &mut faults);
        shape::check(machine, &mut faults);
    }
    faults.0
}

/// Every transition with its place.
fn transitions<S: MachineState, D>(
    machine: &MachineBuilder<S, D>,
) -> impl Iterator<Item = (&S, String, &Transition<S, D>)> {
    machine.states.iter().flat_map(|(state, plan)| {
        let placed = move |(at, way)| (state, place_of(state, at, way), way);
        plan.transitions.iter().enumerate().map(placed)
    })
}

fn place_of<S: MachineState, D>(state: &S, at: usize, way: &Transition<S, D>) -> String {
    format!("state {}, transition {} ({})", name_of(state), at + 1, way.trigger)
}
