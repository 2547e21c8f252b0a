//! A durable subscription: what was committed is read into a bounded queue, handed out, acknowledged in any order, and given up
//! as a dead letter after its tries; its cursor follows in the journal. The bus and its reader die and go on.
//!
//! The bookkeeping is the core's own; the loop over it stands for the actor's, which needs threads and time.

use std::collections::BTreeMap;
use std::sync::Arc;

use regie_core::bus::{ADVANCED, Acks, Interest, Letter, Overflow, Push, Queue, Retry, SubscriberName};
use regie_core::event::{Event, Incoming, Pattern, Principal};
use regie_core::expr::View;
use regie_core::workflow::Command;
use regie_core::{Json, Timestamp};
use regie_journal::Followed;

use crate::simulation::four::Bug;
use crate::simulation::memory::{Asker, Outcome, Reason, Task};
use crate::simulation::world::World;

/// The last segments of the types that it means.
pub(crate) const MEANT: [&str; 3] = ["free", "calm", "updated"];
/// Its handler, for letters that are tried again.
pub(crate) const AGENT: &str = "subscriber/desk";
/// Tries after which a delivery is given up.
const TRIES: u32 = 3;
/// How many are out at once.
const OUT: usize = 3;

/// A delivery that is out.
#[derive(Clone, Debug)]
struct Tried {
    incoming: Incoming,
    failed: u32,
    first_at: Timestamp,
    not_before: Timestamp,
    /// It is given up; its letter is on its way, or to be sent again.
    letter: Option<bool>,
}

/// The subscription in memory.
#[derive(Debug)]
pub(crate) struct Subscription {
    interest: Interest,
    acks: Acks,
    queue: Queue<(u64, Incoming)>,
    /// Up to where it was offered everything.
    position: u64,
    out: BTreeMap<u64, Tried>,
    /// A cursor that is on its way, and how many were done with by then.
    recording: bool,
    /// Answers to earlier lives are not heard.
    life: u64,
}

fn name() -> SubscriberName {
    SubscriberName::new("desk").expect("a name")
}

impl Subscription {
    pub(crate) fn new(position: u64, life: u64) -> Self {
        let named = MEANT.iter().flat_map(|last| [format!("*.{last}"), format!("*.*.{last}")]);
        let patterns = named.map(|it| Pattern::parse(&it).expect("a pattern")).collect();
        let interest = Interest { patterns, ..Interest::default() };
        let queue = Queue::new(4, 4_000, Overflow::Wait);
        let (acks, out) = (Acks::from(position), BTreeMap::new());
        Self { interest, acks, queue, position, out, recording: false, life }
    }

    /// When something can be done with it.
    pub(crate) fn due(&self, head: u64) -> Option<Timestamp> {
        let at_once = self.queue.has_room() && self.position < head || !self.queue.is_empty() && self.out.len() < OUT;
        let out = self.out.values().filter(|tried| tried.letter != Some(true)).map(|tried| tried.not_before);
        out.chain((at_once || self.records()).then_some(Timestamp::MIN)).min()
    }

    /// Whether its cursor is to be recorded: after a few, or when there is nothing else to do.
    fn records(&self) -> bool {
        let is_idle = self.out.is_empty() && self.queue.is_empty();
        !self.recording && self.acks.to_record().is_some() && (is_idle || self.acks.since() >= 6)
    }

    /// Reads on; what finds no room stays in the journal.
    fn take_in(&mut self, found: Vec<&Followed>, position: u64) -> bool {
        for followed in found {
            let Followed::Event(came) = followed else { continue };
            let event = came.incoming.event();
            let passes = || self.interest.passes(event, &View::new().event(event)).expect("no filter");
            if !self.interest.fits(&event.kind) || !passes() {
                continue;
            }
            let bytes = came.incoming.raw().len();
            if self.queue.push((came.position, came.incoming.clone()), bytes) != Push::Taken {
                self.position = came.position - 1;
                return false;
            }
        }
        self.position = position;
        true
    }
}

impl World {
    /// Does some of what can be done.
    pub(crate) fn subscription_goes_on(&mut self) {
        let (head, now) = (self.model.position(), self.now);
        let subscription = &mut self.subscription;
        let ready = subscription.out.iter().filter(|(_, tried)| tried.letter != Some(true) && tried.not_before <= now);
        let ready: Vec<u64> = ready.map(|(position, _)| *position).collect();
        let reads = subscription.queue.has_room() && subscription.position < head;
        let hands = !subscription.queue.is_empty() && subscription.out.len() < OUT;
        let records = subscription.records();
        let choice: Vec<u8> = [reads, hands, !ready.is_empty(), records]
            .into_iter()
            .zip(0..)
            .filter_map(|(can, nth)| can.then_some(nth))
            .collect();
        match self.dice.pick(&choice) {
            0 => self.subscription_reads(),
            1 => self.hands_out(),
            2 => {
                let position = *self.dice.pick(&ready);
                self.is_tried(position);
            }
            _ => self.records_cursor(),
        }
    }

    fn subscription_reads(&mut self) {
        let turns = self.dice.between(1, 20) as usize;
        let (found, position) = self.disk.log.after(self.subscription.position, turns);
        if !self.subscription.take_in(found, position) {
            self.tally.count("subscription: no room");
        }
    }

