//! A rule: what it watches for, when it holds, and what follows. Written in a file or built in code, it is the same.

use serde::Serialize;
use serde_json::Value;

use super::draft::{ActDraft, CallDraft, Draft, EmitDraft, EntityDraft, NoEntity, Plain, StartDraft, ThingDraft};
use super::fault::{Fault, Faults, Path, Step};
use super::plan::{Doing, Plan};
use super::scene::{Needs, scope};
use crate::event::{EntityRef, Pattern, Priority, check_name, is_own_kind};
use crate::expr::Program;
use crate::limits;

/// Why a rule cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule '{rule}', '{part}': {why}")]
pub struct RuleError {
    /// Its name.
    pub rule: String,
    /// Which part of it: `when`, `do[0].emit.payload`.
    pub part: String,
    /// What is wrong with that.
    pub why: String,
}

/// A rule.
///
/// ```
/// use regie_core::automation::{Emit, Rule};
/// use serde_json::json;
///
/// let rule = Rule::named("version-released")
///     .about("version")
///     .on("jira.issue.>")
///     .when("related.issue.all(i, i.status in ['Resolved', 'Closed'])")
///     .emit(Emit::new("release.version.released").payload(json!({"version": "${subject.id}"})))
///     .build()?;
/// assert!(rule.text().contains("[[rule]]"));
/// # Ok::<(), regie_core::automation::RuleError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rule {
    draft: Draft,
    on: Vec<Pattern>,
    when: Option<Program>,
    doing: Vec<Doing>,
    /// What its condition looks at.
    pub(super) needs: Needs,
    /// What its acts look at.
    pub(super) acts_need: Needs,
}

impl Rule {
    /// Starts to build a rule.
    pub fn named(name: impl Into<String>) -> RuleBuilder {
        RuleBuilder { draft: Draft { name: name.into(), ..Draft::default() } }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.draft.name
    }

    /// The type of the entities that it is about; without one it is about the event's own entity.
    pub fn about(&self) -> Option<&str> {
        self.draft.about.as_deref()
    }

    /// The event types that it is looked at for.
    pub fn on(&self) -> &[Pattern] {
        &self.on
    }

    /// Its condition; without one each matching event sets it off.
    pub fn when(&self) -> Option<&str> {
        self.draft.when.as_deref()
    }

    /// The rule as an entry of a rules file, in one spelling: two with the same text are the same rule.
    pub fn text(&self) -> String {
        self.draft.text()
    }

    /// Whether it is looked at for events of a type.
    pub fn is_on(&self, kind: &str) -> bool {
        self.on.iter().any(|pattern| pattern.matches(kind))
    }

    pub(super) fn condition(&self) -> Option<&Program> {
        self.when.as_ref()
    }

    pub(super) fn doing(&self) -> &[Doing] {
        &self.doing
    }

    /// The entity types that it names, each with the part that does.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (Vec<Step>, &str)> {
        let about = self.about().map(|kind| (vec!["about".into()], kind));
        let when = self.needs.kinds().map(|kind| (vec!["when".into()], kind));
        about.into_iter().chain(when).chain(self.acts_need.kinds().map(|kind| (vec!["do".into()], kind)))
    }

    /// The types of the entities that have to be known for it; nothing where that may be any.
    pub(super) fn rests_on(&self) -> Option<impl Iterator<Item = &str>> {
        let needs = [&self.needs, &self.acts_need];
        let looks = needs.iter().any(|needs| needs.looks()) || self.doing.iter().any(Doing::tells_before);
        let may_be_any = needs.iter().any(|needs| needs.may_be_any()) || self.doing.iter().any(Doing::is_about_another);
        let any = may_be_any || looks && self.about().is_none();
        (!any).then(|| self.about().into_iter().chain(self.needs.kinds()).chain(self.acts_need.kinds()))
    }

    /// Compiles a rule, or tells all that is wrong with it.
    pub(super) fn compile(draft: Draft) -> Result<Self, Vec<Fault>> {
        let faults = Faults::default();
        let named = |part: &str, text: &str| {
            faults.keep(check_name(part, text).map_err(|error| Fault::at(&[part.into()], error.to_string())));
        };
        named("name", &draft.name);
        draft.about.iter().for_each(|about| named("about", about));
        let on = patterns(&draft.on, &faults);
        let at_when = || ["when".into()];
        let when = draft.when.as_deref().and_then(|text| {
            let program = Program::condition(text, scope());
            faults.keep(program.map_err(|error| Fault::expression(&at_when(), text, 0, &error)))
        });
        let doing = doing(&draft, &faults);
        let programs = doing.iter().flat_map(Doing::programs);
        let (needs, acts_need) = (Needs::of(&when), Needs::of(programs));
        let whole = Self { draft, on, when, doing, needs, acts_need };
        faults.unless(whole)
    }
}

