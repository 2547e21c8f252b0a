//! What governance says within a turn: policies without state right here, those with state by one ask.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use regie_core::event::{EntityRef, Event, Incoming};
use regie_core::governance::{
    Ask, AskId, Booking, Judgement, PolicySet, Preliminary, Ruling, Seen, Verdict, workflow_seen,
};
use regie_core::reasoning::Reasoning;
use regie_core::workflow::Command;
use regie_core::{Json, Timestamp};
use regie_journal::StoreError;
use tokio::sync::oneshot;

use super::messages::Item;
use super::turn::{Stop, Taking};
use crate::entities::Folded;
use crate::lane::{AskPolicy, GiveUp};

/// How long a condition over an entity waits for the index to cover what was committed before.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// An event that is to be judged.
struct Subject {
    incoming: Incoming,
    /// Which of its correlation it is.
    sequence: u64,
    /// The place that it comes back to.
    returning: Option<Booking>,
    /// What reasoners have said of it, and whether they just have.
    said: Vec<Reasoning>,
    just_said: bool,
    /// Whether the set that is in force asked them: then what it looked at before is not looked at again.
    answered: bool,
    /// How often it was put off without a promise.
    deferrals: u32,
}

/// What governance says.
pub(super) struct Judged {
    pub(super) judgement: Judgement,
    /// What reasoners have just said, with what of it counts.
    pub(super) said: Option<Vec<Reasoning>>,
}

impl Judged {
    fn free(now: Timestamp, set: &PolicySet) -> Self {
        Self { judgement: Judgement::free(now, set.digest()), said: None }
    }
}

impl Taking {
    /// What governance says; nothing where a turn has its one reservation already.
    pub(super) async fn judge(
        &mut self,
        item: &Item,
        command: &Command,
        now: Timestamp,
    ) -> Result<Option<Judged>, Stop> {
        let set = Arc::clone(&self.in_force.set);
        let broken = |why: String| Stop::Died(item.ticket, why);
        let Some(mut subject) = self.subject(command).map_err(broken)? else {
            return Ok(Some(Judged::free(now, &set)));
        };
        let returning = subject.returning.take();
        if self.body.state.skips() {
            let free = Judged::free(now, &set);
            return Ok(self.give_back(&set, &subject, returning).await?.then_some(free));
        }
        if set.has_conditions() {
            subject.incoming.stamp(now);
        }
        let (said, preliminary) = match (self.stateless(&set, &mut subject, now).await?, &item.poison) {
            (Some(asked), _) => asked,
            // It cannot be judged, and that has killed the workflow often enough: a person decides.
            (None, Some(poison)) => {
                let reason = format!("poison: {}", poison.error);
                // What could not be sifted does not count.
                let said = subject.just_said.then(Vec::new);
                (said, Preliminary { stopped: Some(Verdict::Escalated { reason }), ..Preliminary::default() })
            }
            (None, None) => return Err(broken("a policy's condition panicked".into())),
        };
        let Preliminary { mut decisions, stopped, wants } = preliminary;
        let mut judged = Judged::free(now, &set);
        judged.said = said;
        if self.ask.is_some() && (!wants.is_empty() || returning.is_some()) {
            return Ok(None);
        }
        if stopped.is_none() && (!wants.is_empty() || returning.is_some()) {
            let may_defer = subject.deferrals < set.most_deferrals();
            let (id, who) = (self.links.ask_id(), (self.correlation.clone(), subject.sequence));
            let ask = Ask { id, who, set, wants, returning, may_defer };
            let ruling = self.ask_policy(ask).await.ok_or_else(policy_is_gone)?;
            decisions.extend(ruling.decisions);
            judged.judgement.verdict = ruling.stopped.unwrap_or(Verdict::Accepted);
            judged.judgement.at = ruling.at;
        } else if let Some(stopped) = stopped {
            self.give_back(&set, &subject, returning).await?;
            judged.judgement.verdict = stopped;
        }
        judged.judgement.decisions = decisions;
        Ok(Some(judged))
    }

    /// The event that a command would have judged; nothing where there is none.
    fn subject(&self, command: &Command) -> Result<Option<Subject>, String> {
        let (sequence, answer) = match command {
            Command::Submit { event, .. } => {
                let (said, returning) = (Vec::new(), None);
                let sequence = self.body.state.sequence + 1;
                let incoming = event.clone();
                return Ok(Some(Subject {
                    incoming,
                    sequence,
                    returning,
                    said,
                    just_said: false,
                    answered: false,
                    deferrals: 0,
                }));
            }
            Command::Return { event } => (*event, None),
            Command::Reasoned { event, reasonings } => (*event, Some(reasonings)),
            _ => return Ok(None),
        };
        let Some(open) = self.body.state.open().get(&sequence) else { return Ok(None) };
        let incoming = open.event().map_err(|error| error.to_string())?;
        let mut said = open.reasonings.clone();
        if let Some(answer) = answer {
            said.retain(|old| answer.iter().all(|new| new.policy != old.policy));
            said.extend_from_slice(answer);
        }
        let (returning, just_said) = (open.booking.clone(), answer.is_some());
        let answered = just_said && open.asked_under == self.in_force.set.digest();
        Ok(Some(Subject { incoming, sequence, returning, said, just_said, answered, deferrals: open.deferrals }))
    }

