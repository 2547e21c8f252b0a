//! What a rule does, compiled: each of its acts with the expressions in it.

use std::collections::BTreeMap;

use super::acts::{RULE_SOURCE, RUNS_METADATA};
use super::draft::{ActDraft, CallDraft, EmitDraft, EntityDraft, Plain, StartDraft, ThingDraft};
use super::fault::{Fault, Faults, Step};
use super::template::Template;
use crate::event::{CorrelationId, Event, Priority, check_kind, check_name, is_own_kind};
use crate::expr::Program;
use crate::workflow::NOTIFICATION;

/// Under which name an event that begins a workflow names it.
const WORKFLOW: &str = "workflow";
/// Names of metadata that are the runtime's: see `acts.rs`.
pub(super) const TAKEN: [&str; 4] = [RUNS_METADATA[0], RUNS_METADATA[1], RUNS_METADATA[2], WORKFLOW];

/// Which workflow an event that a rule has gone out is to begin, if it is to begin one.
pub fn workflow_to_begin(event: &Event) -> Option<&str> {
    event.metadata.get(WORKFLOW).filter(|_| event.source == RULE_SOURCE).map(String::as_str)
}

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

/// Compiles one act, which stands at a path. What cannot be is told.
pub(super) struct Plan<'p> {
    pub(super) path: Vec<Step>,
    /// The type of the rule's subjects, if they are of one.
    pub(super) subject: Option<&'p str>,
    pub(super) faults: &'p Faults,
}

