//! What follows from a rule that fires, made out whole before any of it is done.

use std::collections::BTreeMap;

use super::plan::{About, Doing, Emitting, Thing};
use super::run::{Act, Run, Trigger};
use super::scene::Scene;
use super::share::{SHARE, Share};
use super::template::Template;
use super::{Committed, Rule, World};
use crate::Json;
use crate::entity::Update;
use crate::event::{CorrelationId, EntityRef, Event, Principal, emitted_id};
use crate::expr::View;
use crate::limits;

/// The source of the events that rules have go out.
pub const RULE_SOURCE: &str = "regie:rule";
/// Under which name an event's metadata holds the id of the run that it is of.
pub const RUN: &str = "run";
/// Under which name an event's metadata holds the id of the run that it puts back.
pub const UNDO: &str = "undo";

/// Names of metadata that events of runs, and of what puts them back, have from the runtime.
pub const RUNS_METADATA: [&str; 3] = [RUN, UNDO, SHARE];

/// One rule that fires on an event, for a subject.
pub(super) struct Firing<'f> {
    pub(super) rule: &'f Rule,
    /// The digest of the set.
    pub(super) rules: &'f str,
    pub(super) subject: Option<&'f EntityRef>,
    pub(super) committed: &'f Committed<'f>,
}

impl Firing<'_> {
    /// The run, with all that it does; with an error and nothing to do if one of its acts cannot be made out.
    pub(super) fn run(&self, world: &World, share: Share) -> Run {
        let mut run = self.empty();
        let depth = self.event().correlation_chain.len();
        if depth >= limits::RULE_DEPTH {
            let why = format!(
                "its trigger stands {depth} correlations deep, and at most {} are taken (RULE_DEPTH): do rules set each other off?",
                limits::RULE_DEPTH
            );
            return Run { error: Some(why), ..run };
        }
        match self.acts(&run.id, world, share) {
            Ok(acts) => run.acts = acts,
            Err(why) => run.error = Some(why),
        }
        run
    }

    /// A run that does nothing, and why.
    pub(super) fn failed(&self, why: String) -> Run {
        Run { error: Some(why), ..self.empty() }
    }

    fn event(&self) -> &Event {
        self.committed.event
    }

    fn empty(&self) -> Run {
        let event = self.event();
        let trigger = Trigger {
            correlation: event.correlation_id.clone(),
            source: event.source.clone(),
            id: event.id.clone(),
            kind: event.kind.clone(),
            position: self.committed.position,
        };
        // None of these may hold control characters, so that no two rows of them run together.
        let subject = self.subject.map(|subject| format!("{}\0{}", subject.kind, subject.id)).unwrap_or_default();
        let step = format!("{}\0{}\0{}\0{subject}", event.correlation_id, event.source, event.id);
        Run {
            id: emitted_id(self.rule.name(), &step, 0),
            rule: self.rule.name().to_string(),
            rules: self.rules.to_string(),
            subject: self.subject.cloned(),
            trigger,
            acts: Vec::new(),
            error: None,
        }
    }

    fn acts(&self, run: &str, world: &World, share: Share) -> Result<Vec<Act>, String> {
        let scene = Scene::new(self.event(), self.subject, world, &self.rule.acts_need);
        let making = Making { firing: self, run, share: share.told(), world, view: scene.view() };
        let act = |(nth, doing)| making.act(nth, doing).map_err(|why| format!("do[{nth}]: {why}"));
        let acts = self.rule.doing().iter().enumerate().map(act).collect::<Result<Vec<_>, _>>()?;
        let bytes = Json::of(&acts).text().len();
        if bytes > limits::RUN_BYTES {
            return Err(format!("what it does has {bytes} bytes; at most {} are taken (RUN_BYTES)", limits::RUN_BYTES));
        }
        Ok(acts)
    }
}

/// Making out the acts of one run.
struct Making<'m> {
    firing: &'m Firing<'m>,
    run: &'m str,
    share: (&'static str, String),
    world: &'m World,
    view: View<'m>,
}

