//! Letting effects out: agents' calls and sends. Timers are set by what is due.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{AbortHandle, AbortRegistration};
use regie_core::Json;
use regie_core::automation::{run_of, workflow_to_begin};
use regie_core::entity::{self, Update};
use regie_core::event::{CorrelationId, Event, Incoming, Origin, Principal, emitted_id};
use regie_core::workflow::{Command, Effect, EffectEnd, EffectKey, Refusal};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::Shard;
use crate::agent::{Errand, abortable};
use crate::busy::UnderWay;
use crate::entry::{Answer, Entry, Until, Work};
use crate::refused::Reason;
use crate::traced::traced;
use crate::updated::updated;

/// How soon a passing refusal of an effect's end or of a send is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// How long what became of an update waits for the index to tell it.
const PATIENCE: Duration = Duration::from_secs(10);

/// An effect that is out.
struct Out {
    correlation: CorrelationId,
    key: EffectKey,
    /// Aborted once its workflow has given it up.
    given_up: AbortHandle,
    /// Counts it as under way until its end is taken.
    _under_way: UnderWay,
}

impl Shard {
    /// Lets out what is not out already: a workflow that was read anew asks again for what its earlier life let out.
    pub(super) fn let_out(&mut self, correlation: &CorrelationId, effects: Vec<(EffectKey, Effect)>) {
        for (key, effect) in effects {
            if self.out.get(correlation).is_some_and(|out| out.contains_key(&key)) {
                continue;
            }
            let under_way = self.neighbours.busy.begin();
            let (given_up, abort) = abortable();
            self.out.entry(correlation.clone()).or_default().insert(key.clone(), given_up.clone());
            let out = Out { correlation: correlation.clone(), key, given_up, _under_way: under_way };
            match effect {
                Effect::Call { agent, task, timeout_ms } => self.call((out, abort), &agent, (task, timeout_ms)),
                Effect::Send { event } => self.send(out, event),
                Effect::Update(update) => self.update(out, update),
                Effect::Trace => self.trace(out),
                Effect::Run { event } => self.run_other(out, event),
                Effect::Report { to, key, end } => {
                    let end = match end {
                        Ok(end) => EffectEnd::Ran { end },
                        Err(reason) => EffectEnd::NotSent { reason },
                    };
                    self.command_other(out, to, Arc::new(Command::EffectEnded { key, end }));
                }
                Effect::Operate { on, operation, why } => {
                    let id = emitted_id(&out.correlation, &out.key.step, out.key.attempt);
                    let by = Principal { kind: "workflow".into(), id: out.correlation.to_string() };
                    self.command_other(out, on, Arc::new(Command::Operate { operation, id, by, why }));
                }
                _ => {} // a timer is set by what is due
            }
        }
    }

    fn call(&mut self, (out, abort): (Out, AbortRegistration), agent: &str, (task, timeout_ms): (Json, Option<u64>)) {
        let (correlation, key) = (out.correlation.clone(), out.key.clone());
        let errand = Errand { correlation, key, task, timeout: timeout_ms.map(Duration::from_millis) };
        let end = self.neighbours.agents.ask(agent, errand, abort, self.links.clock.now());
        self.awaited.push(end, move |end, shard, _| shard.effect_ended(out, end));
    }

    /// An effect's end goes to its workflow as a command, again and again until it is taken: it is owed. Not to a latched journal:
    /// whoever waits for all to be at rest would wait for ever.
    fn effect_ended(&mut self, out: Out, end: EffectEnd) {
        let command = Arc::new(Command::EffectEnded { key: out.key.clone(), end: end.clone() });
        let (reply, answer) = oneshot::channel();
        self.enter(entry(&out.correlation, command, reply, self.neighbours.busy.begin()));
        self.awaited.push(answer, move |answer, shard, _| match answer {
            _ if shard.links.is_latched() => shard.is_out_no_more(&out.correlation, &out.key),
            Ok(Err(reason)) if reason.is_passing() || matches!(reason, Reason::Journal(_)) => {
                shard.awaited.push(sleep(AGAIN), move |(), shard, _| shard.effect_ended(out, end));
            }
            // Taken, or refused for good: then it stays owed, and a program that has what it lacks goes on.
            _ => shard.is_out_no_more(&out.correlation, &out.key),
        });
    }

