//! What a program defines: its handlers, and the event types that it knows.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::fact::RunEnd;
use super::handler::{Handler, HandlerError, Input, Moment, Reaction, Request};
use super::own::is_own_name;
use crate::Json;
use crate::event::{Catalogue, EventBuilder, Pattern};

/// A handler without its types, so that many can stand side by side.
pub(super) trait AnyHandler: Send + Sync {
    fn initial(&self) -> Box<dyn Any + Send>;
    fn decide(&self, state: &dyn Any, input: Input<'_>, moment: &Moment<'_>) -> Result<Reaction<Noted>, HandlerError>;
    fn operate(
        &self,
        state: &dyn Any,
        request: &Request<'_>,
        moment: &Moment<'_>,
    ) -> Result<Reaction<Noted>, HandlerError>;
    fn farewell(&self, state: &dyn Any, end: (&RunEnd, &[Json]), moment: &Moment<'_>) -> Vec<(String, EventBuilder)>;
    fn evolve(&self, state: &mut dyn Any, fact: &Json, kept: Option<Box<dyn Any>>) -> Result<(), String>;
    /// A snapshot that panics is none: the records tell the state all the same.
    fn save(&self, state: &dyn Any) -> Option<String>;
    fn load(&self, text: &str) -> Option<Box<dyn Any + Send>>;
    /// A state from a text, if a run that stands so can go on here.
    fn fits(&self, text: &str) -> Result<(), String>;
    /// One that panics tells nothing beforehand.
    fn asks(&self) -> Vec<(String, String)>;
    /// One that panics is none.
    fn diagram(&self, state: Option<&dyn Any>) -> Option<String>;
}

impl<H: Handler> AnyHandler for H {
    fn initial(&self) -> Box<dyn Any + Send> {
        Box::new(H::State::default())
    }

    fn decide(&self, state: &dyn Any, input: Input<'_>, moment: &Moment<'_>) -> Result<Reaction<Noted>, HandlerError> {
        written::<H>(Handler::decide(self, own(state)?, input, moment)?)
    }

    fn operate(
        &self,
        state: &dyn Any,
        request: &Request<'_>,
        moment: &Moment<'_>,
    ) -> Result<Reaction<Noted>, HandlerError> {
        written::<H>(Handler::operate(self, own(state)?, request, moment)?)
    }

    fn farewell(
        &self,
        state: &dyn Any,
        (end, noted): (&RunEnd, &[Json]),
        moment: &Moment<'_>,
    ) -> Vec<(String, EventBuilder)> {
        if !self.says_farewell() {
            return Vec::new();
        }
        let noted: Vec<H::Fact> = noted.iter().filter_map(|fact| fact.to().ok()).collect();
        let state = own(state);
        state.map_or_else(|_: HandlerError| Vec::new(), |state| Handler::farewell(self, state, (end, &noted), moment))
    }

    fn evolve(&self, state: &mut dyn Any, fact: &Json, kept: Option<Box<dyn Any>>) -> Result<(), String> {
        let state = state.downcast_mut().ok_or("the state is of another type")?;
        let read = || fact.to().map_err(|error| format!("a noted fact cannot be read: {error}"));
        let fact = match kept.and_then(H::kept) {
            Some(kept) => {
                debug_assert_eq!(read().map(|read: H::Fact| Json::of(&read)).as_ref(), Ok(fact), "it reads as another");
                kept
            }
            None => read()?,
        };
        Handler::evolve(self, state, fact);
        Ok(())
    }

    fn save(&self, state: &dyn Any) -> Option<String> {
        let state = state.downcast_ref::<H::State>()?;
        catch_unwind(AssertUnwindSafe(|| serde_json::to_string(state).ok())).ok().flatten()
    }

    fn load(&self, text: &str) -> Option<Box<dyn Any + Send>> {
        let state: Option<H::State> = catch_unwind(|| serde_json::from_str(text).ok()).ok().flatten();
        Some(Box::new(state?))
    }

    fn fits(&self, text: &str) -> Result<(), String> {
        let read = catch_unwind(|| serde_json::from_str(text).ok()).ok().flatten();
        let state: H::State = read.ok_or("it cannot read the state that is given")?;
        catch_unwind(AssertUnwindSafe(|| Handler::fits(self, &state))).unwrap_or_else(|_| Err("it panicked".into()))
    }

