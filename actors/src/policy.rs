//! Owns the state of the policies that hold any. One mailbox, so that of N racing events of one key one goes on.
//!
//! Should its rules panic, it forgets everything and reads its state anew from the journal, behind a fence; who asks
//! meanwhile is refused, and what was granted before and commits only later has it read once more.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use regie_core::governance::{AskId, Governor, PolicySet, Ruling, Settled};
use regie_core::limits;
use regie_core::workflow::Record;
use regie_journal::{Reader, StoreError};

use crate::clock::Clock;
use crate::journal::JournalHandle;
use crate::lane::{FromPolicy, ToPolicy, WayBack, answer_lane};
use crate::pool::ReaderPool;

/// How soon a state that could not be read is read again.
const AGAIN: Duration = Duration::from_millis(200);

/// The actor.
pub struct Policy {
    /// None while it is read anew.
    governor: Option<Governor>,
    set: Arc<PolicySet>,
    clock: Clock,
    journal: JournalHandle,
    readers: ReaderPool,
    unanswered: HashMap<AskId, WayBack>,
    /// Answers that go back together, each to its lane.
    answers: Vec<(WayBack, AskId, Ruling)>,
    /// Asks that hold reservations here.
    holding: HashSet<AskId>,
    /// Asks whose reservations were forgotten, and that may still commit.
    forgotten: HashSet<AskId>,
    /// How often it was read anew: only the latest reading counts, for an earlier one lacks what committed since.
    readings: u64,
}

impl Policy {
    /// Over the state that the journal gave.
    pub fn new(
        governor: Governor,
        set: Arc<PolicySet>,
        clock: Clock,
        journal: JournalHandle,
        readers: ReaderPool,
    ) -> Self {
        Self {
            governor: Some(governor),
            set,
            clock,
            journal,
            readers,
            unanswered: HashMap::new(),
            answers: Vec::new(),
            holding: HashSet::new(),
            forgotten: HashSet::new(),
            readings: 0,
        }
    }

    /// Lets the rules work; should they panic, their state is read anew.
    fn think(&mut self, ctx: &mut Context<Self>, rules: impl FnOnce(&mut Governor) -> Vec<Settled>) {
        let Some(governor) = &mut self.governor else { return };
        match catch_unwind(AssertUnwindSafe(|| rules(governor))) {
            Ok(settled) => self.answer(settled),
            Err(_) => {
                tracing::error!("the policies' state panicked; it is read anew");
                self.read_anew(ctx);
            }
        }
    }

    fn answer(&mut self, settled: Vec<Settled>) {
        for (ask, ruling) in settled {
            self.holding.insert(ask);
            if let Some(way_back) = self.unanswered.remove(&ask) {
                self.answers.push((way_back, ask, ruling));
            }
        }
    }

    /// One message a lane: answers cross threads gathered.
    fn send_answers(&mut self) {
        type Gathered = (Arc<Recipient<FromPolicy>>, Vec<(AskId, Option<Ruling>)>);
        let mut gathered: Vec<Gathered> = Vec::new();
        for (way_back, ask, ruling) in self.answers.drain(..) {
            let Some(lane) = way_back.lane() else { continue };
            let answer = (ask, Some(ruling));
            match gathered.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &lane)) {
                Some((_, answers)) => answers.push(answer),
                None => gathered.push((lane, vec![answer])),
            }
        }
        gathered.into_iter().for_each(|(lane, answers)| answer_lane(&lane, FromPolicy(answers)));
    }

    fn read_anew(&mut self, ctx: &mut Context<Self>) {
        self.governor = None;
        self.readings += 1;
        let this = self.readings;
        self.unanswered.clear(); // whoever waits is told by the loss of the way back
        self.forgotten.extend(self.holding.drain());
        let (fence, readers, set) = (self.journal.fence(), self.readers.clone(), Arc::clone(&self.set));
        let read = async move {
            let _ = fence.await;
            readers.run(move |reader| read_governor(&set, reader)).await
        };
        ctx.spawn(read.into_actor(self).map(move |governor, policy, ctx| match governor {
            _ if policy.readings != this => {}
            Ok(governor) => policy.governor = Some(governor),
            Err(error) => {
                tracing::error!(%error, "the policies' state cannot be read; it is tried again");
                ctx.run_later(AGAIN, |policy, ctx| policy.read_anew(ctx));
            }
        }));
    }

    fn settle(&mut self, ask: AskId, committed: bool, ctx: &mut Context<Self>) {
        if self.forgotten.remove(&ask) {
            if committed {
                self.read_anew(ctx);
            }
            return;
        }
        self.holding.remove(&ask);
        let waited = self.unanswered.remove(&ask).is_some();
        let now = self.clock.now();
        self.think(ctx, |governor| match waited {
            true => governor.forget(ask, now),
            false => governor.settle(ask, committed, now),
        });
    }
}

impl Actor for Policy {
    type Context = Context<Self>;
}

impl Handler<ToPolicy> for Policy {
    type Result = ();

    fn handle(&mut self, ToPolicy { asks, settled }: ToPolicy, ctx: &mut Self::Context) {
        for (ask, committed) in settled {
            self.settle(ask, committed, ctx);
        }
        for (ask, reply) in asks {
            if self.governor.is_some() {
                self.unanswered.insert(ask.id, reply);
                let now = self.clock.now();
                self.think(ctx, |governor| governor.ask(ask, now).into_iter().collect());
            }
        }
        self.send_answers();
    }
}

/// The state of the policies: what the index has folded, and what came after.
///
/// # Errors
/// If the journal cannot be read.
pub fn read_governor(set: &PolicySet, reader: &mut Reader) -> Result<Governor, StoreError> {
    let mut governor = Governor::new(set);
    if set.windows().next().is_none() {
        return Ok(governor);
    }
    let grants = reader.grants()?;
    grants.taken.iter().for_each(|taken| governor.was_taken(&taken.policy, &taken.key, taken.at));
    grants.booked.iter().for_each(|booked| governor.was_booked(&booked.booking));
    let mut position = grants.position;
    loop {
        let rows = reader.rows_after(position, limits::COMMIT_TURNS)?;
        let Some(last) = rows.last() else { return Ok(governor) };
        position = last.last();
        for record in rows.iter().flat_map(|row| &row.records) {
            let record =
                Record::decode(&record.bytes).map_err(|error| StoreError::Damaged { why: error.to_string() })?;
            record.facts.iter().for_each(|fact| governor.replay(fact));
        }
    }
}
