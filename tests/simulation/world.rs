//! The world of one seed: the dice pick what happens next, fault or work, until the clients have come; then all is calm, and
//! everything that is owed must come to its end.

use std::time::Duration;

use regie_core::event::CorrelationId;
use regie_core::governance::Who;
use regie_core::workflow::{AgentOutcome, EffectEnd};
use regie_core::{Digest, Timestamp};
use regie_journal::Snapshot;

use crate::simulation::automation::Automation;
use crate::simulation::automation::words::{InForce, MANY, NO_RULES, SOME};
use crate::simulation::clients::{Clients, Submission};
use crate::simulation::dice::Dice;
use crate::simulation::disk::Disk;
use crate::simulation::four::Four;
use crate::simulation::memory::{Asker, Held, Key, Memory, Out, Question, Slot, Stage, Task};
use crate::simulation::model::Model;
use crate::simulation::policies::governor;
use crate::simulation::program::{Kind, Program, WHOLE};
use crate::simulation::reasoners::is_ready;
use crate::simulation::rules::{NONE, OTHER, USUAL};
use crate::simulation::subscription::Subscription;
use crate::simulation::tally::Tally;

/// Submissions and commands that a seed has at least, before all is calm.
const SUBMISSIONS: usize = 28;
const COMMANDS: u64 = 50;
/// Of so many worlds one has workflows, and as many submissions more.
const WORLDS: u64 = 3;
const MORE_SUBMISSIONS: usize = 8;
/// How long a workflow may take at most, once all is well.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Steps after which a calm world that has not come to rest never will.
const STEPS_MAX: usize = 100_000;

/// What a seed came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The journal's last digest, which links all of it.
    pub(crate) digest: Digest,
    pub(crate) tally: Tally,
}

/// Everything that there is.
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) four: Four,
    pub(crate) now: Timestamp,
    pub(crate) program: Program,
    pub(crate) disk: Disk,
    pub(crate) memory: Memory,
    pub(crate) ruled: InForce,
    pub(crate) automation: Automation,
    pub(crate) subscription: Subscription,
    pub(crate) clients: Clients,
    pub(crate) model: Model,
    pub(crate) tally: Tally,
    /// Nobody follows the journal: there are neither rules nor a subscription.
    pub(crate) plain: bool,
    /// Whether there are workflows in it: in one world of three.
    pub(crate) flows: bool,
    /// No fault happens any more.
    pub(crate) calm: bool,
    /// How many results agents have given: each has its number.
    pub(crate) given: u64,
    /// Snapshots on their way.
    pub(crate) late: Vec<Snapshot>,
    /// Whether each step is printed.
    verbose: bool,
}

/// Work that can be done now.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Wake(CorrelationId),
    Begin(CorrelationId),
    Resume(CorrelationId),
    Deliver(CorrelationId),
    PassFence(CorrelationId),
    Commit,
    Policies(usize),
    GoOn(Key),
    Fire(CorrelationId),
    Answer(Who),
    CallBack,
    Enact,
    Submit(usize),
    LookByRules,
    RecordRun,
    Subscription,
}

impl World {
    pub(crate) fn new(seed: u64, four: Four, verbose: bool) -> Self {
        let mut dice = Dice::new(seed);
        let plain = dice.one_in(3);
        let (program, mut disk) = (Program::new(WHOLE), Disk::new(!plain));
        let memory = Memory::new(governor(&program.in_force.set, &mut disk));
        let watches = if plain { NO_RULES } else { dice.weighted(&[(3, MANY), (2, SOME), (3, NO_RULES)]) };
        Self {
            dice,
            four,
            now: Timestamp::from_millis(1_000_000),
            program,
            disk,
            memory,
            ruled: InForce { now: watches.ruled(), before: NO_RULES.ruled() },
            automation: Automation::new(),
            subscription: Subscription::new(0, 0),
            clients: Clients::default(),
            model: Model::new(WHOLE, !plain),
            tally: Tally::default(),
            plain,
            flows: seed % WORLDS == 1,
            calm: false,
            given: 0,
            late: Vec::new(),
            verbose,
        }
    }

    /// Lives through the seed.
    pub(crate) fn run(mut self) -> End {
        let submissions = SUBMISSIONS + if self.flows { MORE_SUBMISSIONS } else { 0 };
        while self.clients.all.len() < submissions || self.tally.commands() < COMMANDS {
            self.step();
        }
        self.come_to_rest();
        let digest = self.assert_at_rest();
        self.tally.add(&self.model.tally);
        End { digest, tally: self.tally }
    }