    fn asks(&self) -> Vec<(String, String)> {
        catch_unwind(AssertUnwindSafe(|| Handler::asks(self))).unwrap_or_default()
    }

    fn diagram(&self, state: Option<&dyn Any>) -> Option<String> {
        let state = state.and_then(|state| state.downcast_ref::<H::State>());
        catch_unwind(AssertUnwindSafe(|| Handler::diagram(self, state))).ok().flatten()
    }
}

fn own<S: 'static>(state: &dyn Any) -> Result<&S, HandlerError> {
    state.downcast_ref().ok_or_else(|| HandlerError("the state is of another type".into()))
}

/// A fact as it is written, and as it was if that is the same.
pub(super) struct Noted {
    pub(super) data: Json,
    pub(super) kept: Option<Box<dyn Any>>,
}

/// A reaction with its facts as they are written.
fn written<H: Handler>(reaction: Reaction<H::Fact>) -> Result<Reaction<Noted>, HandlerError> {
    let Reaction { fate, facts, recalled, given_up, compensating, wishes, halts, end, farewells } = reaction;
    let noted = facts.into_iter().map(|fact| Ok(Noted { data: Json::try_of(&fact)?, kept: H::keeps(fact) }));
    let facts = noted.collect::<Result<Vec<_>, serde_json::Error>>();
    let facts = facts.map_err(|error| HandlerError(format!("a fact cannot be serialised: {error}")))?;
    Ok(Reaction { fate, facts, recalled, given_up, compensating, wishes, halts, end, farewells })
}

/// What a program defines: its handlers, by name and version, and the catalogue of event types.
#[derive(Clone, Default)]
pub struct Definitions {
    handlers: BTreeMap<String, BTreeMap<u32, Definition>>,
    catalogue: Catalogue,
}

#[derive(Clone)]
struct Definition {
    /// Asked for once: a handler's code runs where a panic is caught, and a pattern is read once for all events.
    starts_on: Pattern,
    handler: Arc<dyn AnyHandler>,
}

/// A step that asks somebody who is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedInVain {
    /// Its definition.
    pub definition: String,
    /// Which version of that.
    pub version: u32,
    /// Whether new runs begin under it.
    pub is_newest: bool,
    /// The step.
    pub step: String,
    /// The name that it asks.
    pub agent: String,
}

impl Definitions {
    /// Adds a handler; says whether its name and version were free.
    pub fn add(&mut self, handler: impl Handler) -> bool {
        let (name, version) = (handler.name().to_string(), handler.version());
        let versions = self.handlers.entry(name).or_default();
        let free = !versions.contains_key(&version);
        if free {
            let starts_on = handler.starts_on();
            versions.insert(version, Definition { starts_on, handler: Arc::new(handler) });
        }
        free
    }

    /// The event types that are known; none unless said.
    pub fn set_catalogue(&mut self, catalogue: Catalogue) {
        self.catalogue = catalogue;
    }

    /// The event types that are known.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Names and versions of the handlers, in order.
    pub fn names(&self) -> impl Iterator<Item = (&str, u32)> {
        self.handlers.iter().flat_map(|(name, versions)| versions.keys().map(|version| (name.as_str(), *version)))
    }

    /// Takes another's handlers; one whose name and version are taken is named, and left out.
    pub fn extend(&mut self, others: Definitions) -> Option<String> {
        let mut twice = None;
        for (name, versions) in others.handlers {
            let mine = self.handlers.entry(name.clone()).or_default();
            for (version, definition) in versions {
                match mine.entry(version) {
                    Entry::Occupied(_) => twice = Some(format!("{name} version {version}")),
                    Entry::Vacant(free) => drop(free.insert(definition)),
                }
            }
        }
        twice
    }

    /// Whether the workflow of a name begins on events of a type.
    ///
    /// # Errors
    /// Why it does not: there is none of that name, with those that there are; or it begins on others.
    pub fn begins(&self, name: &str, kind: &str) -> Result<(), String> {
        let newest = |name: &str| self.handlers.get(name).and_then(|versions| versions.values().next_back());
        let Some(definition) = newest(name).filter(|_| !is_own_name(name)) else {
            let known: Vec<&str> = self.handlers.keys().map(String::as_str).filter(|name| !is_own_name(name)).collect();
            let others = if known.is_empty() { "none at all".into() } else { known.join(", ") };
            return Err(format!("there is no workflow '{name}'; there is: {others}"));
        };
        match self.starting_on(kind, false) {
            Some((first, ..)) if first == name => Ok(()),
            Some((first, ..)) => Err(format!("an event '{kind}' begins the workflow '{first}', and not '{name}'")),
            None => Err(format!("the workflow '{name}' begins on '{}', and not on '{kind}'", definition.starts_on)),
        }
    }

