//! What would become of an event if it came in now. Nothing is recorded, and nothing is spent.

use std::sync::Arc;
use std::time::Duration;

use regie_actors::entities::{read_entity, read_fields};
use regie_actors::refused::Reason;
use regie_actors::workflow::Body;
use regie_core::entity::{check_claims, is_checked};
use regie_core::event::{Breach, Catalogue, Event, Incoming, LifeState};
use regie_core::governance::{Ask, AskId, Judgement, PolicySet, Preliminary, Seen, Verdict, workflow_seen};
use regie_core::workflow::{Definitions, State};
use regie_core::{Json, Timestamp};
use regie_journal::{Reader, StoreError};

use super::entering::{Whence, may_enter};
use super::handle::Handle;

/// How long a look ahead waits for the index to cover what was committed before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What would become of an event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Foreseen {
    /// It is known already, and is in this state: nothing new.
    Known(Option<LifeState>),
    /// Its workflow has failed, and takes no more.
    Skipped,
    /// It would not come in: a name in it is the runtime's own, it is none of its type, or what it claims of a checked entity
    /// is not so.
    Refused(Reason),
    /// The policies would judge it so. Where reasoners are asked first, it is not known what comes after.
    Judged(Judgement),
}

/// What is known before the policies with state are asked.
pub(crate) enum Prospect {
    /// They need not be.
    Sure(Foreseen),
    /// The judgement so far, and what they are to be asked.
    Asks(Judgement, Ask),
}

impl Handle {
    /// What would become of an event if it came in now. Reasoners are not asked, nothing is recorded, and nothing is spent:
    /// what the policies would grant is given back at once.
    ///
    /// # Errors
    /// If the journal cannot be read, or the policies cannot be asked now.
    pub async fn check(&self, event: &Incoming) -> Result<Foreseen, StoreError> {
        let (event, now, least) = (event.clone(), self.now(), self.position());
        if let Err(reason) = may_enter(event.event(), Whence::Caller, self.core.definitions.catalogue()) {
            return Ok(Foreseen::Refused(reason));
        }
        let (set, definitions) = (self.policies(), Arc::clone(&self.core.definitions));
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            prospect(Some(reader), &set, (&event, now), &definitions)
        });
        let (mut judgement, ask) = match read.await? {
            Prospect::Sure(foreseen) => return Ok(foreseen),
            Prospect::Asks(judgement, ask) => (judgement, ask),
        };
        let busy = || StoreError::Failed { why: "the policies cannot be asked now".into() };
        let ruling = self.core.check.tell(regie_actors::policy::Check(ask)).await.flatten().ok_or_else(busy)?;
        judgement.decisions.extend(ruling.decisions);
        judgement.verdict = ruling.stopped.unwrap_or(Verdict::Accepted);
        Ok(Foreseen::Judged(judgement))
    }
}

/// What an event claims of a checked entity that is not so.
fn unfounded(reader: &mut Reader, event: &Event, catalogue: &Catalogue) -> Result<Option<Breach>, StoreError> {
    let (true, Some(entity)) = (is_checked(event, catalogue), &event.entity) else { return Ok(None) };
    // What there is no way up for was refused before.
    let Ok(event) = catalogue.bring_up(event) else { return Ok(None) };
    Ok(check_claims(&event, &read_fields(reader, entity, catalogue)?).err())
}

/// What can be told of an event by its journal, if there is one, and by the policies without state.
pub(crate) fn prospect(
    reader: Option<&mut Reader>,
    set: &Arc<PolicySet>,
    (incoming, now): (&Incoming, Timestamp),
    definitions: &Definitions,
) -> Result<Prospect, StoreError> {
    let event = incoming.event();
    let needs = set.needs(event);
    let (mut state, mut entity) = (State::default(), Json::null());
    if let Some(reader) = reader {
        if let Some(position) = reader.find(&event.correlation_id, incoming.identity())? {
            return Ok(Prospect::Sure(Foreseen::Known(reader.state_of(position)?)));
        }
        if let Some(breach) = unfounded(reader, event, definitions.catalogue())? {
            return Ok(Prospect::Sure(Foreseen::Refused(Reason::Breach(breach))));
        }
        state = Body::read(reader, &event.correlation_id, definitions)?.state;
        if let Some(touched) = event.entity.as_ref().filter(|_| needs.entity) {
            entity = read_entity(reader, touched, definitions.catalogue())?;
        }
    }
    if state.skips() {
        return Ok(Prospect::Sure(Foreseen::Skipped));
    }
    let workflow = needs.workflow.then(|| workflow_seen(&event.correlation_id, &state));
    let entity = needs.entity.then_some(&entity);
    let mut stamped = incoming.clone();
    stamped.stamp(now); // not before its claims are looked at: without a timestamp it is late nowhere
    let seen = Seen { workflow: workflow.as_ref(), entity, ..Seen::alone(stamped.event(), now) };
    let Preliminary { decisions, stopped, wants } = set.judge(&seen);
    let verdict = stopped.clone().unwrap_or(Verdict::Accepted);
    let judgement = Judgement { verdict, decisions, ..Judgement::free(now, set.digest()) };
    if stopped.is_some() || wants.is_empty() {
        return Ok(Prospect::Sure(Foreseen::Judged(judgement)));
    }
    let (id, who) = (AskId(0), (event.correlation_id.clone(), state.sequence + 1));
    Ok(Prospect::Asks(judgement, Ask { id, who, set: Arc::clone(set), wants, returning: None, may_defer: true }))
}