    fn step(&mut self) {
        let latched = self.disk.is_latched();
        if self.flows && self.dice.one_in(20) {
            return self.a_person_operates();
        }
        match self.dice.below(1_000) {
            0..2 => self.crash(),
            2..250 if latched => self.crash(),
            2..9 => self.kill_one(),
            9..15 => self.let_one_go(),
            15..22 => self.keep_late_snapshot(),
            22..26 => self.tell_stale_return(),
            26..34 if !self.memory.told.is_empty() => self.tell_stale_end(),
            34..84 => self.advance(),
            147..165 => self.a_person_decides(),
            165..168 if !self.memory.said.is_empty() => self.tell_stale_words(),
            168..176 => self.read_other_policies(),
            176..179 if !self.plain => self.enact_other_rules(),
            179..181 if !self.plain => self.automation_dies(),
            181..190 if !self.plain => self.a_person_undoes(),
            190..193 if !self.plain => self.reader_dies(),
            84..129 => self.submit_new(),
            129..141 if !self.clients.all.is_empty() => self.submit_again(),
            141..147 if !self.clients.all.is_empty() => self.submit_other_bytes(),
            _ => {
                if !self.work() {
                    self.advance();
                }
            }
        }
    }

    /// Does some of the work that there is, if there is any.
    fn work(&mut self) -> bool {
        let ready = self.ready();
        if ready.is_empty() {
            return false;
        }
        let work = self.dice.pick(&ready).clone();
        self.say(|| format!("{work:?}"));
        match work {
            Work::Wake(correlation) => self.wake(&correlation),
            Work::Begin(correlation) => self.begin(&correlation),
            Work::Resume(correlation) => self.resume(&correlation),
            Work::Deliver(correlation) => self.deliver(&correlation),
            Work::PassFence(correlation) => self.pass_fence(&correlation),
            Work::Commit => self.commit(),
            Work::Policies(lane) => self.policies_take(lane),
            Work::GoOn(key) => self.go_on(key),
            Work::Fire(correlation) => self.fire(&correlation),
            Work::Answer(who) => self.reasoners_answer(who),
            Work::CallBack => self.call_back_again(),
            Work::Enact => self.enact(),
            Work::Submit(nth) => self.submit_nth(nth),
            Work::LookByRules => self.automation_looks(),
            Work::RecordRun => self.record_again(),
            Work::Subscription => self.subscription_goes_on(),
        }
        true
    }

    fn ready(&mut self) -> Vec<Work> {
        let mut ready = Vec::new();
        for (correlation, slot) in &self.memory.slots {
            let lane = &self.memory.lanes[Memory::lane_of(correlation)];
            ready.extend(slot.work(lane.settled).map(|work| work(correlation.clone())));
        }
        if self.memory.lanes.iter().any(|lane| !lane.appends.is_empty()) {
            ready.push(Work::Commit);
        }
        let told = (0..2).filter(|lane| !self.memory.lanes[*lane].to_policies.is_empty());
        ready.extend(told.map(Work::Policies));
        let out = self.memory.out.iter().filter(|(_, out)| match out {
            Out::Call { ends, .. } => *ends <= self.now,
            Out::SendAgain(_) | Out::EndAgain(_) | Out::UpdateAgain(_) | Out::Trace => true,
            Out::BeginAgain(_) | Out::TellAgain(..) => true,
            Out::Sending(_) | Out::Ending(_) | Out::Updating(_) | Out::Beginning(_) | Out::Telling(..) => false,
        });
        ready.extend(out.map(|(key, _)| Work::GoOn(key.clone())));
        let answers = self.memory.questions.iter().filter(|(_, question)| is_ready(question, self.now));
        ready.extend(answers.map(|(who, _)| Work::Answer(who.clone())));
        if !self.plain {
            ready.extend(self.ready_to_follow());
        }
        ready.extend((!self.memory.promises.is_empty()).then_some(Work::CallBack));
        ready.extend(self.memory.read.as_ref().filter(|reading| reading.done <= self.now).map(|_| Work::Enact));
        let due = self.memory.timers.iter().filter(|(_, due)| **due <= self.now);
        ready.extend(due.map(|(correlation, _)| Work::Fire(correlation.clone())));
        let open = self.clients.all.iter().position(|submission| submission.due().is_some_and(|due| due <= self.now));
        ready.extend(open.map(Work::Submit));
        ready
    }

    /// What those who follow the journal can do.
    fn ready_to_follow(&self) -> impl Iterator<Item = Work> {
        let head = self.model.position();
        let looks = self.automation.is_ready(head).then_some(Work::LookByRules);
        let records = (!self.automation.again.is_empty()).then_some(Work::RecordRun);
        let delivers = self.subscription.due(head).filter(|due| *due <= self.now).map(|_| Work::Subscription);
        looks.into_iter().chain(records).chain(delivers)
    }

    /// A task comes for a workflow.
    pub(crate) fn enter(&mut self, correlation: &CorrelationId, task: Task, asker: Asker) {
        let held = Held { ticket: self.memory.number(), task, asker, attempts: 0 };
        let slot = self.slot(correlation);
        let item = held.item(&slot.last_error);
        slot.held.push_back(held);
        if let Some(life) = &mut slot.life {
            life.inbox.push_back(item);
        }
    }

    pub(crate) fn slot(&mut self, correlation: &CorrelationId) -> &mut Slot {
        self.memory.slots.entry(correlation.clone()).or_default()
    }

    /// Time goes on, by a little or just to what is due next.
    fn advance(&mut self) {
        let by = Duration::from_millis(self.dice.between(1, 120) as u64);
        let next = if self.dice.one_in(2) { self.next_instant() } else { None };
        self.now = next.unwrap_or_else(|| self.now.after(by));
    }