impl Plan<'_> {
    pub(super) fn doing(&self, act: &ActDraft) -> Option<Doing> {
        let given = [
            ("emit", act.emit.is_some()),
            ("update", act.update.is_some()),
            ("notify", act.notify.is_some()),
            ("start", act.start.is_some()),
            ("call", act.call.is_some()),
        ];
        let given: Vec<_> = given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect();
        let [only] = given.as_slice() else {
            return self.wrong(&self.path, "it is just one of emit, update, notify, start and call");
        };
        if let (Some(_), "call") = (&act.entity, *only) {
            return self.wrong(&self.to("entity"), "a call is about no entity; say it in the task");
        }
        if act.expected.is_some() && *only != "update" {
            return self.wrong(&self.to("expected"), "'expected' goes with an update alone");
        }
        let about = self.about(act.entity.as_ref());
        match act {
            ActDraft { emit: Some(emit), .. } => self.emit(emit, about),
            ActDraft { update: Some(update), expected, .. } => self.update(update, expected.as_ref(), about),
            ActDraft { notify: Some(notify), .. } => Some(self.notify(notify, about)),
            ActDraft { start: Some(start), .. } => Some(self.start(start, about)),
            ActDraft { call: Some(call), .. } => Some(self.call(call)),
            _ => self.wrong(&self.path, "it does nothing"),
        }
    }

    fn wrong<T>(&self, path: &[Step], why: impl Into<String>) -> Option<T> {
        self.faults.tell(Fault::at(path, why));
        None
    }

    fn emit(&self, emit: &EmitDraft, about: About) -> Option<Doing> {
        let inner = self.within("emit");
        if let Some(taken) = TAKEN.iter().find(|name| emit.metadata.contains_key(**name)) {
            inner.wrong::<()>(&inner.to("metadata"), format!("'{taken}' is filled in by the runtime"));
        }
        if let (About::Nothing, Some(_)) = (&about, emit.changes.keys().next()) {
            inner.wrong::<()>(&inner.to("changes"), "an event that is about nothing changes no field");
        }
        let metadata = emit.metadata.iter().map(|(name, text)| {
            let path = [inner.to("metadata"), vec![name.as_str().into()]].concat();
            (name.clone(), Template::text(text, &path, self.faults))
        });
        Some(Doing::Emit(Box::new(Emitting {
            kind: inner.kind(&emit.kind),
            correlation: inner.correlation(emit.correlation.as_ref(), &about),
            about,
            session: inner.maybe("session", emit.session.as_ref()),
            priority: emit.priority.as_ref().and_then(|text| inner.priority(text)),
            related: emit.related.iter().enumerate().map(|(at, thing)| inner.related(at, thing)).collect(),
            changes: inner.fields("changes", &emit.changes),
            payload: emit.payload.as_ref().map(|it| Template::of(&it.0, &inner.to("payload"), self.faults)),
            metadata: metadata.collect(),
        })))
    }

    fn update(
        &self,
        update: &BTreeMap<String, Plain>,
        expected: Option<&BTreeMap<String, Plain>>,
        about: About,
    ) -> Option<Doing> {
        if update.is_empty() {
            self.wrong::<()>(&self.to("update"), "an update sets some field");
        }
        if matches!(about, About::Nothing) {
            self.wrong::<()>(&self.to("entity"), "an update is of an entity");
        }
        self.correlation(None, &about);
        let expected = expected.map(|fields| self.fields("expected", fields)).unwrap_or_default();
        Some(Doing::Update { about, fields: self.fields("update", update), expected })
    }

    fn notify(&self, payload: &Plain, about: About) -> Doing {
        self.correlation(None, &about);
        let payload = Some(Template::of(&payload.0, &self.to("notify"), self.faults));
        let kind = Template::Fixed(crate::Json::of(NOTIFICATION));
        Doing::Emit(Box::new(Emitting { payload, ..Emitting::of(kind, about) }))
    }

    fn start(&self, start: &StartDraft, about: About) -> Doing {
        let inner = self.within("start");
        let workflow = Template::text(&start.workflow, &inner.to("workflow"), self.faults);
        Doing::Emit(Box::new(Emitting {
            correlation: inner.correlation(start.correlation.as_ref(), &about),
            payload: start.payload.as_ref().map(|it| Template::of(&it.0, &inner.to("payload"), self.faults)),
            metadata: vec![(WORKFLOW.to_string(), workflow)],
            ..Emitting::of(inner.kind(&start.kind), about)
        }))
    }

    fn call(&self, call: &CallDraft) -> Doing {
        let inner = self.within("call");
        let agent = Template::text(&call.agent, &inner.to("agent"), self.faults);
        Doing::Call { agent, task: Template::of(&call.task.0, &inner.to("task"), self.faults) }
    }

    /// A type that is written out must be one; and none may be the runtime's own.
    fn kind(&self, text: &str) -> Template {
        let path = self.to("type");
        let template = Template::text(text, &path, self.faults);
        if let Some(Err(error)) = template.fixed().map(|kind| check_kind(&kind)) {
            self.wrong::<()>(&path, error.to_string());
        } else if template.prefix().is_some_and(|kind| is_own_kind(&kind)) {
            self.wrong::<()>(&path, "types that begin with 'regie.' are the runtime's own: give the event another");
        }
        template
    }

    /// Where an event goes; the correlations of the runtime's own are closed.
    fn correlation(&self, said: Option<&String>, about: &About) -> Option<Template> {
        let path = self.to("correlation");
        let correlation = said.map(|text| Template::text(text, &path, self.faults));
        let own = |text: &str| CorrelationId::from(text).is_own();
        match &correlation {
            Some(template) => {
                if template.prefix().is_some_and(|prefix| own(&prefix)) {
                    let why = "correlations that begin with 'regie/' are the runtime's own: say another";
                    self.wrong::<()>(&path, why);
                }
                if let Some(Err(error)) = template.fixed().map(|text| check_name("correlation", &text)) {
                    self.wrong::<()>(&path, error.to_string());
                }
            }
            None => {
                let kind = match about {
                    About::Subject => self.subject.map(str::to_string),
                    About::Nothing => None,
                    About::Thing(thing) => thing.kind.fixed(),
                };
                if kind.is_some_and(|kind| kind == "regie") {
                    let why = "what is about an entity of type 'regie' goes to a correlation 'regie/...', and those are the \
                               runtime's own: say another correlation, or call the type otherwise";
                    self.wrong::<()>(&self.path, why);
                }
            }
        }
        correlation
    }

    fn priority(&self, text: &str) -> Option<Priority> {
        let known = Priority::ALL.into_iter().find(|priority| priority.as_str() == text);
        known.or_else(|| self.wrong(&self.to("priority"), format!("'{text}' is none of P0, P1, P2 and P3")))
    }

    fn about(&self, entity: Option<&EntityDraft>) -> About {
        match entity {
            None => About::Subject,
            Some(EntityDraft::None(_)) => About::Nothing,
            Some(EntityDraft::Thing(thing)) => About::Thing(self.thing(thing, &self.to("entity"))),
        }
    }

    fn related(&self, at: usize, thing: &ThingDraft) -> Thing {
        self.thing(thing, &[self.to("related"), vec![Step::At(at)]].concat())
    }

    /// What of it is written out must be a name.
    fn thing(&self, thing: &ThingDraft, path: &[Step]) -> Thing {
        let part = |name: &str, text: &str| {
            let path: Vec<Step> = path.iter().cloned().chain([name.into()]).collect();
            let template = Template::text(text, &path, self.faults);
            if let Some(Err(error)) = template.fixed().map(|text| check_name(name, &text)) {
                self.wrong::<()>(&path, error.to_string());
            }
            template
        };
        Thing { kind: part("type", &thing.kind), id: part("id", &thing.id) }
    }

    fn maybe(&self, name: &str, text: Option<&String>) -> Option<Template> {
        text.map(|text| Template::text(text, &self.to(name), self.faults))
    }

    fn fields(&self, name: &str, fields: &BTreeMap<String, Plain>) -> Vec<(String, Template)> {
        let path = self.to(name);
        let field = |(field, value): (&String, &Plain)| {
            let template = Template::of(&value.0, &[path.clone(), vec![field.as_str().into()]].concat(), self.faults);
            (field.clone(), template)
        };
        fields.iter().map(field).collect()
    }

    fn within(&self, name: &str) -> Self {
        Self { path: self.to(name), subject: self.subject, faults: self.faults }
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
