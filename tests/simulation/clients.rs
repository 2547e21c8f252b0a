//! Clients: they submit events of all kinds, again and again until they are answered, and under identities of others too.

use std::sync::Arc;
use std::time::Duration;

use regie_core::Timestamp;
use regie_core::event::{EntityRef, Event, Incoming, Principal, Status};
use regie_core::workflow::{self as core, Command, Refusal};

use crate::simulation::dice::Dice;
use crate::simulation::memory::{Asker, Outcome, Reason, Task};
use crate::simulation::script::{CLERK, Do};
use crate::simulation::workflows::operators;
use crate::simulation::world::World;

/// An event that a client wants to have recorded.
pub(crate) struct Submission {
    pub(crate) event: Incoming,
    /// Whether a process has it now.
    pub(crate) under_way: bool,
    /// Who was refused comes again, a little later.
    not_before: Timestamp,
    pub(crate) answered: bool,
}

impl Submission {
    /// Whether it is to be sent, now or a little later.
    fn is_open(&self) -> bool {
        !self.answered && !self.under_way
    }

    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.is_open().then_some(self.not_before)
    }

    /// Another process is there, which has not got it and may take it.
    pub(crate) fn try_anew(&mut self) {
        (self.under_way, self.not_before) = (false, Timestamp::MIN);
    }
}

/// All clients together.
#[derive(Default)]
pub(crate) struct Clients {
    pub(crate) all: Vec<Submission>,
    /// Bytes of their own, so that no two events are the same by chance.
    made: u64,
}

const CORRELATIONS: [&str; 8] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
const STEPS: [&str; 3] = ["a", "b", "c"];
const HANDLERS: [(usize, &str); 3] = [(3, "plain"), (6, "puppet"), (2, "guest")];
const ABOUT: [(usize, &str); 12] = [
    (6, "free"),
    (2, "drop"),
    (3, "wait"),
    (2, "both"),
    (3, "desk"),
    (4, "wise"),
    (3, "calm"),
    (2, "open"),
    (1, "shut"),
    (3, "fast"),
    (3, "seat"),
    (3, "many"),
];
/// What an event's metadata say of who is to decide of it.
const DESKS: [&str; 5] = ["out", "hand", "yes", "no", "any"];

impl Clients {
    /// A new event, under an identity of its own or one that was used.
    fn event(&mut self, dice: &mut Dice, now: Timestamp) -> Incoming {
        self.made += 1;
        let (made, id) = (self.made, format!("e{}", self.made));
        // One is busier than all others, so that it comes to know many.
        let correlation = if dice.one_in(2) { CORRELATIONS[0] } else { *dice.pick(&CORRELATIONS) };
        self.event_named((correlation, id, "client"), dice, (now, made))
    }

    fn event_named(
        &self,
        (correlation, id, source): (&str, String, &str),
        dice: &mut Dice,
        (now, made): (Timestamp, u64),
    ) -> Incoming {
        let kind = kind(dice);
        let mut event = Event::new(kind.as_str(), correlation)
            .id(id)
            .source(source)
            .actor(Principal::user(*dice.pick(&["ana", "ben"])))
            .entity(EntityRef::new("thing", *dice.pick(&["x", "y"])))
            .change(dice.weighted(&[(4, "colour"), (4, "size"), (1, "mark")]), None::<u64>, made);
        if dice.one_in(3) {
            event = event.related(EntityRef::new("group", *dice.pick(&["g", "h"])));
        }
        if !dice.one_in(8) {
            event = event.timestamp(Timestamp::from_micros(now.micros() + dice.between(-90_000, 90_000)));
        }
        if dice.one_in(25) {
            event = event.metadata("ban", if dice.one_in(2) { "panic" } else { "yes" });
        }
        if kind.ends_with(".desk") && !dice.one_in(6) {
            event = event.metadata("desk", *dice.pick(&DESKS));
        }
        let script = serde_json::to_value(self.script(dice, 0)).expect("JSON");
        event.payload(script).build().expect("a good event")
    }

    /// What a puppet is told, at that depth of scripts within scripts.
    pub(crate) fn script(&self, dice: &mut Dice, depth: usize) -> Vec<Do> {
        (0..dice.below(4)).map(|_| act(dice, depth)).collect()
    }
}

fn kind(dice: &mut Dice) -> String {
    format!("{}.{}", dice.weighted(&HANDLERS), dice.weighted(&ABOUT))
}

fn act(dice: &mut Dice, depth: usize) -> Do {
    let step = dice.pick(&STEPS).to_string();
    match dice.below(if depth < 2 { 100 } else { 60 }) {
        0..8 => Do::Note(format!("n{}", dice.below(100))),
        8..40 => {
            let agent = if dice.one_in(12) { "nobody" } else { CLERK }.to_string();
            Do::Call { step, agent, within: dice.one_in(3).then(|| dice.between(1, 300) as u64) }
        }
        40..60 => Do::Timer { step, after: if dice.one_in(6) { 0 } else { dice.below(600) as u64 } },
        60..90 => {
            let script = (0..dice.below(3)).map(|_| act(dice, depth + 1)).collect();
            Do::Send { step, to: dice.pick(&CORRELATIONS).to_string(), kind: kind(dice), script }
        }
        90..92 => Do::Refuse,
        92..94 => Do::Panic,
        94..96 => Do::Bomb,
        96..98 => Do::Complete,
        _ => Do::Fail,
    }
}