fn patterns(texts: &[String], faults: &Faults) -> Vec<Pattern> {
    if texts.is_empty() {
        faults.tell(Fault::at(&["on".into()], "a rule watches for some type of event"));
    }
    let pattern = |(at, text): (usize, &String)| {
        let path = if texts.len() == 1 { vec!["on".into()] } else { vec!["on".into(), Step::At(at)] };
        if is_own_kind(text) {
            let why = "types that begin with 'regie.' are the runtime's own, and set off no rule: take it out";
            faults.tell(Fault::at(&path, why));
        }
        faults.keep(Pattern::parse(text).map_err(|error| Fault::at(&path, error.to_string())))
    };
    texts.iter().enumerate().filter_map(pattern).collect()
}

fn doing(draft: &Draft, faults: &Faults) -> Vec<Doing> {
    let (at_do, acts) = ([Step::from("do")], &draft.acts);
    if acts.is_empty() {
        faults.tell(Fault::at(&at_do, "a rule does something: it has a 'do'"));
    }
    if acts.len() > limits::RULE_ACTS {
        let why = format!("it does {} things; at most {} are taken", acts.len(), limits::RULE_ACTS);
        faults.tell(Fault::at(&at_do, why));
        return Vec::new();
    }
    let act = |(at, act): (usize, &ActDraft)| {
        let plan = Plan { path: vec!["do".into(), Step::At(at)], subject: draft.about.as_deref(), faults };
        plan.doing(act)
    };
    acts.iter().enumerate().filter_map(act).collect()
}

/// Builds a rule; see [`Rule::named`]. All texts of what it does may hold `${...}`, an expression over `event`, `subject`,
/// `entity` and `related`.
#[derive(Clone, Debug)]
#[must_use]
pub struct RuleBuilder {
    draft: Draft,
}

impl RuleBuilder {
    /// It is about entities of that type: those that an event's entity is related to, before or after it, and itself.
    pub fn about(mut self, kind: impl Into<String>) -> Self {
        self.draft.about = Some(kind.into());
        self
    }

    /// It is looked at for events of these types; several may be said.
    pub fn on(mut self, pattern: impl Into<String>) -> Self {
        self.draft.on.push(pattern.into());
        self
    }

    /// It fires when this goes from false to true, for each subject.
    pub fn when(mut self, condition: impl Into<String>) -> Self {
        self.draft.when = Some(condition.into());
        self
    }

    /// An event goes out.
    pub fn emit(self, event: Emit) -> Self {
        self.does(ActDraft { emit: Some(event.draft), entity: event.entity, ..ActDraft::default() })
    }

    /// The subject's fields are set.
    pub fn update(self, fields: impl Serialize) -> Self {
        let update = Some(fields_of(&fields));
        self.does(ActDraft { update, ..ActDraft::default() })
    }

    /// Another entity's fields are set.
    pub fn update_of(self, entity: EntityRef, fields: impl Serialize) -> Self {
        let entity = Some(EntityDraft::Thing(ThingDraft { kind: entity.kind, id: entity.id }));
        self.does(ActDraft { update: Some(fields_of(&fields)), entity, ..ActDraft::default() })
    }