    /// Tries to let it out once more, in a while; not if its workflow has given it up by then, nor where nothing is taken any more.
    fn again(&mut self, out: Out, once_more: impl FnOnce(&mut Self, Out) + 'static) {
        self.awaited.push(sleep(AGAIN), move |(), shard, _| {
            match out.given_up.is_aborted() || shard.links.is_latched() {
                true => shard.is_out_no_more(&out.correlation, &out.key),
                false => once_more(shard, out),
            }
        });
    }

    fn is_out_no_more(&mut self, correlation: &CorrelationId, key: &EffectKey) {
        if let Some(out) = self.out.get_mut(correlation) {
            out.remove(key);
            if out.is_empty() {
                self.out.remove(correlation);
            }
        }
        self.leave_if_over(correlation);
        self.show();
    }

    /// Sends an event to another correlation. Sent twice is once: its id comes from its key.
    fn send(&mut self, out: Out, event: Arc<str>) {
        let incoming = match Incoming::read(event.as_bytes(), Origin::File) {
            Ok(incoming) => incoming,
            Err(error) => return self.effect_ended(out, EffectEnd::NotSent { reason: error.to_string() }),
        };
        if self.links.definitions.is_empty() && workflow_to_begin(incoming.event()).is_some() {
            // It stays owed: a program that has workflows goes on with it.
            return self.is_out_no_more(&out.correlation, &out.key);
        }
        if let Err(reason) = self.may_be_sent(incoming.event()) {
            return self.effect_ended(out, EffectEnd::NotSent { reason });
        }
        let to = incoming.event().correlation_id.clone();
        let command = Arc::new(Command::Submit { event: incoming, emitted: true });
        let (reply, answer) = oneshot::channel();
        self.neighbours.router.send(entry(&to, command, reply, self.neighbours.busy.begin()));
        self.awaited.push(answer, move |answer, shard, _| match sent(answer) {
            Some(end) => shard.effect_ended(out, end),
            None => {
                shard.again(out, move |shard, out| shard.send(out, event));
            }
        });
    }

    /// Has a workflow run elsewhere. Once its event is recorded there, that workflow owes this one its end.
    fn run_other(&mut self, out: Out, event: Arc<str>) {
        let incoming = match Incoming::read(event.as_bytes(), Origin::File) {
            Ok(incoming) => incoming,
            Err(error) => return self.effect_ended(out, EffectEnd::NotSent { reason: error.to_string() }),
        };
        if let Err(reason) = self.may_be_sent(incoming.event()) {
            return self.effect_ended(out, EffectEnd::NotSent { reason });
        }
        let to = incoming.event().correlation_id.clone();
        let command = Arc::new(Command::Submit { event: incoming, emitted: true });
        let (reply, answer) = oneshot::channel();
        self.neighbours.router.send(entry(&to, command, reply, self.neighbours.busy.begin()));
        self.awaited.push(answer, move |answer, shard, _| match sent(answer) {
            // It waits in memory no longer than that: the other one reports.
            Some(EffectEnd::Sent { .. }) => shard.is_out_no_more(&out.correlation, &out.key),
            Some(refused) => shard.effect_ended(out, refused),
            None => {
                shard.again(out, move |shard, out| shard.run_other(out, event));
            }
        });
    }

    /// Something is told or done to another workflow, again and again until it is taken or of no use any more.
    fn command_other(&mut self, out: Out, to: CorrelationId, command: Arc<Command>) {
        let (reply, answer) = oneshot::channel();
        self.neighbours.router.send(entry(&to, Arc::clone(&command), reply, self.neighbours.busy.begin()));
        self.awaited.push(answer, move |answer, shard, _| {
            let again = match &answer {
                // It stays owed: a program that has that definition goes on with it.
                Ok(Err(Reason::Workflow(Refusal::UnknownDefinition { .. }))) => {
                    return shard.is_out_no_more(&out.correlation, &out.key);
                }
                Ok(Ok(_)) => false,
                Ok(Err(reason)) => not_sent(reason).is_none(),
                Err(_) => true,
            };
            if again {
                shard.again(out, move |shard, out| shard.command_other(out, to, command));
            } else {
                shard.effect_ended(out, EffectEnd::Told);
            }
        });
    }

