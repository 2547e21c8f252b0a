//! The program that a process runs: its handlers and its policies. A restart may bring another.

use regie_core::workflow::{Definitions, own_definitions};

use crate::simulation::rules::{InForce, NONE, OTHER, Policies, USUAL};
use crate::simulation::script::Puppet;
use crate::simulation::workflows::definitions;

/// Which handlers and which policies there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kind {
    /// The newest version of the definition `puppet`.
    pub(crate) puppet: u32,
    /// Whether there is the definition `guest`.
    pub(crate) guest: bool,
    /// The newest version of the workflows; none at all where it is 0.
    pub(crate) flows: u32,
    /// None at all, or one of several sets.
    pub(crate) policies: &'static Policies,
}

/// The program that has everything, and those that a restart may bring.
pub(crate) const WHOLE: Kind = Kind { puppet: 2, guest: true, flows: 2, policies: USUAL };
pub(crate) const KINDS: &[Kind] = &[
    Kind { puppet: 1, guest: true, flows: 1, policies: USUAL },
    Kind { puppet: 2, guest: false, flows: 2, policies: USUAL },
    Kind { puppet: 2, guest: true, flows: 0, policies: OTHER },
    Kind { puppet: 1, guest: true, flows: 2, policies: NONE },
    WHOLE,
];

/// A program that can run.
pub(crate) struct Program {
    pub(crate) kind: Kind,
    pub(crate) definitions: Definitions,
    pub(crate) in_force: InForce,
}

impl Program {
    pub(crate) fn new(kind: Kind) -> Self {
        let mut definitions = own_definitions();
        (1..=kind.puppet).for_each(|version| assert!(definitions.add(Puppet { name: "puppet", version })));
        if kind.guest {
            assert!(definitions.add(Puppet { name: "guest", version: 1 }));
        }
        (1..=kind.flows).for_each(|version| definitions::add(&mut definitions, version));
        Self { kind, definitions, in_force: kind.policies.in_force() }
    }
}