impl World {
    /// A client comes with an event that nobody has sent before.
    pub(crate) fn submit_new(&mut self) {
        let event = match self.flows && !self.dice.one_in(4) {
            true => {
                self.clients.made += 1;
                operators::event(&mut self.dice, &self.model.workflows(), (self.now, self.clients.made))
            }
            false => self.clients.event(&mut self.dice, self.now),
        };
        self.submit(event);
    }

    /// Somebody changes that field.
    pub(crate) fn submit_change(&mut self, entity: &EntityRef, field: &str) {
        self.tally.count("client: changes what is being undone");
        self.clients.made += 1;
        let (made, to) = (self.clients.made, *self.dice.pick(&CORRELATIONS));
        let event = Event::new("plain.news", to).id(format!("e{made}")).source("client").timestamp(self.now);
        let event = event.entity(entity.clone()).change(field, None::<u64>, made);
        self.submit(event.build().expect("a good event"));
    }

    /// Somebody comes with an event that was sent before.
    pub(crate) fn submit_again(&mut self) {
        self.tally.count("client: same bytes again");
        let event = self.dice.pick(&self.clients.all).event.clone();
        self.submit(event);
    }

    /// Somebody comes with other bytes under an identity that was used.
    pub(crate) fn submit_other_bytes(&mut self) {
        self.tally.count("client: other bytes under one identity");
        let used = self.dice.pick(&self.clients.all).event.shared();
        self.clients.made += 1;
        let place = (self.now, self.clients.made);
        let event = operators::other_event(&used, &mut self.dice, place).unwrap_or_else(|| {
            let name = (used.correlation_id.as_str(), used.id.clone(), "client");
            self.clients.event_named(name, &mut self.dice, place)
        });
        self.submit(event);
    }

    fn submit(&mut self, event: Incoming) {
        self.clients.all.push(Submission { event, under_way: false, not_before: self.now, answered: false });
        self.submit_nth(self.clients.all.len() - 1);
    }

    /// An event that is not answered goes to the process, perhaps once more.
    pub(crate) fn submit_nth(&mut self, nth: usize) {
        let submission = &mut self.clients.all[nth];
        submission.under_way = true;
        let event = submission.event.clone();
        let correlation = event.event().correlation_id.clone();
        // Who goes away is not told; the event is taken all the same.
        let goes_away = !self.calm && self.dice.one_in(30);
        let asker = if goes_away { Asker::Nobody } else { Asker::Client(nth) };
        if goes_away {
            self.tally.count("client: goes away");
            self.clients.all[nth].answered = true;
        }
        self.enter(&correlation, Task::Command(Arc::new(Command::Submit { event, emitted: false })), asker);
    }

    pub(crate) fn tell_client(&mut self, nth: usize, outcome: Outcome, (records, first): (&[core::Turn], u64)) {
        let event = self.clients.all[nth].event.clone();
        let (answer, what) = match outcome {
            Outcome::Recorded(event, at) => {
                (Ok(core::first_answer(&event, &records[at].record, first + at as u64)), "answer: new")
            }
            Outcome::Known(known) => {
                let stored = self.disk.record(known.position);
                if self.model.raw_at(known.position) == &**event.raw() {
                    let place = (known.position, known);
                    (Ok(self.four.answer_again(event.event(), &stored.record, place)), "answer: duplicate")
                } else {
                    (Err(Reason::OtherContent), "answer: other content")
                }
            }
            Outcome::Refused(reason) => {
                let what = match &reason {
                    Reason::Store => "answer: store failed",
                    Reason::Core(Refusal::UnknownDefinition { .. }) => "answer: unknown definition",
                    Reason::OtherContent => "answer: other content",
                    Reason::Core(refusal) => panic!("a client is refused: {refusal}"),
                };
                (Err(reason), what)
            }
            Outcome::Done => panic!("a submit is told more than that it is done"),
        };
        self.tally.count(what);
        let submission = &mut self.clients.all[nth];
        submission.under_way = false;
        match answer {
            Ok(answer) => {
                submission.answered = true;
                assert!(answer.status == Status::New || answer.current_state.is_some());
                self.model.answered(&event, &answer);
            }
            Err(Reason::OtherContent) => {
                submission.answered = true;
                self.model.refused_for_content(&event);
            }
            Err(reason) => {
                submission.not_before = self.now.after(Duration::from_millis(50));
                if let Reason::Core(_) = reason {
                    submission.not_before = Timestamp::MAX; // until another program is there
                    self.model.refused_for_definition(&event);
                }
            }
        }
    }
}