    /// What the policies without state say; nothing if one of them panicked.
    async fn stateless(
        &mut self,
        set: &PolicySet,
        subject: &mut Subject,
        now: Timestamp,
    ) -> Result<Option<(Option<Vec<Reasoning>>, Preliminary)>, Stop> {
        let event = match self.links.definitions.catalogue().bring_up_shared(subject.incoming.shared()) {
            Ok(event) => event,
            // What no policy can read is for a person.
            Err(error) => {
                let stopped = Some(Verdict::Escalated { reason: error.to_string() });
                let said = subject.just_said.then(Vec::new);
                return Ok(Some((said, Preliminary { stopped, ..Preliminary::default() })));
            }
        };
        let needs = set.needs(&event);
        let workflow = needs.workflow.then(|| workflow_seen(&self.correlation, &self.body.state));
        let entity = if needs.entity { Some(self.entity(&event).await?) } else { None };
        let may_defer = subject.deferrals < set.most_deferrals();
        let said = std::mem::take(&mut subject.said);
        let (workflow, entity) = (workflow.as_ref(), entity.as_ref());
        let seen = Seen { event: &event, now, workflow, entity, said: &[], answered: subject.answered, may_defer };
        let just_said = subject.just_said;
        let began = set.has_code().then(|| self.links.holder.takes(&self.correlation));
        let asked = catch_unwind(AssertUnwindSafe(|| {
            let said = if just_said { set.sift(&seen, said) } else { said };
            let preliminary = set.judge(&Seen { said: &said, ..seen });
            (said, preliminary)
        }));
        if let Some(began) = began {
            self.links.holder.has_decided(began, None);
        }
        Ok(asked.ok().map(|(said, preliminary)| (just_said.then_some(said), preliminary)))
    }

    /// The event's entity as conditions see it: its state by all that was committed before now, at a position that is
    /// told. Null where it has none, or nothing is known of it.
    async fn entity(&self, event: &Event) -> Result<Json, Stop> {
        let Some(entity) = &event.entity else { return Ok(Json::null()) };
        let folded = self.folded(entity).await?;
        Ok(folded.map_or(Json::null(), |folded| folded.seen(entity)))
    }

    /// An entity by all that was committed before now; nothing where nothing is known of it.
    pub(super) async fn folded(&self, entity: &EntityRef) -> Result<Option<Arc<Folded>>, Stop> {
        let (least, known) = (self.links.head(), self.links.entities.known(entity));
        let (entity, catalogue) = (entity.clone(), self.links.definitions.catalogue().clone());
        let read = self.links.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            Ok((Folded::read(reader, &entity, known, &catalogue)?, entity))
        });
        let (folded, entity) = read.await.map_err(Stop::Failed)?;
        if let Some(folded) = &folded {
            self.links.entities.remember(entity, Arc::clone(folded));
        }
        Ok(folded)
    }

    /// The event of an earlier record that a command is about, if its life is not over.
    pub(super) fn earlier(&self, command: &Command) -> Option<Incoming> {
        self.body.state.open().get(&command.about()?)?.event().ok()
    }

    /// Notes an event of an earlier record that is processed by this turn.
    pub(super) fn gone_on(&mut self, event: Option<Incoming>, at: Timestamp) {
        let Some(event) = event else { return };
        self.watched = self.watched.take().or_else(|| self.links.rules.borrow().over(event.event()).cloned());
        self.changed(&event, at);
    }

    /// The place that an event had booked is given back with the commit: an ask that wants nothing carries that. Says no
    /// where the turn has its one reservation already.
    async fn give_back(
        &mut self,
        set: &Arc<PolicySet>,
        subject: &Subject,
        returning: Option<Booking>,
    ) -> Result<bool, Stop> {
        if returning.is_none() {
            return Ok(true);
        }
        if self.ask.is_some() {
            return Ok(false);
        }
        let (id, who) = (self.links.ask_id(), (self.correlation.clone(), subject.sequence));
        let ask = Ask { id, who, set: Arc::clone(set), wants: Vec::new(), returning, may_defer: true };
        self.ask_policy(ask).await.ok_or_else(policy_is_gone)?;
        Ok(true)
    }

    async fn ask_policy(&mut self, ask: Ask) -> Option<Ruling> {
        let (reply, ruling) = oneshot::channel();
        let id = ask.id;
        self.ask = Some(id);
        let message = AskPolicy { correlation: self.correlation.clone(), ask, reply };
        self.links.lane.try_send(message).ok()?;
        ruling.await.ok()
    }

    pub(super) fn give_up(&self, ask: AskId) {
        // Should the lane be full or gone, the fence behind this workflow's death gives the reservation up.
        if self.links.lane.try_send(GiveUp(ask)).is_err() {
            tracing::warn!(correlation = %self.correlation, "a reservation is given up late: the lane is full");
        }
    }
}

fn policy_is_gone() -> Stop {
    Stop::Failed(StoreError::Failed { why: "the policies cannot be asked now".into() })
}