    /// Whether an event may go out: it is one of its type, and what it is to begin begins on it.
    fn may_be_sent(&self, event: &Event) -> Result<(), String> {
        self.links.definitions.catalogue().check(event).map_err(|breach| breach.to_string())?;
        let workflow = workflow_to_begin(event);
        workflow.map_or(Ok(()), |workflow| self.links.definitions.begins(workflow, &event.kind))
    }

    /// Updates an entity. Asked twice is once: its id comes from its key.
    fn update(&mut self, out: Out, mut update: Box<Update>) {
        if let Err(error) = entity::check(&update) {
            return self.effect_ended(out, EffectEnd::NotSent { reason: error.to_string() });
        }
        update.id.get_or_insert_with(|| emitted_id(&out.correlation, &out.key.step, out.key.attempt));
        let (reply, answer) = oneshot::channel();
        let (to, command) = (update.correlation(), Arc::new(Command::Update(update.clone())));
        self.neighbours.router.send(entry(&to, command, reply, self.neighbours.busy.begin()));
        let links = Rc::clone(&self.links);
        let end = async move {
            match answer.await {
                Ok(Ok(None)) => Some(EffectEnd::Updated { first: 0, events: 0 }),
                Ok(Ok(Some(result))) => {
                    let position = result.position?;
                    // All that was committed by now: its events may be those of several turns.
                    let least = links.head();
                    let read = links.readers.run(move |reader| {
                        reader.caught_up(least, PATIENCE)?;
                        updated(reader, position)
                    });
                    read.await.ok().map(|updated| updated.end(position))
                }
                Ok(Err(reason)) => not_sent(&reason),
                Err(_) => None,
            }
        };
        self.awaited.push(end, move |end, shard, _| match end {
            Some(end) => shard.effect_ended(out, end),
            None => {
                shard.again(out, move |shard, out| shard.update(out, update));
            }
        });
    }

    /// Looks up what a rule's run has changed. Its acts have all ended, and their ends are committed.
    fn trace(&mut self, out: Out) {
        let (links, correlation) = (Rc::clone(&self.links), out.correlation.clone());
        let found = async move {
            let (least, catalogue) = (links.head(), links.definitions.catalogue().clone());
            let read = links.readers.run(move |reader| {
                reader.caught_up(least, PATIENCE)?;
                let run = run_of(&correlation).unwrap_or_default();
                traced(reader, run, &catalogue)
            });
            read.await.ok()
        };
        self.awaited.push(found, move |found, shard, _| match found {
            Some(changed) => {
                let changed = Json::of(&changed.unwrap_or_default().changed);
                shard.effect_ended(out, EffectEnd::Traced { changed });
            }
            None => {
                shard.awaited.push(sleep(AGAIN), move |(), shard, _| shard.trace(out));
            }
        });
    }

    /// Gives up what a workflow has under way, but for what it still owes.
    pub(super) fn give_up_calls(&mut self, correlation: &CorrelationId, still_owed: &BTreeSet<EffectKey>) {
        let Some(out) = self.out.get(correlation) else { return };
        let given_up = out.iter().filter(|(key, _)| !still_owed.contains(key));
        given_up.for_each(|(_, out)| out.abort());
    }
}

pub(super) fn entry(
    correlation: &CorrelationId,
    command: Arc<Command>,
    reply: oneshot::Sender<Answer>,
    under_way: UnderWay,
) -> Entry {
    Entry {
        correlation: correlation.clone(),
        work: Work::Command(command),
        as_of: None,
        until: Until::Judged,
        reply: Some(reply),
        since: Instant::now(),
        permit: None, // bounded by what workflows may owe
        under_way: Some(under_way),
    }
}

/// How a send ended; nothing if it is to be tried again.
fn sent(answer: Result<Answer, oneshot::error::RecvError>) -> Option<EffectEnd> {
    match answer {
        Ok(Ok(Some(result))) => {
            let position = result.position.unwrap_or(0);
            Some(EffectEnd::Sent { position, state: result.event_state? })
        }
        Ok(Ok(None)) => None,
        Ok(Err(reason)) => not_sent(&reason),
        Err(_) => None,
    }
}

fn not_sent(reason: &Reason) -> Option<EffectEnd> {
    let passes = reason.is_passing() || matches!(reason, Reason::Journal(_) | Reason::Closing);
    (!passes).then(|| EffectEnd::NotSent { reason: reason.to_string() })
}
