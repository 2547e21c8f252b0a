//! Events that reasoners are asked about: asking, and who waits for the judgement.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{LocalBoxFuture, join_all, ready};
use regie_core::event::{CorrelationId, Event, EventResult, LifeState, Status};
use regie_core::reasoning::{Advice, Ask, Asked, Outcome, Reasoning, Refused, Request, Sifted, Sight};
use regie_core::workflow::{Command, first_answer, moves_in};
use regie_journal::{Reader, StoreError};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::Shard;
use super::answer::{PATIENCE, asked_again, judge};
use super::effects::entry;
use crate::agent::abortable;
use crate::busy::UnderWay;
use crate::entry::{Entry, Work};
use crate::reasoner::ReasonCall;
use crate::refused::Reason;
use crate::workflow::Question;

/// How soon an answer that its workflow did not take for a passing reason is brought again.
const AGAIN: Duration = Duration::from_millis(200);

/// A question that is out.
struct Out {
    correlation: CorrelationId,
    event: u64,
    /// Counts it as under way until its end is taken.
    _under_way: UnderWay,
}

impl Shard {
    /// Asks reasoners, all that an event needs at once; what they said comes back as one command. A workflow that was read
    /// anew asks again for what is out already, and is passed over.
    pub(super) fn ask_reasoners(&mut self, correlation: &CorrelationId, questions: Vec<Question>) {
        if !self.neighbours.asks {
            return; // they stay owed
        }
        for Question { event, incoming, asks } in questions {
            if !self.asked.entry(correlation.clone()).or_default().insert(event) {
                continue;
            }
            let out = Out { correlation: correlation.clone(), event, _under_way: self.neighbours.busy.begin() };
            let calls: Vec<LocalBoxFuture<'static, Advice>> =
                asks.iter().map(|ask| self.ask_one(ask, incoming.event())).collect();
            self.awaited.push(join_all(calls), move |advice, shard, _| {
                // Sifted within the turn that judges by it: the filters are those of its policies.
                let pass = |passed| Sifted { passed, filtered: Vec::new() };
                let reasonings =
                    asks.iter().zip(advice).map(|(ask, advice)| Reasoning::new(&*ask.policy, advice, pass));
                shard.reasoned(out, reasonings.collect());
            });
        }
    }

