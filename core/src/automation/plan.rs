//! What a rule does, compiled: each of its acts with the expressions in it.

use std::collections::BTreeMap;

use super::draft::{ActDraft, CallDraft, EmitDraft, EntityDraft, Plain, StartDraft, ThingDraft};
use super::fault::{Fault, Step};
use super::template::Template;
use crate::event::{Pattern, Priority};
use crate::expr::Program;

/// The type of the event that asks for somebody to be told.
const NOTIFICATION: &str = "orchestration.notification.requested";
/// Under which name an event that begins a workflow names it.
const WORKFLOW: &str = "workflow";
/// Names of metadata that are the runtime's: see `acts.rs`.
pub(super) const TAKEN: [&str; 2] = ["run", "undo"];

/// Which entity an act is about.
#[derive(Clone, Debug)]
pub(super) enum About {
    /// The rule's subject.
    Subject,
    Nothing,
    Thing(Thing),
}

/// An entity that is made out when its rule fires.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) kind: Template,
    pub(super) id: Template,
}

/// One thing that a rule does.
#[derive(Clone, Debug)]
pub(super) enum Doing {
    Emit(Box<Emitting>),
    Update { about: About, fields: Vec<(String, Template)>, expected: Vec<(String, Template)> },
    Call { agent: Template, task: Template },
}

/// An event that goes out.
#[derive(Clone, Debug)]
pub(super) struct Emitting {
    pub(super) kind: Template,
    pub(super) about: About,
    pub(super) correlation: Option<Template>,
    pub(super) session: Option<Template>,
    pub(super) priority: Option<Priority>,
    pub(super) related: Vec<Thing>,
    pub(super) changes: Vec<(String, Template)>,
    pub(super) payload: Option<Template>,
    pub(super) metadata: Vec<(String, Template)>,
}

impl Doing {
    /// Whether it tells what a field was before.
    pub(super) fn tells_before(&self) -> bool {
        match self {
            Self::Emit(emit) => !emit.changes.is_empty(),
            Self::Update { .. } => true,
            Self::Call { .. } => false,
        }
    }

    /// Whether it tells that of another entity than the subject.
    pub(super) fn is_about_another(&self) -> bool {
        let about = match self {
            Self::Emit(emit) => &emit.about,
            Self::Update { about, .. } => about,
            Self::Call { .. } => return false,
        };
        self.tells_before() && matches!(about, About::Thing(_))
    }

    /// All expressions in it.
    pub(super) fn programs(&self) -> Vec<&Program> {
        let mut all = Vec::new();
        match self {
            Self::Emit(emit) => return emit.programs(),
            Self::Update { about, fields, expected } => {
                about.programs(&mut all);
                fields.iter().chain(expected).for_each(|(_, template)| template.programs(&mut all));
            }
            Self::Call { agent, task } => {
                agent.programs(&mut all);
                task.programs(&mut all);
            }
        }
        all
    }
}

impl Emitting {
    fn programs(&self) -> Vec<&Program> {
        let mut all = Vec::new();
        self.about.programs(&mut all);
        self.kind.programs(&mut all);
        let single = [&self.correlation, &self.session, &self.payload].into_iter().flatten();
        let things = self.related.iter().flat_map(|thing| [&thing.kind, &thing.id]);
        let named = self.changes.iter().chain(&self.metadata).map(|(_, template)| template);
        single.chain(things).chain(named).for_each(|template| template.programs(&mut all));
        all
    }
}

impl About {
    fn programs<'t>(&'t self, all: &mut Vec<&'t Program>) {
        if let Self::Thing(thing) = self {
            thing.kind.programs(all);
            thing.id.programs(all);
        }
    }
}

/// Compiles one act, which stands at a path.
pub(super) struct Plan {
    pub(super) path: Vec<Step>,
}

impl Plan {
    pub(super) fn doing(&self, act: &ActDraft) -> Result<Doing, Fault> {
        let given = [
            ("emit", act.emit.is_some()),
            ("update", act.update.is_some()),
            ("notify", act.notify.is_some()),
            ("start", act.start.is_some()),
            ("call", act.call.is_some()),
        ];
        let given: Vec<_> = given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect();
        let [only] = given.as_slice() else {
            return Err(Fault::at(&self.path, "it is just one of emit, update, notify, start and call"));
        };
        if let (Some(_), "call") = (&act.entity, *only) {
            return Err(Fault::at(&self.to("entity"), "a call is about no entity; say it in the task"));
        }
        if act.expected.is_some() && *only != "update" {
            return Err(Fault::at(&self.to("expected"), "'expected' goes with an update alone"));
        }
        let about = self.about(act.entity.as_ref())?;
        match act {
            ActDraft { emit: Some(emit), .. } => self.emit(emit, about),
            ActDraft { update: Some(update), expected, .. } => self.update(update, expected.as_ref(), about),
            ActDraft { notify: Some(notify), .. } => self.notify(notify, about),
            ActDraft { start: Some(start), .. } => self.start(start, about),
            ActDraft { call: Some(call), .. } => self.call(call),
            _ => Err(Fault::at(&self.path, "it does nothing")),
        }
    }

