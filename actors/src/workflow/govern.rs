//! What governance says within a turn: policies without state right here, those with state by one ask.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::governance::{Ask, AskId, Booking, Judgement, PolicySet, Preliminary, Ruling, Verdict, Who};
use regie_core::workflow::Command;
use regie_journal::StoreError;
use tokio::sync::oneshot;

use super::messages::Item;
use super::turn::{Stop, Taking};
use crate::lane::{AskPolicy, GiveUp};

impl Taking {
    /// What governance says; nothing where a turn has its one reservation already.
    pub(super) async fn judge(
        &mut self,
        item: &Item,
        command: &Command,
        now: Timestamp,
    ) -> Result<Option<Judgement>, Stop> {
        let set = Arc::clone(&self.links.set);
        let who = self.who(command);
        let broken = |why: String| Stop::Died(item.ticket, why);
        let (mut incoming, returning) = match command {
            Command::Submit { event, .. } => (event.clone(), None),
            Command::Return { event } => match self.body.state.open().get(event) {
                Some(open) => (open.event().map_err(|error| broken(error.to_string()))?, open.booking.clone()),
                None => return Ok(Some(Judgement::free(now, set.digest()))),
            },
            _ => return Ok(Some(Judgement::free(now, set.digest()))),
        };
        if self.body.state.skips() {
            let free = Judgement::free(now, set.digest());
            return Ok(self.give_back((who, set), returning).await?.then_some(free));
        }
        if set.has_conditions() {
            incoming.stamp(now);
            self.links.holder.takes(&self.correlation);
        }
        let asked = catch_unwind(AssertUnwindSafe(|| set.preliminary(incoming.event(), now)));
        if set.has_conditions() {
            self.links.holder.is_free();
        }
        let preliminary = match (asked, &item.poison) {
            (Ok(preliminary), _) => preliminary,
            // It cannot be judged, and that has killed the workflow often enough: a person decides.
            (Err(_), Some(poison)) => {
                let reason = format!("poison: {}", poison.error);
                Preliminary { stopped: Some(Verdict::Escalated { reason }), ..Preliminary::default() }
            }
            (Err(_), None) => return Err(broken("a policy's condition panicked".into())),
        };
        let Preliminary { mut decisions, stopped, wants } = preliminary;
        let mut judgement = Judgement::free(now, set.digest());
        if self.ask.is_some() && (!wants.is_empty() || returning.is_some()) {
            return Ok(None);
        }
        if stopped.is_none() && (!wants.is_empty() || returning.is_some()) {
            let ask = Ask { id: self.links.ask_id(), who, set, wants, returning };
            let ruling = self.ask_policy(ask).await.ok_or_else(policy_is_gone)?;
            decisions.extend(ruling.decisions);
            judgement.verdict = ruling.stopped.unwrap_or(Verdict::Accepted);
            judgement.at = ruling.at;
        } else if let Some(stopped) = stopped {
            self.give_back((who, set), returning).await?;
            judgement.verdict = stopped;
        }
        judgement.decisions = decisions;
        Ok(Some(judgement))
    }

    /// The place that an event had booked is given back with the commit: an ask that wants nothing carries that. Says no
    /// where the turn has its one reservation already.
    async fn give_back(&mut self, (who, set): (Who, Arc<PolicySet>), returning: Option<Booking>) -> Result<bool, Stop> {
        if returning.is_none() {
            return Ok(true);
        }
        if self.ask.is_some() {
            return Ok(false);
        }
        let ask = Ask { id: self.links.ask_id(), who, set, wants: Vec::new(), returning };
        self.ask_policy(ask).await.ok_or_else(policy_is_gone)?;
        Ok(true)
    }

    /// The event that a command is about: a new one is received by the record that comes next.
    fn who(&self, command: &Command) -> Who {
        let event = if let Command::Return { event } = command { *event } else { self.body.state.sequence + 1 };
        (self.correlation.clone(), event)
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