    /// The next instant at which something happens by itself.
    fn next_instant(&self) -> Option<Timestamp> {
        let ends = self.memory.out.values().filter_map(|out| match out {
            Out::Call { ends, .. } => Some(*ends),
            _ => None,
        });
        let again = self.clients.all.iter().filter_map(Submission::due);
        let words = self.memory.questions.values().filter_map(|question| match question {
            Question::Out { ends, .. } => Some(*ends),
            _ => None,
        });
        let read = self.memory.read.iter().map(|reading| reading.done);
        let delivers = self.subscription.due(self.model.position()).filter(|_| !self.plain);
        let instants =
            self.memory.timers.values().copied().chain(ends).chain(again).chain(words).chain(read).chain(delivers);
        instants.filter(|instant| *instant > self.now && *instant < Timestamp::MAX).min()
    }

    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.verbose {
            println!("{} {}", self.now, what());
        }
    }

    /// Faults end, the program has all handlers again, under any policies, and time runs on until nothing is left to happen.
    /// Where it can, the process goes on, with whatever it has forgotten or kept too long.
    fn come_to_rest(&mut self) {
        self.calm = true;
        let policies = self.dice.weighted(&[(4, USUAL), (2, OTHER), (1, NONE)]);
        let lacks = Kind { policies: USUAL, ..self.program.kind } != WHOLE;
        if self.disk.is_latched() || lacks || self.dice.one_in(4) {
            self.start(Kind { policies, ..WHOLE });
        }
        let since = self.now;
        for _ in 0..STEPS_MAX {
            if self.work() {
                continue;
            }
            let Some(next) = self.next_instant() else {
                return assert!(self.now.since(since) <= LONGEST, "it takes until {}", self.now);
            };
            self.now = next;
        }
        panic!("it never comes to rest: {:?}", self.ready());
    }

    fn assert_at_rest(&mut self) -> Digest {
        let open = self.clients.all.iter().filter(|submission| !submission.answered).count();
        assert_eq!(open, 0, "submissions that are never answered");
        assert!(self.memory.out.is_empty(), "effects that never end: {:?}", self.memory.out);
        assert!(self.memory.unanswered.is_empty(), "asks that are never answered");
        assert!(self.memory.questions.is_empty(), "reasoners that are never done: {:?}", self.memory.questions);
        self.model.at_rest();
        self.assert_wakes();
        self.assert_policies();
        self.assert_whole();
        for (correlation, slot) in std::mem::take(&mut self.memory.slots) {
            let (read, _) = self.disk.wake(&correlation, self.four, &self.program);
            if let Some(life) = slot.life {
                let same = life.state.save(&self.program.definitions) == read.save(&self.program.definitions);
                assert!(same && life.state.digest == read.digest, "{correlation} is not what its journal tells");
            }
            self.model.assert_state(&correlation, &read, &self.program.definitions);
        }
        self.disk.verify().digest
    }

    /// The records of a workflow alone tell what its snapshot and the records after it do.
    fn assert_whole(&mut self) {
        for correlation in self.model.workflows() {
            let (read, told) = self.disk.wake(&correlation, self.four, &self.program);
            let whole = self.disk.fold(&correlation, self.four, &self.program);
            let [read_as, whole_as] = [&read, &whole].map(|state| state.save(&self.program.definitions));
            assert_eq!(read_as, whole_as, "{correlation} by its snapshot of sequence {told}");
            assert_eq!(self.four.pending(&read), self.four.pending(&whole), "{correlation} owes");
        }
    }

    /// The wake table tells of each correlation when it must be woken.
    pub(crate) fn assert_wakes(&mut self) -> Vec<(Timestamp, CorrelationId)> {
        let wakes = self.disk.reader().wakes(None, usize::MAX).expect("the wake table");
        let wakes: Vec<_> = wakes.into_iter().map(|(due, _, correlation)| (due, correlation)).collect();
        self.model.assert_wakes(&wakes);
        wakes
    }

    /// An agent's call that its process has taken with it.
    pub(crate) fn count_lost_calls(&mut self) {
        let lost =
            |out: &&Out| matches!(out, Out::Call { .. } | Out::EndAgain(EffectEnd::Agent(AgentOutcome::Done(_))));
        for _ in self.memory.out.values().filter(lost) {
            self.tally.count("agent: lost with its process");
        }
    }
}

impl Slot {
    /// What can be done with it, if anything can.
    fn work(&self, settled: u64) -> Option<fn(CorrelationId) -> Work> {
        let Some(life) = &self.life else {
            return match self.fence {
                Some(fence) if fence <= settled => Some(Work::PassFence),
                None if !self.held.is_empty() => Some(Work::Wake),
                _ => None,
            };
        };
        match life.turn.as_ref().map(|turn| &turn.stage) {
            None if !life.inbox.is_empty() => Some(Work::Begin),
            Some(Stage::Asking(paused)) if paused.ruling.is_some() => Some(Work::Resume),
            Some(Stage::Placed(_)) => Some(Work::Deliver),
            _ => None,
        }
    }
}