    /// On which events the newest version of a workflow begins; nothing where there is none of that name.
    pub fn begins_on(&self, name: &str) -> Option<&Pattern> {
        self.handlers.get(name)?.values().next_back().map(|definition| &definition.starts_on)
    }

    /// What the steps of its definitions ask that is none of those.
    pub fn asks_beside(&self, known: &[&str]) -> Vec<AskedInVain> {
        let mut in_vain = Vec::new();
        for (name, versions) in &self.handlers {
            let newest = versions.keys().next_back().copied();
            for (version, definition) in versions {
                let asked = definition.handler.asks().into_iter().filter(|(_, agent)| !known.contains(&agent.as_str()));
                in_vain.extend(asked.map(|(step, agent)| {
                    let (definition, version, is_newest) = (name.clone(), *version, newest == Some(*version));
                    AskedInVain { definition, version, is_newest, step, agent }
                }));
            }
        }
        in_vain
    }

    /// Definitions that no event begins, each with the one before it by name that begins on the very same types.
    pub fn never_begun(&self) -> Vec<(&str, &str)> {
        let newest = self.handlers.iter().filter(|(name, _)| !is_own_name(name));
        let newest = newest.filter_map(|(name, versions)| Some((name.as_str(), versions.values().next_back()?)));
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        let mut never = Vec::new();
        for (name, definition) in newest {
            match first.entry(definition.starts_on.as_str()) {
                Entry::Occupied(before) => never.push((name, *before.get())),
                Entry::Vacant(free) => drop(free.insert(name)),
            }
        }
        never
    }

    /// A version of a definition as a Mermaid diagram; nothing where there is no such one, or it cannot be drawn.
    pub fn diagram(&self, name: &str, version: u32) -> Option<String> {
        self.get(name, version)?.diagram(None)
    }

    /// Whether there is that version of a definition.
    pub fn has(&self, name: &str, version: u32) -> bool {
        self.get(name, version).is_some()
    }

    /// The same without any version of a definition; nothing where there is none of that name.
    pub fn without(&self, name: &str) -> Option<Self> {
        let mut others = self.clone();
        others.handlers.remove(name)?;
        Some(others)
    }

    /// Whether a run whose state was serialised so can go on under a version of its definition.
    ///
    /// # Errors
    /// Why not: that version is not here, cannot read it, or has no place for something of it.
    pub fn fits(&self, name: &str, version: u32, state: &Json) -> Result<(), String> {
        self.get(name, version).ok_or("this program does not have it")?.fits(state.text())
    }

    /// These, but that one version of a definition stands in for another; nothing where there is no such one.
    pub(super) fn standing_in(&self, name: &str, this: u32, that: u32) -> Option<Self> {
        let mut all = self.clone();
        let versions = all.handlers.get_mut(name)?;
        let stands_in = versions.get(&this)?.clone();
        versions.insert(that, stands_in);
        Some(all)
    }

    /// Whether there is none but the runtime's own.
    pub fn is_empty(&self) -> bool {
        self.handlers.keys().all(|name| is_own_name(name))
    }

    pub(super) fn get(&self, name: &str, version: u32) -> Option<&dyn AnyHandler> {
        self.handlers.get(name)?.get(&version).map(|definition| &*definition.handler)
    }

    /// The newest version of the first definition, by name, that begins on such an event. The runtime's own events begin own
    /// ones alone, and users' events none of those.
    pub(super) fn starting_on(&self, kind: &str, own: bool) -> Option<(&str, u32, &dyn AnyHandler)> {
        let meant = self.handlers.iter().filter(|(name, _)| is_own_name(name) == own);
        let newest = meant.filter_map(|(name, versions)| {
            versions.last_key_value().map(|(version, definition)| (name.as_str(), *version, definition))
        });
        let mut starting = newest.filter(|(_, _, definition)| definition.starts_on.matches(kind));
        starting.next().map(|(name, version, definition)| (name, version, &*definition.handler))
    }
}

impl fmt::Debug for Definitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
