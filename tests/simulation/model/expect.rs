//! What a record must hold, by the event's script, the agent's result and the verdict.

use regie_core::Timestamp;
use regie_core::event::LifeState;
use regie_core::event::Principal;
use regie_core::governance::{Grant, Verdict};
use regie_core::workflow::{AgentOutcome, Effect, EffectEnd, EffectKey, Fact, RunEnd};

use super::foresee::{Look, Stop as Stopped, foresee};
use super::thread::{AFTER_END, Run, Thread};
use crate::simulation::program::Kind;
use crate::simulation::rules::Policies;
use crate::simulation::script::{BOMB, CLERK, Do, Given, TRIES};
use crate::simulation::workflows::words::{WORKFLOWS, workflow_of};

/// A fact with what the model has a say over.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plain {
    Received,
    Judged,
    Released,
    Moved(u64, LifeState),
    Started(String, u32),
    Noted(String),
    Owes(EffectKey, What),
    Ended(EffectKey),
    Parked,
    Finished { failed: bool },
    Reasoned(u64),
    Kept(u64),
    Freed(u64, String, String),
    Other,
}

/// What an effect is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Call(String, Option<u64>),
    Timer(Timestamp),
    Send,
}

impl Plain {
    pub(super) fn of(fact: &Fact) -> Self {
        match fact {
            Fact::Received { .. } => Plain::Received,
            Fact::Judged { .. } => Plain::Judged,
            Fact::Released { .. } => Plain::Released,
            Fact::Moved { event, to, .. } => Plain::Moved(*event, *to),
            Fact::Started { definition, version } => Plain::Started(definition.clone(), *version),
            Fact::Noted { data } => Plain::Noted(data.to().unwrap_or_else(|_| data.text().to_string())),
            Fact::Owes { key, effect } => Plain::Owes(key.clone(), What::of(effect)),
            Fact::Ended { key, .. } => Plain::Ended(key.clone()),
            Fact::Parked { .. } => Plain::Parked,
            Fact::Finished { end } => Plain::Finished { failed: matches!(end, RunEnd::Failed { .. }) },
            Fact::Reasoned { event, .. } => Plain::Reasoned(*event),
            Fact::Kept { event } => Plain::Kept(*event),
            Fact::Freed { policy, key, event } => Plain::Freed(*event, policy.clone(), key.clone()),
            _ => Plain::Other,
        }
    }
}

impl What {
    fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Call { agent, timeout_ms, .. } => What::Call(agent.clone(), *timeout_ms),
            Effect::Timer { due } => What::Timer(*due),
            _ => What::Send,
        }
    }
}

/// By what a record was made.
pub(super) struct Made<'a> {
    pub(super) kind: &'a Kind,
    pub(super) policies: &'static Policies,
    /// Whether what it is about has killed its workflow too often.
    pub(super) poisoned: bool,
    pub(super) at: Timestamp,
    /// What it holds. What a workflow makes of something is foreseen by nobody here.
    pub(super) facts: &'a [Fact],
}

impl Made<'_> {
    /// All facts, after so many.
    fn rest(&self, after: usize) -> impl Iterator<Item = Plain> {
        self.facts.iter().skip(after).map(Plain::of)
    }
}

