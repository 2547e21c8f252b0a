//! Reasoners: they are asked about events, and answer, fail, hang, repeat themselves, and say what does not count.

use std::sync::Arc;
use std::time::Duration;

use regie_core::Timestamp;
use regie_core::governance::Who;
use regie_core::reasoning::{Advice, Ask, Asked, Outcome, ReasonError, Reasoning, Refused, Sifted, SignalDraft};
use regie_core::workflow::Command;

use crate::simulation::memory::{Asker, Question, Task};
use crate::simulation::world::World;

const KINDS: [&str; 4] = ["risk", "doubt", "gossip", "praise"];

/// Whether its workflow can be told now.
pub(crate) fn is_ready(question: &Question, now: Timestamp) -> bool {
    match question {
        Question::Out { ends, .. } => *ends <= now,
        Question::TellAgain(_) => true,
        Question::Telling(_) => false,
    }
}

impl World {
    /// Asks about an event, unless that is out already; what will be said is drawn now.
    pub(crate) fn ask_reasoners(&mut self, who: Who, asks: Vec<Ask>) {
        if self.memory.questions.contains_key(&who) {
            return;
        }
        self.model.is_asked(&who, &asks);
        let takes = self.dice.between(0, 300) as u64;
        let said: Vec<Reasoning> = asks.iter().map(|ask| self.says(ask)).collect();
        self.model.will_say(&who, &said);
        let ends = self.now.after(Duration::from_millis(takes));
        self.memory.questions.insert(who, Question::Out { ends, said });
    }

    fn says(&mut self, ask: &Ask) -> Reasoning {
        let asked = Asked { reasoner: ask.reasoner.clone(), mode: ask.mode.clone() };
        let elapsed = self.dice.below(300) as u64;
        let advice = match self.dice.below(9) {
            _ if ask.reasoner == "nobody" => {
                let unknown = Outcome::Refused(Refused::Unknown { reasoner: ask.reasoner.clone() });
                Advice::without(asked, unknown, 0)
            }
            0 => Advice::without(asked, Outcome::TimedOut { after_ms: 300 }, 300),
            1 => Advice::without(asked, Outcome::Panicked("it blew up".into()), elapsed),
            2 => Advice::of(asked, Err(ReasonError::Failed("it could not".into())), elapsed),
            3 => Advice::of(asked, Ok(vec![SignalDraft::new("risk", 1.5)]), elapsed),
            _ => {
                let drafts = (0..self.dice.below(3))
                    .map(|_| SignalDraft::new(*self.dice.pick(&KINDS), self.dice.below(101) as f64 / 100.0));
                let drafts = drafts.collect();
                Advice::of(asked, Ok(drafts), elapsed)
            }
        };
        self.tally.count(match advice.outcome {
            Outcome::Ok => "reasoner: answers",
            Outcome::TimedOut { .. } => "reasoner: timed out",
            Outcome::Panicked(_) => "reasoner: panicked",
            Outcome::Invalid(_) => "reasoner: invalid",
            Outcome::Refused(_) => "reasoner: refused",
            _ => "reasoner: failed",
        });
        Reasoning::new(&*ask.policy, advice, |passed| Sifted { passed, filtered: Vec::new() })
    }

    /// What was said goes to the workflow as a command.
    pub(crate) fn reasoners_answer(&mut self, who: Who) {
        let (Question::Out { said, .. } | Question::Telling(said) | Question::TellAgain(said)) =
            self.memory.questions.remove(&who).expect("a question");
        if self.dice.one_in(5) {
            self.memory.said.push((who.clone(), said.clone()));
        }
        self.memory.questions.insert(who.clone(), Question::Telling(said.clone()));
        self.tell_words(who.clone(), said, Asker::Question(who));
    }

    /// What was said before is said once more.
    pub(crate) fn tell_stale_words(&mut self) {
        self.tally.count("reasoner: told twice");
        let nth = self.dice.below(self.memory.said.len());
        let (who, said) = self.memory.said.swap_remove(nth);
        self.tell_words(who, said, Asker::Nobody);
    }

    fn tell_words(&mut self, (correlation, event): Who, reasonings: Vec<Reasoning>, asker: Asker) {
        self.enter(&correlation, Task::Command(Arc::new(Command::Reasoned { event, reasonings })), asker);
    }

    /// Taken, or refused for good; or to be told again.
    pub(crate) fn told_question(&mut self, who: Who, (passing, is_taken): (bool, bool)) {
        let question = self.memory.questions.remove(&who);
        if let (true, Some(Question::Telling(said))) = (passing, question) {
            self.memory.questions.insert(who, Question::TellAgain(said));
            return;
        }
        // Words that were told twice were taken before, and since then it is asked about anew.
        if let Some(asks) = self.model.asks(&who).filter(|_| is_taken) {
            self.ask_reasoners(who, asks);
        }
    }

    /// Questions that their process has taken with it.
    pub(crate) fn count_lost_questions(&mut self) {
        for _ in 0..self.memory.questions.len() {
            self.tally.count("reasoner: lost with its process");
        }
    }
}