    /// Somebody is to be told: `orchestration.notification.requested` with that payload.
    pub fn notify(self, payload: impl Serialize) -> Self {
        self.does(ActDraft { notify: Some(plain(&payload)), ..ActDraft::default() })
    }

    /// A workflow begins: on an event of that type, in that correlation.
    pub fn start(
        self,
        workflow: impl Into<String>,
        kind: impl Into<String>,
        correlation: impl Into<String>,
        payload: impl Serialize,
    ) -> Self {
        let (workflow, kind, correlation) = (workflow.into(), kind.into(), Some(correlation.into()));
        let start = Some(StartDraft { workflow, kind, correlation, payload: Some(plain(&payload)) });
        self.does(ActDraft { start, ..ActDraft::default() })
    }

    /// An agent does a task.
    pub fn call(self, agent: impl Into<String>, task: impl Serialize) -> Self {
        let call = Some(CallDraft { agent: agent.into(), task: plain(&task) });
        self.does(ActDraft { call, ..ActDraft::default() })
    }

    /// Checks and compiles the whole.
    ///
    /// # Errors
    /// If a part of it cannot be, with which and why.
    pub fn build(self) -> Result<Rule, RuleError> {
        let rule = self.draft.name.clone();
        Rule::compile(self.draft).map_err(|faults| {
            let first = faults.first();
            let (part, why) = first.map(|fault| (Path(&fault.path).to_string(), fault.told())).unwrap_or_default();
            RuleError { rule, part, why }
        })
    }

    fn does(mut self, act: ActDraft) -> Self {
        self.draft.acts.push(act);
        self
    }
}

/// An event that a rule has go out. Its id, source, cause, chain, actor and timestamp are set for it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Emit {
    draft: EmitDraft,
    entity: Option<EntityDraft>,
}

impl Emit {
    /// Of that type, about the rule's subject.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { draft: EmitDraft { kind: kind.into(), ..EmitDraft::default() }, entity: None }
    }

    /// About that entity.
    pub fn about(mut self, entity: EntityRef) -> Self {
        self.entity = Some(EntityDraft::Thing(ThingDraft { kind: entity.kind, id: entity.id }));
        self
    }

    /// About no entity.
    pub fn about_nothing(mut self) -> Self {
        self.entity = Some(EntityDraft::None(NoEntity));
        self
    }

    /// In that correlation; `<entity type>/<id>` unless said, `rule/<its id>` without an entity.
    pub fn correlation(mut self, correlation: impl Into<String>) -> Self {
        self.draft.correlation = Some(correlation.into());
        self
    }

    /// In that session.
    pub fn session(mut self, key: impl Into<String>) -> Self {
        self.draft.session = Some(key.into());
        self
    }

    /// How pressing it is.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.draft.priority = Some(priority.as_str().to_string());
        self
    }

    /// Another entity that it touches.
    pub fn related(mut self, entity: EntityRef) -> Self {
        self.draft.related.push(ThingDraft { kind: entity.kind, id: entity.id });
        self
    }

    /// What a field of its entity is from now on; what it was is filled in.
    pub fn change(mut self, field: impl Into<String>, after: impl Serialize) -> Self {
        self.draft.changes.insert(field.into(), plain(&after));
        self
    }

    /// Anything.
    pub fn payload(mut self, payload: impl Serialize) -> Self {
        self.draft.payload = Some(plain(&payload));
        self
    }

    /// A text under a name.
    pub fn metadata(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.draft.metadata.insert(name.into(), text.into());
        self
    }
}

/// What is no JSON, such as a map with keys that are no texts, is null, and refused where that cannot be.
fn plain(value: &impl Serialize) -> Plain {
    Plain(serde_json::to_value(value).unwrap_or_default())
}

fn fields_of(fields: &impl Serialize) -> std::collections::BTreeMap<String, Plain> {
    match plain(fields).0 {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, Plain(value))).collect(),
        _ => Default::default(),
    }
}