/// The facts that an event must leave that comes in, returns, or was asked about.
pub(super) fn expected_for_event(thread: &mut Thread, sequence: u64, facts: &[Fact], made: &Made<'_>) -> Vec<Plain> {
    let event = &thread.events[&sequence];
    let just_said = !event.asks.is_empty();
    let mut expected = match event.state {
        LifeState::Deferred => vec![Plain::Moved(sequence, LifeState::Pending)],
        _ if just_said => vec![Plain::Reasoned(sequence)],
        _ => vec![Plain::Received],
    };
    expected.extend(event.booking.as_ref().map(|_| Plain::Released));
    if thread.run.as_ref().is_some_and(Run::skips) {
        expected.push(Plain::Moved(sequence, LifeState::Discarded));
        let told = |fact: &Fact| matches!(fact, Fact::Owes { key, .. } if key.step.starts_with(AFTER_END));
        expected.extend(facts.iter().filter(|fact| told(fact)).map(Plain::of)); // who asked for a run there
        return expected;
    }
    // No policy judges it again.
    if event.awaits.is_some() {
        expected.extend(made.rest(expected.len()));
        return expected;
    }
    let mut said = event.said.clone();
    if let Some(Fact::Reasoned { reasonings, .. }) = facts.first() {
        said.retain(|old| reasonings.iter().all(|new| new.policy != old.policy));
        said.extend_from_slice(reasonings);
    }
    // What others than the policies in force have asked is no answer to those.
    let answered = just_said && event.judged_by == made.policies.in_force().set.digest();
    let may_defer = event.unpromised() < made.policies.most_deferrals;
    let look = Look { seen: &event.seen, said: &said, answered, may_defer, poisoned: made.poisoned };
    let foreseen = foresee(made.policies, &look);
    let judgement =
        facts.iter().find_map(|fact| if let Fact::Judged { judgement, .. } = fact { Some(judgement) } else { None });
    assert_eq!(judgement.is_some(), foreseen.is_judged(), "what was judged by nobody, or not judged");
    expected.extend(judgement.map(|_| Plain::Judged));
    judgement.into_iter().for_each(|judgement| foreseen.assert(judgement));
    let by_poison = foreseen.stop == Some(Stopped::Poison);
    thread.foreseen = Some(foreseen);
    match judgement.map_or(&Verdict::Accepted, |judgement| &judgement.verdict) {
        Verdict::Accepted if workflow_of(&event.seen.correlation_id).is_some() => {
            expected.extend(made.rest(expected.len()));
        }
        Verdict::Accepted => expected.extend(handled(thread, sequence, made, false)),
        Verdict::Deferred { .. } | Verdict::Waiting { .. } => {
            expected.push(Plain::Moved(sequence, LifeState::Deferred));
        }
        Verdict::Discarded { .. } => expected.push(Plain::Moved(sequence, LifeState::Discarded)),
        Verdict::Escalated { .. } | Verdict::EscalatedUntil { .. } => {
            expected.push(Plain::Moved(sequence, LifeState::Escalated));
            expected.extend((made.poisoned || by_poison).then_some(Plain::Parked));
        }
        Verdict::Asking { .. } => {}
    }
    expected
}

/// The facts that must be left when an escalated event is decided of: by a person, or because its time is up.
pub(super) fn expected_after_decision(thread: &Thread, facts: &[Fact], made: &Made<'_>) -> Vec<Plain> {
    let decided = facts.iter().find_map(|fact| match fact {
        Fact::Moved { event, to, reason, by } => Some((*event, Some((*to, reason, by)))),
        Fact::Kept { event } => Some((*event, None)),
        Fact::Parked { input, .. } => {
            // Who let it go on is told with it.
            let (event, told) = input.split_once(" (").expect("an event, and who let it go on");
            let id = event.strip_prefix("event ").expect("an event");
            assert!(told.starts_with("approved by user:eva: ") || told.starts_with("nobody decided"), "{input}");
            let found = thread.events.iter().find(|(_, event)| event.seen.id == id).expect("an event");
            Some((*found.0, None))
        }
        _ => None,
    });
    let (sequence, moved) = decided.unwrap_or_else(|| panic!("a record of nothing: {facts:?}"));
    let event = &thread.events[&sequence];
    assert_eq!(event.state, LifeState::Escalated, "a decision of event {sequence}, which does not wait for one");
    let eva = Some(Principal::user("eva"));
    let failed = thread.run.as_ref().is_some_and(Run::skips);
    let kept = facts.iter().any(|fact| matches!(fact, Fact::Kept { .. }));
    let skipped = "skipped: its workflow ";
    let before = [skipped, "awaiting transition: ", "'order."];
    let is_before = |reason: &str| before.iter().any(|before| reason.starts_with(before));
    let plain =
        |reason| if is_before(reason) { reason.rsplit_once("; ").map_or(reason, |(_, why)| why) } else { reason };
    let why = moved.map(|(_, reason, _)| plain(reason.as_str()));
    let in_person = match (moved, why) {
        (Some((_, _, by)), Some("eva says so")) if *by == eva => true,
        (Some((_, _, None)), Some("nobody decided in time")) => false,
        (Some((_, reason, by)), _) => panic!("decided by {by:?}: {reason}"),
        (None, _) => !kept,
    };
    let is_skipped = moved.is_some_and(|(_, reason, _)| reason.starts_with(skipped));
    let approved = match moved {
        Some((to, reason, _)) => is_skipped || to != LifeState::Discarded || reason.starts_with("'order."),
        None => true,
    };
    if !in_person {
        assert_eq!(event.lapse, Some(approved), "event {sequence} is decided of otherwise than was said");
        assert!(event.until.is_some_and(|until| until <= made.at), "event {sequence} is decided of before its time");
    }
    assert_eq!(is_skipped, approved && failed, "skipped by a run that has not failed, or not by one that has");
    if !approved || is_skipped {
        return vec![Plain::Moved(sequence, LifeState::Discarded)];
    }
    if workflow_of(&event.seen.correlation_id).is_some() {
        return made.rest(0).collect();
    }
    let mut expected = handled(thread, sequence, made, true);
    let moves = expected.contains(&Plain::Moved(sequence, LifeState::Processed));
    expected.extend((!in_person && !moves).then_some(Plain::Kept(sequence)));
    expected
}

