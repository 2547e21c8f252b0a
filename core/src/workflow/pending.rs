//! What is still owed: recovery, timers and passivation ask nothing else.

use super::command::Command;
use super::effect::{Effect, EffectEnd, EffectKey};
use super::state::{OpenEvent, State};
use crate::event::LifeState;
use crate::{Timestamp, reasoning};

/// Something that is still owed.
#[derive(Clone, Debug, PartialEq)]
pub enum Owed {
    /// An agent's call or a send, owed at once.
    Effect {
        /// Its key.
        key: EffectKey,
        /// What.
        effect: Effect,
    },
    /// A timer of the handler.
    Timer {
        /// Its key.
        key: EffectKey,
        /// When.
        due: Timestamp,
    },
    /// A deferred event comes back: its time has come, or its run has recalled it.
    Return {
        /// The sequence of the record that received it.
        event: u64,
        /// When.
        due: Timestamp,
    },
    /// Reasoners are to be asked about an event, at once.
    Reason {
        /// The sequence of the record that received it.
        event: u64,
        /// Who.
        asks: Vec<reasoning::Ask>,
    },
    /// An escalated event whose time to be resolved runs out.
    Lapse {
        /// The sequence of the record that received it.
        event: u64,
        /// When.
        due: Timestamp,
    },
}

impl Owed {
    /// When it is owed; [`Timestamp::MIN`] for at once.
    pub fn due(&self) -> Timestamp {
        match self {
            Owed::Effect { .. } | Owed::Reason { .. } => Timestamp::MIN,
            Owed::Timer { due, .. } | Owed::Return { due, .. } | Owed::Lapse { due, .. } => *due,
        }
    }

    /// The command that its instant brings; nothing for what is owed to the outside.
    pub fn command(&self) -> Option<Command> {
        match self {
            Owed::Effect { .. } | Owed::Reason { .. } => None,
            Owed::Timer { key, .. } => Some(Command::EffectEnded { key: key.clone(), end: EffectEnd::TimerFired }),
            Owed::Return { event, .. } => Some(Command::Return { event: *event }),
            Owed::Lapse { event, .. } => Some(Command::Lapse { event: *event }),
        }
    }
}

/// Everything that is owed, by instant; within one instant effects by their keys, then returns by their sequences.
pub fn pending(state: &State) -> Vec<Owed> {
    // A paused run lets nothing out; what becomes of its events is governed as ever.
    let paused = state.run().is_some_and(|run| run.paused);
    let owed = state.owed().iter().filter(|_| !paused);
    let effects = owed.map(|(key, effect)| match effect {
        Effect::Timer { due } => Owed::Timer { key: key.clone(), due: *due },
        effect => Owed::Effect { key: key.clone(), effect: effect.clone() },
    });
    let of_events = state.open().iter().filter_map(|(event, open)| of_event(*event, open));
    let mut owed: Vec<Owed> = effects.chain(of_events).collect();
    owed.sort_by_key(Owed::due);
    owed
}

fn of_event(event: u64, open: &OpenEvent) -> Option<Owed> {
    if !open.asks.is_empty() {
        return Some(Owed::Reason { event, asks: open.asks.clone() });
    }
    if let Some(awaits) = &open.awaits {
        return awaits.recalled.then_some(Owed::Return { event, due: Timestamp::MIN });
    }
    let due = open.until?;
    match open.state {
        LifeState::Deferred => Some(Owed::Return { event, due }),
        LifeState::Escalated if open.lapse.is_some() => Some(Owed::Lapse { event, due }),
        _ => None,
    }
}

/// When the correlation must be woken: the earliest of what it owes, [`Timestamp::MIN`] for at once, nothing for never.
pub fn next_due(state: &State) -> Option<Timestamp> {
    if state.owed().is_empty() && state.open().is_empty() {
        return None; // the common case, without a list
    }
    pending(state).first().map(Owed::due)
}
