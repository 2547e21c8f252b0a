//! What a durable subscription must be handed, in which order, and what of it may come again; and the letters about it.

use std::collections::BTreeSet;

use regie_core::event::{CorrelationId, LifeState};
use regie_core::workflow::EffectEnd;

use super::Model;
use super::event::Seen;
use crate::simulation::subscription::MEANT;

/// What it knows of deliveries.
#[derive(Default)]
pub(super) struct Deliveries {
    /// The last that was handed out, or up to where all is done with.
    last: u64,
    done: BTreeSet<u64>,
    /// Those that were given up, and of these the ones that are done with.
    given_up: BTreeSet<u64>,
    by_letter: BTreeSet<u64>,
}

const LETTERS: &str = "regie/letter/desk/";
const CURSOR: &str = "regie/subscription/desk";

fn is_meant(seen: &Seen) -> bool {
    seen.kind.rsplit_once('.').is_some_and(|(_, last)| MEANT.contains(&last))
}

impl Model {
    /// The positions that it means, after one.
    fn meant_after(&self, position: u64) -> impl Iterator<Item = u64> {
        let after = self.received.range(position + 1..);
        let users = after.filter(|(_, (correlation, _))| !correlation.is_own());
        users.filter(|(_, (of, at))| is_meant(&self.threads[of].events[at].seen)).map(|(position, _)| *position)
    }

    /// One is handed out: the next that is meant.
    pub(crate) fn handed_out(&mut self, position: u64) {
        assert_eq!(
            self.meant_after(self.deliveries.last).next(),
            Some(position),
            "a delivery is left out, or out of order"
        );
        self.deliveries.last = position;
        self.deliveries.done.remove(&position);
    }

    /// One is given up.
    pub(crate) fn gives_up(&mut self, position: u64) {
        self.deliveries.given_up.insert(position);
    }

    /// One is done with: acknowledged, or kept as a letter that stands.
    pub(crate) fn is_done_with(&mut self, position: u64, by_letter: bool) {
        self.deliveries.done.insert(position);
        if by_letter {
            let stands = self.threads.contains_key(&*format!("{LETTERS}{position}"));
            assert!(stands, "the delivery {position} is done with, and its letter does not stand");
            self.deliveries.by_letter.insert(position);
        }
    }

    /// Handing out begins again in the same process: with the first that is not done with.
    pub(crate) fn hands_out_after(&mut self, from: u64) {
        let last = self.deliveries.last;
        let undone = self.meant_after(0).find(|at| *at <= last && !self.deliveries.done.contains(at));
        let next = self.meant_after(from).next();
        assert_eq!(next, undone.or_else(|| self.meant_after(last).next()), "it begins again elsewhere");
        self.deliveries.last = from;
    }

    /// Handing out begins in another process: what the journal says is done with does not come again, and nothing else is left
    /// out.
    pub(crate) fn begins_after(&mut self, from: u64) {
        assert_eq!(from, self.cursor(), "it does not begin after its cursor");
        let left_out = self.meant_after(0).take_while(|at| *at <= from).find(|at| !self.deliveries.done.contains(at));
        assert_eq!(left_out, None, "left out by the cursor at {from}");
        self.deliveries.last = from;
    }

    fn cursor(&self) -> u64 {
        let Some(thread) = self.threads.get(CURSOR) else { return 0 };
        let told = thread.events.values().map(|event| event.seen.id.parse::<u64>().expect("a position"));
        told.fold(0, |before, through| {
            assert!(through > before, "the cursor goes back from {before} to {through}");
            through
        })
    }

    /// All was handed out and is done with, the cursor says so, and each letter is about one that was given up.
    pub(super) fn assert_delivered(&mut self) {
        let missing = self.meant_after(0).find(|at| !self.deliveries.done.contains(at));
        assert_eq!(missing, None, "never delivered");
        assert_eq!(self.meant_after(self.cursor()).next(), None, "the cursor does not say so");
        let from = self.threads.range(CorrelationId::from(LETTERS)..);
        let letters = from.map_while(|(correlation, thread)| Some((correlation.strip_prefix(LETTERS)?, thread)));
        let mut about = BTreeSet::new();
        for (position, thread) in letters {
            let position: u64 = position.parse().expect("a position");
            assert!(self.deliveries.given_up.contains(&position), "a letter about {position}, which was not given up");
            about.insert(position);
            let again = thread.ended.values().filter(|end| matches!(end, EffectEnd::Sent { .. })).count();
            let is_over = thread.run.as_ref().is_some_and(|run| !run.is_running());
            // The last one may have been let on, and delivered, before it was told that it was sent.
            let (letters, told) = (thread.events.len(), 1 + again);
            assert!(letters == told || is_over && letters == told + 1, "{letters} letters about {position}, of {told}");
            let tried = thread.ended.keys().filter(|key| key.step == "retry").count();
            let count = |state| thread.events.values().filter(|event| event.state == state).count();
            let waiting = count(LifeState::Escalated) + count(LifeState::Discarded);
            let let_on = thread.events.len() - waiting;
            assert!(
                tried == let_on || (is_over || thread.parked) && tried <= let_on,
                "{tried} tries of {let_on} letters about {position}"
            );
            self.tally.add_many("letter: tried again", tried as u64);
            self.tally.add_many("letter: discarded", count(LifeState::Discarded) as u64);
            self.tally.add_many("letter: fails again", again as u64);
            self.tally.add_many("letter: delivered after all", u64::from(is_over));
        }
        assert!(self.deliveries.by_letter.is_subset(&about), "letters that do not stand");
    }
}