/// Places are freed with the run that they belong to; without one at once.
pub(super) fn freed(thread: &Thread, facts: &[Fact], expected: &[Plain]) -> Vec<Plain> {
    let mut places = thread.places.clone();
    for fact in facts {
        if let Fact::Judged { event, judgement } = fact {
            let held = judgement.decisions.iter().filter_map(|it| match &it.grant {
                Some(Grant::Held { key }) => Some((*event, it.policy.clone(), key.clone())),
                _ => None,
            });
            places.extend(held);
        }
    }
    let runs = thread.run.as_ref().is_some_and(Run::is_running);
    let begins = expected.iter().any(|plain| matches!(plain, Plain::Started(..)));
    let ends = expected.iter().any(|plain| matches!(plain, Plain::Finished { .. }));
    let places = places.into_iter().filter(|_| ends || !(runs || begins));
    places.map(|(event, policy, key)| Plain::Freed(event, policy, key)).collect()
}

/// What an event leaves that goes on; one that a person has let go on is escalated already.
fn handled(thread: &Thread, sequence: u64, made: &Made<'_>, approved: bool) -> Vec<Plain> {
    let Made { kind, poisoned, at, .. } = *made;
    let mut parked = vec![Plain::Moved(sequence, LifeState::Escalated), Plain::Parked];
    parked.drain(..usize::from(approved));
    let seen = &thread.events[&sequence].seen;
    let newest = match seen.parts().0 {
        "puppet" => Some(("puppet", kind.puppet)),
        "guest" if kind.guest => Some(("guest", 1)),
        _ => None,
    };
    let recorded = vec![Plain::Moved(sequence, LifeState::Processed)];
    let fresh;
    let (run, mut expected) = match (&thread.run, newest) {
        (Some(run), _) if run.is_running() => (run, Vec::new()),
        _ if poisoned => return parked,
        (Some(_), _) | (None, None) => return recorded,
        (None, Some((name, version))) => {
            fresh = Run::new(name, version);
            (&fresh, vec![Plain::Started(name.to_string(), version)])
        }
    };
    assert!(kind.has(&run.name, run.version), "handled without its definition");
    let followed = if poisoned { Err(Stop::Error) } else { Reaction::new(thread, run, None, at).follow(&seen.payload) };
    match followed {
        Ok(reaction) => {
            expected.extend(recorded);
            expected.extend(reaction);
        }
        Err(Stop::Error) => return parked, // no run begins with it
        Err(Stop::Panic) => panic!("event {sequence} was handled by a handler that panics"),
    }
    expected
}

