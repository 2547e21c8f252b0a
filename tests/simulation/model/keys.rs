//! The policies with state, by what the journal holds: what each judgement took, and whether it may have.

use std::collections::BTreeMap;

use regie_core::event::CorrelationId;
use regie_core::governance::{Booking, Grant, Judgement, PolicyDecision, PolicyOutcome, Verdict, Who};
use regie_core::workflow::{Fact, Record};

use super::foresee::Foreseen;
use super::history::{Comes, History};
use super::thread::Thread;
use crate::simulation::rules::{Does, Rule};

/// Everything that was ever granted, by policy and key.
#[derive(Debug, Default)]
pub(super) struct Keys {
    histories: BTreeMap<(String, String), History>,
    /// How often the clock was set back: instants are compared between.
    pub(super) clock: u32,
    /// Whether policies came into force since the process began: what was reserved under others may still be committed.
    pub(super) others: bool,
}

/// The place that a judgement promised.
pub(super) fn booked(judgement: &Judgement) -> Option<&Booking> {
    grants(judgement).find_map(|(_, grant)| grant.booking())
}

/// What a judgement granted, and by which policy.
pub(super) fn grants(judgement: &Judgement) -> impl Iterator<Item = (&str, &Grant)> {
    judgement.decisions.iter().filter_map(|it| Some((it.policy.as_str(), it.grant.as_ref()?)))
}

impl Keys {
    /// Follows a record of a correlation that has followed it already.
    pub(super) fn follow(&mut self, correlation: &CorrelationId, thread: &Thread, record: &Record) {
        // An event that returns does so first, and gives back its place next.
        let mut returns = None;
        let mut own = None;
        for fact in &record.facts {
            match fact {
                Fact::Moved { event, .. } => returns = Some(*event),
                Fact::Released { booking } => {
                    let who = (correlation.clone(), returns.expect("a return"));
                    self.history(&booking.policy, &booking.key).release(booking.slot, &who);
                    own = Some(booking);
                }
                Fact::Freed { policy, key, event } => {
                    self.history(policy, key).free(&(correlation.clone(), *event));
                }
                Fact::Judged { event, judgement } => {
                    let later =
                        |(_, grant): &(&str, &Grant)| matches!(grant, Grant::Taken { at, .. } if *at > record.at);
                    assert_eq!(grants(judgement).find(later), None, "it counts from later than it was decided");
                    let foreseen = thread.foreseen.as_ref().expect("it was foreseen");
                    if foreseen.stop.is_none() {
                        self.judged((correlation.clone(), *event), judgement, (foreseen, own));
                    }
                }
                _ => {}
            }
        }
    }

    fn history(&mut self, policy: &str, key: &str) -> &mut History {
        self.histories.entry((policy.to_string(), key.to_string())).or_default()
    }

