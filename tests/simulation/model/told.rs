//! What is told of a record besides what follows from it: how it is counted, what is answered first, how often it was tried.

use regie_core::event::LifeState;
use regie_core::governance::{Grant, Judgement, Verdict};
use regie_core::limits;
use regie_core::workflow::Fact;

use super::keys::grants;
use super::thread::First;

/// What a judgement is counted as, if it is not told by the event's move.
pub(super) fn name_of(judgement: &Judgement) -> Option<&'static str> {
    let grants = || grants(judgement).map(|(_, grant)| grant);
    Some(match &judgement.verdict {
        Verdict::Asking { .. } => "policy: asks reasoners first",
        Verdict::Waiting { .. } => "policy: waits for a place",
        Verdict::Escalated { reason } if reason.starts_with("put off too often") => "policy: put off too often",
        Verdict::Escalated { .. } => "policy: escalated",
        Verdict::EscalatedUntil { .. } => "policy: escalated for a time",
        Verdict::Accepted if grants().any(|grant| matches!(grant, Grant::Held { .. })) => "policy: takes a place",
        Verdict::Accepted if grants().any(|grant| matches!(grant, Grant::Placed { .. })) => "policy: enters a session",
        Verdict::Accepted if grants().any(|grant| matches!(grant, Grant::Spent { .. })) => "policy: spends of a rate",
        Verdict::Deferred { .. } if grants().any(|grant| matches!(grant, Grant::Burst { .. })) => "policy: debounced",
        Verdict::Deferred { .. } if grants().next().is_none() => "policy: deferred, for a reasoner is silent",
        _ => return None,
    })
}

pub(super) fn first_of(sequence: u64, facts: &[Fact]) -> First {
    let moved = facts.iter().filter_map(|fact| match fact {
        Fact::Moved { event, to, .. } if *event == sequence => Some(*to),
        _ => None,
    });
    let moves: Vec<LifeState> = std::iter::once(LifeState::Pending).chain(moved).collect();
    let until = facts.iter().find_map(|fact| match fact {
        Fact::Judged { judgement, .. } => match judgement.verdict {
            Verdict::Deferred { until, .. } => Some(until),
            _ => None,
        },
        _ => None,
    });
    First { state: *moves.last().expect("at least one"), until, moves }
}

/// What is parked was refused by its handler, or has killed its workflow so often.
pub(super) fn assert_attempts(facts: &[Fact], deaths: u32) {
    for fact in facts {
        if let Fact::Parked { attempts, .. } = fact {
            let tried = (limits::POISON_ATTEMPTS..=deaths).contains(attempts);
            assert!(*attempts == 1 || tried, "parked after {attempts} attempts, of {deaths} deaths");
        }
    }
}