/// The facts that an effect's end must leave.
pub(super) fn expected_after_end(thread: &Thread, (key, end): (&EffectKey, &EffectEnd), made: &Made<'_>) -> Vec<Plain> {
    let Made { kind, poisoned, .. } = *made;
    if key.step.starts_with(AFTER_END) {
        return vec![Plain::Ended(key.clone())];
    }
    let run = thread.run.as_ref().expect("effects are owed by a run");
    assert!(run.is_running() && kind.has(&run.name, run.version), "the end of {key} is handled by nobody");
    let mut expected = vec![Plain::Ended(key.clone())];
    if WORKFLOWS.contains(&run.name.as_str()) {
        expected.extend(made.rest(expected.len()));
        return expected;
    }
    let mut reaction = Reaction::new(thread, run, Some(key), thread.last_at);
    let followed = match end {
        _ if poisoned => Err(Stop::Error),
        EffectEnd::Agent(AgentOutcome::Done(result)) => {
            let given: Given = result.to().expect("what the simulation gave");
            reaction.note(&format!("{} gave {}", key.step, given.number));
            reaction.follow(&given.then)
        }
        EffectEnd::Agent(_) => {
            reaction.note(&format!("{} failed", key.step));
            let again = Do::Call { step: key.step.clone(), agent: CLERK.into(), within: None };
            let again = (noted(run, &format!(": {} failed", key.step)) + 1 < TRIES).then_some(again);
            reaction.follow(again.as_slice())
        }
        EffectEnd::TimerFired => {
            reaction.note(&format!("{} rang", key.step));
            let again = Do::Timer { step: key.step.clone(), after: 0 };
            let again = (noted(run, &format!(": {} rang", key.step)) == 0).then_some(again);
            reaction.follow(again.as_slice())
        }
        EffectEnd::Sent { .. } => reaction.noted(&format!("{} arrived", key.step)),
        _ => reaction.noted(&format!("{} was refused", key.step)),
    };
    match followed {
        Ok(reaction) => expected.extend(reaction),
        Err(Stop::Error) => expected.push(Plain::Parked),
        Err(Stop::Panic) => panic!("the end of {key} was handled by a handler that panics"),
    }
    expected
}

fn noted(run: &Run, end: &str) -> u32 {
    run.notes.iter().filter(|note| note.ends_with(end)).count() as u32
}

/// Why nothing follows.
enum Stop {
    Error,
    Panic,
}

/// What follows from a script: notes first, then effects, then the end.
struct Reaction<'a> {
    thread: &'a Thread,
    run: &'a Run,
    ended: Option<&'a EffectKey>,
    at: Timestamp,
    notes: Vec<Plain>,
    wishes: Vec<(String, What)>,
    end: Option<Plain>,
}

impl<'a> Reaction<'a> {
    fn new(thread: &'a Thread, run: &'a Run, ended: Option<&'a EffectKey>, at: Timestamp) -> Self {
        Self { thread, run, ended, at, notes: Vec::new(), wishes: Vec::new(), end: None }
    }

    fn note(&mut self, text: &str) {
        self.notes.push(Plain::Noted(format!("v{}: {text}", self.run.version)));
    }

    fn noted(mut self, text: &str) -> Result<Vec<Plain>, Stop> {
        self.note(text);
        self.follow(&[])
    }

    fn follow(mut self, script: &[Do]) -> Result<Vec<Plain>, Stop> {
        for one in script {
            match one {
                Do::Note(text) => self.note(text),
                Do::Bomb => self.note(BOMB),
                Do::Call { step, agent, within } => {
                    self.wishes.push((step.clone(), What::Call(agent.clone(), *within)));
                }
                Do::Timer { step, after } => {
                    let due = self.at.after(std::time::Duration::from_millis(*after));
                    self.wishes.push((step.clone(), What::Timer(due)));
                }
                Do::Send { step, .. } => self.wishes.push((step.clone(), What::Send)),
                Do::Complete => self.end = Some(Plain::Finished { failed: false }),
                Do::Fail => self.end = Some(Plain::Finished { failed: true }),
                Do::Refuse => return Err(Stop::Error),
                Do::Panic => return Err(Stop::Panic),
            }
        }
        self.facts()
    }

    fn facts(mut self) -> Result<Vec<Plain>, Stop> {
        let mut taken: Vec<&str> = self.thread.owed.keys().map(|key| key.step.as_str()).collect();
        taken.retain(|step| self.ended.is_none_or(|ended| ended.step != *step));
        let blows_up = self.notes.contains(&Plain::Noted(format!("v{}: {BOMB}", self.run.version)));
        let mut facts = std::mem::take(&mut self.notes);
        for (step, what) in &self.wishes {
            if taken.contains(&step.as_str()) {
                return Err(Stop::Error);
            }
            taken.push(step);
            let attempt = self.run.attempts.get(step).copied().unwrap_or(0) + 1;
            facts.push(Plain::Owes(EffectKey { step: step.clone(), attempt }, what.clone()));
        }
        facts.extend(self.end.take());
        if blows_up { Err(Stop::Panic) } else { Ok(facts) }
    }
}
