//! Automation: follows the journal, lets the rules in force look at each event, and has their runs recorded.
//!
//! What rules give follows from the journal, and from the catalogue that brings old versions of events up: the set in force is
//! recorded in the journal, and a run's id is made from its rule, trigger and subject. So a run that was recorded before a
//! crash is the same when its trigger is looked at again, and is not done twice. What is known of the user's things is kept
//! in the index from time to time; without it, it is learnt anew.

mod in_force;
mod submit;
mod view;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::prelude::*;
use regie_core::automation::{Evaluator, Knowledge, RuleSet, Run, Takeover};
use regie_core::event::Catalogue;
use regie_core::{Digest, Json, limits};
use regie_journal::{Followed, Kept, Readers, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::faults::FaultPoint;
use crate::following::{Following, Looked};
use crate::index::IndexHandle;
use crate::journal::JournalHandle;
use crate::life::Life;
use crate::processed::{Processed, ProcessedEvents};

pub use in_force::{CurrentRules, RulesInForce, recorded_rules};
pub use submit::Submitter;
pub use view::AutomationView;

/// The name and version under which it is kept what the rules know.
const KEPT: (&str, u32) = ("regie/rules", 2);
/// Events after which that is kept again.
const KEEPS_EVERY: u64 = 50_000;
/// Runs that are gathered before they are recorded; those of one event are always recorded together.
const RUNS_AT_ONCE: usize = 256;

/// What the actor needs from outside.
#[derive(Clone)]
pub struct AutomationSources {
    /// Where the journal is read.
    pub readers: Readers,
    /// What announces its head.
    pub journal: JournalHandle,
    /// Where it is kept what the rules know; nowhere for a journal in memory.
    pub index: Option<IndexHandle>,
    /// The rules in force.
    pub rules: CurrentRules,
    /// The event types that are known.
    pub catalogue: Catalogue,
    /// The way to the runs' correlations.
    pub submitter: Submitter,
    /// What others may see of it.
    pub view: Arc<AutomationView>,
    /// Told how far all is looked at, and what follows from it recorded.
    pub through: Arc<watch::Sender<u64>>,
}

/// What the rules know, as it is kept.
#[derive(Serialize, Deserialize)]
struct Body {
    rules: String,
    known: Knowledge,
}

/// Keeps what there is: the runtime is about to end.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Keep;

#[derive(Message)]
#[rtype(result = "()")]
struct Look;

/// The actor.
pub struct Automation {
    evaluator: Evaluator,
    following: Following,
    /// What was read and is not taken in yet.
    unread: VecDeque<Followed>,
    processed: ProcessedEvents,
    sources: AutomationSources,
    /// What was committed before this life began may have been looked at in an earlier one.
    began_at: u64,
    kept_at: u64,
    /// Whether what is known is ahead of the runs that are recorded, since they are on their way, or were thrown away and
    /// are to be made out anew: then it is not kept.
    ahead: bool,
    life: Life,
}

impl Automation {
    /// Over the journal as it is; what the rules know is taken up where it was kept.
    pub fn new(sources: AutomationSources, life: Life) -> Self {
        let (evaluator, from) = resumed(&sources.readers).unwrap_or_else(|| (Evaluator::new(RuleSet::default()), 0));
        let following = Following::new(sources.readers.clone(), &sources.journal, from);
        let began_at = sources.journal.view().position.load(Ordering::Acquire);
        let (processed, unread) = (ProcessedEvents::new(sources.readers.clone()), VecDeque::new());
        Self { evaluator, following, unread, processed, sources, began_at, kept_at: from, ahead: false, life }
    }

    /// Takes in what was read, until there are runs enough to be recorded; gives the runs that follow.
    fn take(&mut self) -> Result<Vec<Run>, StoreError> {
        let mut runs = Vec::new();
        while runs.len() < RUNS_AT_ONCE {
            let Some(followed) = self.unread.pop_front() else { break };
            match followed {
                Followed::Rules { position, digest, text } => self.take_over(digest, &text, position)?,
                followed => {
                    if let Some(processed) = self.processed.of(followed)? {
                        self.event(&processed, &mut runs);
                    }
                }
            }
        }
        Ok(runs)
    }

    fn event(&mut self, processed: &Processed, runs: &mut Vec<Run>) {
        let event = processed.event(&self.sources.catalogue);
        let taken = self.evaluator.take(&processed.committed(&event));
        for error in taken.errors {
            tracing::warn!(position = processed.by, %error, "the rules cannot take an event in");
            self.sources.view.trouble(processed.by, &error.to_string());
        }
        runs.extend(taken.runs);
    }

    /// Other rules are in force from here on.
    fn take_over(&mut self, digest: Digest, text: &str, position: u64) -> Result<(), StoreError> {
        let current = self.sources.rules.borrow().set.clone();
        let set = if current.digest() == Some(digest) { current } else { in_force::read_set(text)? };
        if self.evaluator.take_over(set) == Takeover::LearnAnew {
            self.learn_anew(position)?;
        }
        Ok(())
    }

    /// Relations are others: what was committed before is told once more.
    fn learn_anew(&mut self, until: u64) -> Result<(), StoreError> {
        let mut follow = self.sources.readers.follow(0)?;
        let mut events = ProcessedEvents::new(self.sources.readers.clone());
        while follow.position() < until
            && let Some(found) = follow.next(1_024)?
        {
            for followed in found {
                let Some(processed) = events.of(followed)?.filter(|processed| processed.by < until) else { continue };
                let event = processed.event(&self.sources.catalogue);
                drop(self.evaluator.learn(&processed.committed(&event)));
            }
        }
        Ok(())
    }

    fn keep(&mut self) {
        let Some(index) = &self.sources.index else { return };
        let position = self.following.position();
        if position == self.kept_at || self.ahead || !self.unread.is_empty() {
            return;
        }
        let body = Body { rules: set_text(self.evaluator.rules()), known: self.evaluator.knowledge().clone() };
        let body = Json::of(&body).text().as_bytes().to_vec();
        let (name, version) = KEPT;
        index.keep(Kept { name: name.into(), version, position, body });
        self.kept_at = position;
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        self.life.maybe(FaultPoint::Automation);
        if self.unread.is_empty() {
            if self.is_idle() && self.following.pass() {
                self.looked_through();
                return self.rest(ctx);
            }
            match self.following.look() {
                Looked::Found(found) => self.unread.extend(found),
                Looked::AtEnd => return self.rest(ctx),
                Looked::Trouble(error) => return self.trouble(&error, ctx),
            }
        }
        match self.take() {
            Ok(runs) if runs.is_empty() => self.went_on(ctx),
            Ok(runs) => self.record(runs, ctx),
            Err(error) => self.trouble(&error, ctx),
        }
    }

    /// Whether events mean nothing to it, whatever they are: it knows of no rules. One must have been passed, so that rules
    /// that come into force later know that there were events before them.
    fn is_idle(&self) -> bool {
        self.evaluator.rules().is_empty() && self.evaluator.world().position() > 0
    }

    fn trouble(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        self.ahead = true;
        tracing::warn!(%error, "the rules cannot follow the journal");
        self.sources.view.trouble(self.following.position(), &error.to_string());
        if !error.is_passing() {
            // Nobody is to wait for rules that cannot go on; `last_trouble` tells why.
            self.sources.through.send_replace(u64::MAX);
        }
        if error.is_unknown() {
            return; // nothing is recorded any more in this life: the next finds it anew
        }
        ctx.spawn(Following::again().into_actor(self).map(|(), this, ctx| this.begin_anew(ctx)));
    }

    /// What was half taken in is thrown away.
    fn begin_anew(&mut self, ctx: &mut Context<Self>) {
        let (sources, life) = (self.sources.clone(), self.life.clone());
        *self = Self::new(sources, life);
        ctx.notify(Look);
    }

    fn record(&mut self, runs: Vec<Run>, ctx: &mut Context<Self>) {
        let (submitter, view, began_at) =
            (self.sources.submitter.clone(), Arc::clone(&self.sources.view), self.began_at);
        let under_way = self.life.under_way();
        self.ahead = true;
        let recorded = async move {
            let recorded = submitter.record(runs, began_at, &view).await;
            drop(under_way);
            recorded
        };
        ctx.spawn(recorded.into_actor(self).map(|recorded, this, ctx| match recorded {
            Ok(()) => this.went_on(ctx),
            Err(error) => this.trouble(&error, ctx),
        }));
    }

    fn went_on(&mut self, ctx: &mut Context<Self>) {
        self.ahead = false;
        if !self.unread.is_empty() {
            return ctx.notify(Look);
        }
        self.looked_through();
        ctx.notify(Look);
    }

    /// All is looked at up to where it has come.
    fn looked_through(&mut self) {
        let position = self.following.position();
        // Before whoever waits for it is told: they look here next.
        self.sources.view.is_through(position, self.evaluator.world().len());
        self.sources.through.send_replace(position);
        if position - self.kept_at >= KEEPS_EVERY {
            self.keep();
        }
    }

    fn rest(&mut self, ctx: &mut Context<Self>) {
        self.sources.through.send_replace(self.following.position());
        let more = self.following.more();
        ctx.spawn(more.into_actor(self).map(|(), this, ctx| this.look(ctx)));
    }
}

/// An empty set is recorded as no text at all.
fn set_text(set: &RuleSet) -> String {
    if set.is_empty() { String::new() } else { set.text().to_string() }
}

/// What was kept, and how far it reaches; nothing if nothing is, or cannot be read.
fn resumed(readers: &Readers) -> Option<(Evaluator, u64)> {
    let (name, version) = KEPT;
    let kept = readers.open().ok()?.kept(name, version).ok()??;
    let Body { rules, known } = Json::parse(std::str::from_utf8(&kept.body).ok()?).ok()?.to().ok()?;
    let (evaluator, takeover) = Evaluator::resume(known, in_force::read_set(&rules).ok()?);
    (takeover == Takeover::GoesOn).then_some((evaluator, kept.position))
}

impl Actor for Automation {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::WAKES_IN_FLIGHT);
        self.look(ctx);
    }
}

impl Handler<Look> for Automation {
    type Result = ();
    fn handle(&mut self, _: Look, ctx: &mut Self::Context) {
        self.look(ctx);
    }
}

impl Handler<Keep> for Automation {
    type Result = ();
    fn handle(&mut self, _: Keep, _: &mut Self::Context) {
        self.keep();
    }
}