impl Making<'_> {
    fn act(&self, nth: usize, doing: &Doing) -> Result<Act, String> {
        let id = emitted_id(self.run, "act", u32::try_from(nth).unwrap_or(u32::MAX));
        match doing {
            Doing::Emit(emit) => self.emit(id, emit).map(Act::Emit),
            Doing::Update { about, fields, expected } => {
                let entity = self.entity(about)?.ok_or("it updates its subject, and has none")?;
                let mut update = Update::of(entity, self.actor());
                update.fields = self.values(fields)?;
                update.expected = self.values(expected)?;
                update.id = Some(id);
                update.cause = Some(self.cause());
                update.chain = self.chain();
                update.metadata.insert(RUN.to_string(), self.run.to_string());
                update.metadata.insert(self.share.0.to_string(), self.share.1.clone());
                Ok(Act::Update(Box::new(update)))
            }
            Doing::Call { agent, task } => {
                let agent = agent.fill_text(&self.view).map_err(|error| error.to_string())?;
                let task = task.fill(&self.view).map_err(|error| error.to_string())?;
                Ok(Act::Call { agent, task })
            }
        }
    }

    fn emit(&self, id: String, emit: &Emitting) -> Result<Json, String> {
        let text = |template: &Template| template.fill_text(&self.view).map_err(|error| error.to_string());
        let entity = self.entity(&emit.about)?;
        let correlation = match (&emit.correlation, &entity) {
            (Some(correlation), _) => text(correlation)?,
            (None, Some(entity)) => entity.correlation().to_string(),
            (None, None) => format!("rule/{id}"),
        };
        let mut event = Event::new(text(&emit.kind)?, correlation)
            .id(id)
            .source(RULE_SOURCE)
            .timestamp(self.firing.committed.recorded_at)
            .cause(self.cause())
            .chain(self.chain())
            .actor(self.actor());
        event.may_be_sent()?;
        for (name, template) in &emit.metadata {
            event = event.metadata(name, text(template)?);
        }
        for (field, after) in &emit.changes {
            let before = entity.as_ref().and_then(|entity| self.world.field(entity, field).cloned());
            let after = after.fill(&self.view).map_err(|error| error.to_string())?;
            event = event.change(field, before.unwrap_or_default(), after);
        }
        for thing in &emit.related {
            event = event.related(self.thing(thing)?);
        }
        if let Some(entity) = entity {
            event = event.entity(entity);
        }
        if let Some(session) = &emit.session {
            event = event.session(text(session)?);
        }
        if let Some(payload) = &emit.payload {
            event = event.payload(payload.fill(&self.view).map_err(|error| error.to_string())?);
        }
        let event = event
            .priority(emit.priority.unwrap_or_default())
            .metadata(RUN, self.run)
            .metadata(self.share.0, &self.share.1);
        let built = event.build().map_err(|error| error.to_string())?;
        Json::parse(built.raw()).map_err(|error| error.to_string())
    }

    fn values(&self, fields: &[(String, Template)]) -> Result<BTreeMap<String, Json>, String> {
        let value = |(field, template): &(String, Template)| {
            let value = template.fill(&self.view).map_err(|error| format!("'{field}': {error}"))?;
            Ok((field.clone(), value))
        };
        fields.iter().map(value).collect()
    }

    fn entity(&self, about: &About) -> Result<Option<EntityRef>, String> {
        match about {
            About::Subject => Ok(self.firing.subject.cloned()),
            About::Nothing => Ok(None),
            About::Thing(thing) => self.thing(thing).map(Some),
        }
    }

    fn thing(&self, thing: &Thing) -> Result<EntityRef, String> {
        let kind = thing.kind.fill_text(&self.view).map_err(|error| error.to_string())?;
        let id = thing.id.fill_text(&self.view).map_err(|error| error.to_string())?;
        Ok(EntityRef::new(kind, id))
    }

    fn actor(&self) -> Principal {
        Principal { kind: "rule".into(), id: self.firing.rule.name().to_string() }
    }

    fn cause(&self) -> String {
        format!("{}#{}", self.firing.event().source, self.firing.event().id)
    }

    fn chain(&self) -> Vec<CorrelationId> {
        let event = self.firing.event();
        event.correlation_chain.iter().chain([&event.correlation_id]).cloned().collect()
    }
}