    fn emit(&self, emit: &EmitDraft, about: About) -> Result<Doing, Fault> {
        let inner = Plan { path: self.to("emit") };
        if let Some(taken) = TAKEN.iter().find(|name| emit.metadata.contains_key(**name)) {
            return Err(Fault::at(&inner.to("metadata"), format!("'{taken}' is filled in by the runtime")));
        }
        if let (About::Nothing, Some(_)) = (&about, emit.changes.keys().next()) {
            return Err(Fault::at(&inner.to("changes"), "an event that is about nothing changes no field"));
        }
        let metadata = emit.metadata.iter().map(|(name, text)| {
            Ok((name.clone(), Template::text(text, &[inner.to("metadata"), vec![name.as_str().into()]].concat())?))
        });
        Ok(Doing::Emit(Box::new(Emitting {
            kind: inner.kind(&emit.kind)?,
            about,
            correlation: inner.maybe("correlation", emit.correlation.as_ref())?,
            session: inner.maybe("session", emit.session.as_ref())?,
            priority: emit.priority.as_ref().map(|text| inner.priority(text)).transpose()?,
            related: emit
                .related
                .iter()
                .enumerate()
                .map(|(at, thing)| inner.related(at, thing))
                .collect::<Result<_, _>>()?,
            changes: inner.fields("changes", &emit.changes)?,
            payload: emit.payload.as_ref().map(|it| Template::of(&it.0, &inner.to("payload"))).transpose()?,
            metadata: metadata.collect::<Result<_, Fault>>()?,
        })))
    }

    fn update(
        &self,
        update: &BTreeMap<String, Plain>,
        expected: Option<&BTreeMap<String, Plain>>,
        about: About,
    ) -> Result<Doing, Fault> {
        if update.is_empty() {
            return Err(Fault::at(&self.to("update"), "an update sets some field"));
        }
        if matches!(about, About::Nothing) {
            return Err(Fault::at(&self.to("entity"), "an update is of an entity"));
        }
        let expected = expected.map(|fields| self.fields("expected", fields)).transpose()?.unwrap_or_default();
        Ok(Doing::Update { about, fields: self.fields("update", update)?, expected })
    }

    fn notify(&self, payload: &Plain, about: About) -> Result<Doing, Fault> {
        let payload = Some(Template::of(&payload.0, &self.to("notify"))?);
        let kind = Template::Fixed(crate::Json::of(NOTIFICATION));
        Ok(Doing::Emit(Box::new(Emitting { payload, ..Emitting::of(kind, about) })))
    }

    fn start(&self, start: &StartDraft, about: About) -> Result<Doing, Fault> {
        let inner = Plan { path: self.to("start") };
        let workflow = Template::text(&start.workflow, &inner.to("workflow"))?;
        Ok(Doing::Emit(Box::new(Emitting {
            correlation: inner.maybe("correlation", start.correlation.as_ref())?,
            payload: start.payload.as_ref().map(|it| Template::of(&it.0, &inner.to("payload"))).transpose()?,
            metadata: vec![(WORKFLOW.to_string(), workflow)],
            ..Emitting::of(inner.kind(&start.kind)?, about)
        })))
    }

    fn call(&self, call: &CallDraft) -> Result<Doing, Fault> {
        let inner = Plan { path: self.to("call") };
        let agent = Template::text(&call.agent, &inner.to("agent"))?;
        Ok(Doing::Call { agent, task: Template::of(&call.task.0, &inner.to("task"))? })
    }

    /// A type that is written out must be one.
    fn kind(&self, text: &str) -> Result<Template, Fault> {
        let path = self.to("type");
        let template = Template::text(text, &path)?;
        if let Template::Fixed(_) = template {
            let pattern = Pattern::parse(text).map_err(|error| Fault::at(&path, error.to_string()))?;
            if !pattern.is_literal() {
                return Err(Fault::at(&path, "a type has no wildcards"));
            }
        }
        Ok(template)
    }

    fn priority(&self, text: &str) -> Result<Priority, Fault> {
        let known = Priority::ALL.into_iter().find(|priority| priority.as_str() == text);
        known.ok_or_else(|| Fault::at(&self.to("priority"), format!("'{text}' is none of P0, P1, P2 and P3")))
    }

    fn about(&self, entity: Option<&EntityDraft>) -> Result<About, Fault> {
        Ok(match entity {
            None => About::Subject,
            Some(EntityDraft::None(_)) => About::Nothing,
            Some(EntityDraft::Thing(thing)) => About::Thing(thing_at(thing, &self.to("entity"))?),
        })
    }

    fn related(&self, at: usize, thing: &ThingDraft) -> Result<Thing, Fault> {
        thing_at(thing, &[self.to("related"), vec![Step::At(at)]].concat())
    }

    fn maybe(&self, name: &str, text: Option<&String>) -> Result<Option<Template>, Fault> {
        text.map(|text| Template::text(text, &self.to(name))).transpose()
    }

    fn fields(&self, name: &str, fields: &BTreeMap<String, Plain>) -> Result<Vec<(String, Template)>, Fault> {
        let path = self.to(name);
        let field = |(field, value): (&String, &Plain)| {
            let template = Template::of(&value.0, &[path.clone(), vec![field.as_str().into()]].concat())?;
            Ok((field.clone(), template))
        };
        fields.iter().map(field).collect()
    }

    fn to(&self, name: &str) -> Vec<Step> {
        self.path.iter().cloned().chain([name.into()]).collect()
    }
}

impl Emitting {
    fn of(kind: Template, about: About) -> Self {
        Self {
            kind,
            about,
            correlation: None,
            session: None,
            priority: None,
            related: Vec::new(),
            changes: Vec::new(),
            payload: None,
            metadata: Vec::new(),
        }
    }
}

fn thing_at(thing: &ThingDraft, path: &[Step]) -> Result<Thing, Fault> {
    let part =
        |name: &str, text: &str| Template::text(text, &path.iter().cloned().chain([name.into()]).collect::<Vec<_>>());
    Ok(Thing { kind: part("type", &thing.kind)?, id: part("id", &thing.id)? })
}