    fn hands_out(&mut self) {
        let (position, incoming) = self.subscription.queue.pop().expect("one that waits");
        self.tally.count("subscription: handed out");
        self.subscription.acks.hand_out(position);
        self.model.handed_out(position);
        let (first_at, not_before) = (self.now, self.now);
        let tried = Tried { incoming, failed: 0, first_at, not_before, letter: None };
        self.subscription.out.insert(position, tried);
    }

    /// The handler takes a delivery, or does not.
    fn is_tried(&mut self, position: u64) {
        let tried = self.subscription.out.get_mut(&position).expect("it is out");
        if tried.letter == Some(false) {
            return self.sends_letter(position);
        }
        if self.dice.one_in(2) {
            self.tally.count("subscription: acknowledged");
            return self.is_done_with(position, false);
        }
        tried.failed += 1;
        self.tally.count("subscription: a try fails");
        match (Retry { attempts: TRIES, ..Retry::default() }).wait(tried.failed, position) {
            Some(wait) => tried.not_before = self.now.after(wait),
            None => self.sends_letter(position),
        }
    }

    fn is_done_with(&mut self, position: u64, by_letter: bool) {
        self.subscription.out.remove(&position);
        assert!(self.subscription.acks.done(position), "what was not out is done with");
        self.model.is_done_with(position, by_letter);
    }

    fn sends_letter(&mut self, position: u64) {
        let (now, life) = (self.now, self.subscription.life);
        let tried = self.subscription.out.get_mut(&position).expect("it is out");
        tried.letter = Some(true);
        let event = tried.incoming.event();
        let letter = Letter {
            subscriber: name(),
            correlation: event.correlation_id.clone(),
            source: event.source.clone(),
            id: event.id.clone(),
            kind: event.kind.clone(),
            position,
            error: "it could not".into(),
            attempts: tried.failed,
            first_at: tried.first_at,
            last_at: now,
        };
        self.model.gives_up(position);
        self.submit_own(letter.event().build().expect("a good event"), Asker::Letter(life, position));
        if self.four.has(Bug::AcksBeforeTheLetter) {
            self.is_done_with(position, true);
        }
    }

    fn records_cursor(&mut self) {
        let Subscription { acks, life, .. } = &self.subscription;
        let through = if self.four.has(Bug::AcksWhatIsOut) { self.subscription.position } else { acks.through() };
        let (since, life) = (acks.since(), *life);
        self.subscription.recording = true;
        let event = Event::new(ADVANCED, name().cursor())
            .id(through.to_string())
            .source("regie:bus")
            .actor(Principal::system())
            .timestamp(self.now)
            .payload(Json::of(&serde_json::json!({ "through": through })));
        self.submit_own(event.build().expect("a good event"), Asker::Cursor(life, through, since));
    }

    fn submit_own(&mut self, event: Incoming, asker: Asker) {
        let correlation = event.event().correlation_id.clone();
        self.enter(&correlation, Task::Command(Arc::new(Command::Submit { event, emitted: true })), asker);
    }

    /// What became of a cursor. One that was recorded before, at another time, is as good.
    pub(crate) fn tell_cursor(&mut self, (life, through, since): (u64, u64, u64), outcome: &Outcome) {
        let is_taken = is_taken(outcome);
        if is_taken {
            self.tally.count("subscription: its cursor is recorded");
        }
        if life == self.subscription.life {
            self.subscription.recording = false;
            if is_taken {
                self.subscription.acks.is_recorded(through, since);
            }
        }
    }

    /// What became of a letter: what it is about is done with only now.
    pub(crate) fn tell_letter(&mut self, life: u64, position: u64, outcome: &Outcome) {
        let is_taken = is_taken(outcome);
        self.tally.count(if is_taken { "letter: recorded" } else { "letter: not taken" });
        if life != self.subscription.life {
            return;
        }
        let Some(tried) = self.subscription.out.get_mut(&position) else { return };
        match is_taken {
            true => self.is_done_with(position, true),
            false => tried.letter = Some(false),
        }
    }

    /// Whoever has taken what was handed out is gone, and all of that with it; the bus goes on.
    pub(crate) fn reader_dies(&mut self) {
        self.tally.count("subscription: its reader dies");
        let subscription = &mut self.subscription;
        let from = subscription.acks.rewind();
        subscription.queue.clear();
        subscription.out.clear();
        if !self.four.has(Bug::ForgetsToRewind) {
            subscription.position = from;
        }
        subscription.life += 1;
        subscription.recording = false;
        self.model.hands_out_after(from);
    }

    /// A process begins: from the cursor that the journal has.
    pub(crate) fn subscription_begins(&mut self) {
        let from = self.cursor();
        self.subscription = Subscription::new(from, self.subscription.life + 1);
        self.model.begins_after(from);
    }

    fn cursor(&mut self) -> u64 {
        let home = name().cursor();
        let Some(tip) = self.disk.reader().tip(&home).expect("the index") else { return 0 };
        let last = self.disk.reader().load(&home, tip.sequence - 1).expect("records").pop().expect("a record");
        let event = self.model.incoming_at(last.position);
        event.event().payload.to::<serde_json::Value>().expect("JSON")["through"].as_u64().expect("a position")
    }
}

fn is_taken(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Recorded(..) | Outcome::Known(_) | Outcome::Refused(Reason::OtherContent) => true,
        Outcome::Refused(Reason::Store) => false,
        other => panic!("the bus is told {other:?}"),
    }
}