    /// One that the policies without state let pass.
    fn judged(&mut self, who: Who, judgement: &Judgement, (foreseen, own): (&Foreseen, Option<&Booking>)) {
        let decisions = &judgement.decisions[foreseen.decisions.len()..];
        let wants = &foreseen.wants;
        let names: Vec<&str> = decisions.iter().map(|it| it.policy.as_str()).collect();
        let wanted: Vec<&str> = wants.iter().map(|(rule, _)| rule.name).take(names.len()).collect();
        assert_eq!(names, wanted, "policies are looked at in their order");
        let stop = decisions.iter().position(|it| it.outcome != PolicyOutcome::Passed);
        let granted = grants(judgement).count();
        match &judgement.verdict {
            Verdict::Accepted => {
                assert_eq!((stop, decisions.len()), (None, wants.len()), "one goes on that was stopped");
                for ((rule, key), decision) in wants.iter().zip(decisions) {
                    self.passes((rule, key), decision, (&who, judgement, own));
                }
            }
            Verdict::Discarded { .. } => {
                let last = decisions.len().checked_sub(1).expect("somebody says so");
                assert_eq!((stop, granted), (Some(last), 0), "what is discarded spends nothing: {judgement:?}");
                assert_eq!(decisions[last].outcome, PolicyOutcome::Discarded);
                self.is_stopped(&wants[last], &decisions[last], (&who, judgement, own));
            }
            Verdict::Deferred { .. } | Verdict::Waiting { .. } => {
                assert!(foreseen.may_defer, "put off once too often: {judgement:?}");
                assert_eq!(granted, 1, "a deferral books one place and spends nothing");
                let at = decisions.iter().position(|it| it.grant.is_some()).expect("a place");
                assert_eq!(decisions[at].outcome, PolicyOutcome::Deferred);
                let ends_it = stop == Some(at) && matches!(wants[at].0.does, Does::Debounce(..));
                assert_eq!(decisions.len(), if ends_it { at + 1 } else { wants.len() }, "who else is looked at");
                self.defers(&wants[at], &decisions[at], (&who, judgement, own));
            }
            Verdict::Escalated { reason } => {
                assert!(!foreseen.may_defer && reason.starts_with("put off too often"), "escalated by no policy");
                let at = stop.expect("one that would put it off");
                assert_eq!((decisions[at].outcome, granted), (PolicyOutcome::Escalated, 0));
                self.is_stopped(&wants[at], &decisions[at], (&who, judgement, own));
            }
            other => panic!("no policy with state says {other:?}"),
        }
    }

    fn comes<'a>(
        &self,
        who: &'a Who,
        judgement: &Judgement,
        own: Option<&Booking>,
        here: &(&Rule, String),
    ) -> Comes<'a> {
        let at_home = own.filter(|own| own.policy == here.0.name && own.key == here.1);
        let returns = own.is_some();
        let own = at_home.map(|own| own.slot);
        Comes { who, at: judgement.at, own, returns, clock: self.clock, others: self.others }
    }

    fn passes(
        &mut self,
        (rule, key): (&'static Rule, &str),
        decision: &PolicyDecision,
        (who, judgement, own): (&Who, &Judgement, Option<&Booking>),
    ) {
        let comes = self.comes(who, judgement, own, &(rule, key.to_string()));
        self.history(rule.name, key).passes(rule, key, (decision.grant.as_ref(), comes));
    }

    fn is_stopped(
        &mut self,
        here: &(&'static Rule, String),
        decision: &PolicyDecision,
        (who, judgement, own): (&Who, &Judgement, Option<&Booking>),
    ) {
        let comes = self.comes(who, judgement, own, here);
        let (rule, key) = here;
        self.history(rule.name, key).is_stopped(rule, decision, &comes);
    }

    /// The place that it is promised is one that is free.
    fn defers(
        &mut self,
        here: &(&'static Rule, String),
        decision: &PolicyDecision,
        (who, judgement, own): (&Who, &Judgement, Option<&Booking>),
    ) {
        let (rule, key) = here;
        let grant = decision.grant.as_ref().expect("a place");
        let booking = grant.booking().expect("a place");
        assert_eq!((booking.policy.as_str(), &booking.key), (rule.name, key), "a place elsewhere");
        match judgement.verdict {
            Verdict::Deferred { until, .. } => assert_eq!(booking.slot, until),
            _ => assert!(matches!(rule.does, Does::Seats(..)), "it waits without a time"),
        }
        self.is_stopped(here, decision, (who, judgement, own));
        let comes = self.comes(who, judgement, own, here);
        self.history(rule.name, key).books(rule, grant, comes);
    }

    /// No place is promised to nobody, and nobody waits for one that is free.
    pub(super) fn at_rest(&self, limits: &[(&'static str, usize)]) {
        for ((policy, key), history) in &self.histories {
            let limit = limits.iter().find(|(name, _)| name == policy).map(|(_, limit)| *limit);
            history.at_rest(limit, (policy, key));
        }
    }
}