    /// Asks one reasoner; whatever becomes of it is advice.
    fn ask_one(&self, ask: &Ask, event: &Event) -> LocalBoxFuture<'static, Advice> {
        let asked = Asked { reasoner: ask.reasoner.clone(), mode: ask.mode.clone() };
        let told = |outcome| -> LocalBoxFuture<'static, Advice> {
            Box::pin(ready(Advice::without(asked.clone(), outcome, 0)))
        };
        let request = match Request::new(ask, event, &Sight::all()) {
            Ok(request) => request,
            Err(refused) => return told(Outcome::Refused(refused)),
        };
        let Some(gate) = self.neighbours.reasoners.gate(&ask.reasoner) else {
            return told(Outcome::Refused(Refused::Unknown { reasoner: ask.reasoner.clone() }));
        };
        let (_, abort) = abortable(); // its time limit ends it
        let (reply, advice) = oneshot::channel();
        if gate.try_send(ReasonCall { ask: ask.clone(), request, abort, reply }).is_err() {
            let why = format!("the gate of '{}' is full or gone", ask.reasoner);
            return told(Outcome::Refused(Refused::Full { why }));
        }
        Box::pin(async move { advice.await.unwrap_or_else(|_| Advice::without(asked, Outcome::lost(), 0)) })
    }

    /// What was said goes to the workflow as a command, again and again until it is taken: it is owed.
    fn reasoned(&mut self, out: Out, reasonings: Vec<Reasoning>) {
        let command = Arc::new(Command::Reasoned { event: out.event, reasonings: reasonings.clone() });
        let (reply, answer) = oneshot::channel();
        self.enter(entry(&out.correlation, command, reply, self.neighbours.busy.begin()));
        self.awaited.push(answer, move |answer, shard, _| match answer {
            Ok(Err(reason)) if reason.is_passing() => {
                shard.awaited.push(sleep(AGAIN), move |(), shard, _| shard.reasoned(out, reasonings));
            }
            answer => {
                // Refused for good: it stays owed, and whoever waits is told why.
                if let Ok(Err(reason)) = answer {
                    shard.cannot_judge(&out.correlation, out.event, &reason);
                }
                if let Some(asked) = shard.asked.get_mut(&out.correlation) {
                    asked.remove(&out.event);
                    if asked.is_empty() {
                        shard.asked.remove(&out.correlation);
                    }
                }
            }
        });
    }

    /// Keeps an entry until its event is judged: reasoners are asked first, each within its limit. Its permit stays with
    /// it, so that the number of those who wait is bounded.
    pub(super) fn wait_for_judgement(
        &mut self,
        correlation: &CorrelationId,
        sequence: u64,
        (mut entry, status): (Entry, Status),
    ) {
        entry.under_way = None; // the question counts
        self.judgements.entry(correlation.clone()).or_default().entry(sequence).or_default().push((entry, status));
    }

    fn cannot_judge(&mut self, correlation: &CorrelationId, event: u64, reason: &Reason) {
        let Some(waiting) = self.judgements.get_mut(correlation) else { return };
        for (entry, _) in waiting.remove(&event).unwrap_or_default() {
            entry.answer(Err(reason.clone()));
        }
        if waiting.is_empty() {
            self.judgements.remove(correlation);
        }
    }

    /// Those who have answered may be asked again at once.
    pub(super) fn are_asked_no_more(&mut self, correlation: &CorrelationId, judged: &[u64]) {
        if let Some(asked) = self.asked.get_mut(correlation) {
            asked.retain(|event| !judged.contains(event));
            if asked.is_empty() {
                self.asked.remove(correlation);
            }
        }
    }

    /// Tells those who wait for the judgement of these events.
    pub(super) fn tell_judged(&mut self, correlation: &CorrelationId, judged: &[u64]) {
        let Some(waiting) = self.judgements.get_mut(correlation) else { return };
        let told: Vec<_> = judged.iter().filter_map(|sequence| Some((*sequence, waiting.remove(sequence)?))).collect();
        if waiting.is_empty() {
            self.judgements.remove(correlation);
        }
        let least = self.slots.get(correlation).map_or(0, |slot| slot.position);
        for (sequence, entries) in told {
            for (entry, status) in entries {
                self.answer_judged(correlation, (sequence, least), entry, status);
            }
        }
    }

    fn answer_judged(&self, correlation: &CorrelationId, (sequence, least): (u64, u64), entry: Entry, status: Status) {
        let (readers, correlation) = (self.links.readers.clone(), correlation.clone());
        let Work::Command(command) = &entry.work else { return };
        let command = Arc::clone(command);
        actix::spawn(async move {
            let read = readers.run(move |reader| {
                reader.caught_up(least, PATIENCE)?;
                judged_answer(reader, &correlation, sequence, &command)
            });
            let read = read.await;
            let since = entry.since;
            let answer = read.map_err(Reason::from).and_then(|answer| answer).map(|(mut result, state)| {
                result.status = status;
                result.current_state = state.filter(|_| status == Status::Duplicate);
                result.processing_time_ms = since.elapsed().as_secs_f64() * 1_000.0;
                Some(result)
            });
            entry.answer(answer);
        });
    }
}

/// The first answer to an event that reasoners were asked about, and the state that it is in now; or why it is not the
/// same event.
fn judged_answer(
    reader: &mut Reader,
    correlation: &CorrelationId,
    sequence: u64,
    command: &Command,
) -> Result<Result<(EventResult, Option<LifeState>), Reason>, StoreError> {
    let missing = || StoreError::Damaged { why: format!("{correlation} has no event {sequence}") };
    let records = reader.load(correlation, sequence - 1)?;
    let (first, later) = records.split_first().ok_or_else(missing)?;
    let event = match asked_again(command, &first.record).ok_or_else(missing)? {
        Ok(event) => event,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut result = first_answer(event.event(), &first.record, first.position);
    judge(&mut result, later, sequence);
    let moves = records.iter().flat_map(|stored| moves_in(&stored.record, sequence));
    Ok(Ok((result, moves.last().map(|last| last.to))))
}
