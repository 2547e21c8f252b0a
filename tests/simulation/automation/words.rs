//! The rules over events that there are, as plain words that the model reads too; the real ones are made of them once.

use std::sync::{Arc, OnceLock};

use regie_core::Digest;
use regie_core::automation::{Emit, Rule, RuleSet};
use regie_core::entity::Relation;
use regie_core::event::Event;
use regie_journal::{SetInForce, SetKind};
use serde_json::json;

use crate::simulation::script::{CLERK, Do};

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Watch {
    pub(crate) name: &'static str,
    /// The last of two segments of the types that it is looked at for.
    pub(crate) on: &'static [&'static str],
    pub(crate) when: Holds,
    pub(crate) does: &'static [Deed],
}

/// When a rule holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Holds {
    /// Each event sets it off.
    Always,
    /// This field of the event's own entity is odd.
    Odd(&'static str),
    /// It is about groups: something belongs to it, and of all that does this field is even, or not known.
    AllEven(&'static str),
}

/// One thing that a rule does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Deed {
    /// An event of that type goes to that correlation, with a script; perhaps it changes a field of the subject.
    Emit(&'static str, &'static str, Option<(&'static str, u64)>),
    /// A field of the subject is set.
    Set(&'static str, u64),
    /// A field of the subject tells how many things belong to it.
    Count(&'static str),
    /// An agent is called.
    Call(&'static str),
}

/// Rules that are in force together.
#[derive(Debug, PartialEq)]
pub(crate) struct Watches {
    id: usize,
    pub(crate) rules: &'static [Watch],
    /// Whether a thing belongs to the groups alone that its last event with any has named; else to all that ever were.
    pub(crate) moves: bool,
}

use Deed::{Call, Count, Emit as Send, Set};
use Holds::{AllEven, Always, Odd};

const fn watch(name: &'static str, on: &'static [&'static str], when: Holds, does: &'static [Deed]) -> Watch {
    Watch { name, on, when, does }
}

const ODD: Watch =
    watch("odd", &["free"], Odd("colour"), &[Send("plain.calm", "c5", Some(("shade", 3))), Set("mark", 1)]);
const FAILING: Watch = watch(
    "failing",
    &["both"],
    Always,
    &[Send("plain.free", "c7", Some(("shade", 5))), Set("mark", 2), Call("nobody")],
);
const EVEN: &[&str] = &["many", "fast", "calm"];

pub(crate) const MANY: &Watches = &Watches {
    id: 0,
    rules: &[
        ODD,
        watch("even", EVEN, AllEven("size"), &[Count("things"), Call(CLERK)]),
        watch("each", &["seat"], Always, &[Send("puppet.free", "c6", None)]),
        watch("marked", &["wait", "free"], Odd("mark"), &[Send("plain.open", "c4", None)]),
        FAILING,
    ],
    moves: false,
};

/// One is the same, one another under its name, one is new; and things move from group to group.
pub(crate) const SOME: &Watches = &Watches {
    id: 1,
    rules: &[
        ODD,
        watch("even", EVEN, AllEven("size"), &[Set("mark", 4)]),
        watch("new", &["seat", "shut"], Odd("size"), &[Set("mark", 6), Call(CLERK)]),
    ],
    moves: true,
};

pub(crate) const NO_RULES: &Watches = &Watches { id: 2, rules: &[], moves: false };

/// All sets, by which a recorded one is found.
pub(crate) const ALL: [&Watches; 3] = [MANY, SOME, NO_RULES];

/// Rules with what they are in the program.
#[derive(Clone, Debug)]
pub(crate) struct Ruled {
    pub(crate) watches: &'static Watches,
    pub(crate) set: RuleSet,
    pub(crate) record: Arc<SetInForce>,
}

impl Watches {
    /// The real ones.
    pub(crate) fn ruled(&'static self) -> &'static Ruled {
        static MADE: [OnceLock<Ruled>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        MADE[self.id].get_or_init(|| {
            let relations = self.moves.then(|| Relation::by_related("thing", "group")).into_iter().collect();
            let rules = self.rules.iter().map(Watch::rule).collect();
            let set = RuleSet::with_relations(rules, relations).expect("a good set");
            let text = if set.is_empty() { String::new() } else { set.text().to_string() };
            let digest = Digest::of(text.as_bytes());
            let record = Arc::new(SetInForce { kind: SetKind::Rules, digest, text, by: None });
            Ruled { watches: self, set, record }
        })
    }

    /// The set of a digest.
    pub(crate) fn of(digest: Digest) -> &'static Ruled {
        let found = ALL.iter().map(|watches| watches.ruled()).find(|ruled| ruled.record.digest == digest);
        found.expect("a set of the simulation")
    }

    pub(crate) fn is_on(&self, kind: &str) -> bool {
        self.rules.iter().any(|watch| watch.is_on(kind))
    }
}

impl Watch {
    pub(crate) fn is_on(&self, kind: &str) -> bool {
        kind.split_once('.').is_some_and(|(_, about)| self.on.contains(&about))
    }

    fn rule(&self) -> Rule {
        let mut rule = Rule::named(self.name);
        for on in self.on {
            rule = rule.on(format!("*.{on}"));
        }
        rule = match self.when {
            Always => rule,
            Odd(field) => rule.when(format!("entity.fields[?'{field}'].orValue(0) % 2 == 1")),
            AllEven(field) => {
                rule.about("group").when(format!("related.thing.all(t, t[?'{field}'].orValue(0) % 2 == 0)"))
            }
        };
        for deed in self.does {
            rule = match *deed {
                Send(kind, to, change) => {
                    let script = [Do::Note("by rule".into())];
                    let emit = Emit::new(kind).correlation(to).payload(script);
                    rule.emit(match change {
                        Some((field, after)) => emit.change(field, after),
                        None => emit,
                    })
                }
                Set(field, value) => rule.update(json!({ field: value })),
                Count(field) => rule.update(json!({ field: "${size(related.thing)}" })),
                Call(agent) => rule.call(agent, json!({ "of": "${event.id}" })),
            };
        }
        rule.build().unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The rules in force, and those that they took over from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InForce {
    pub(crate) now: &'static Ruled,
    pub(crate) before: &'static Ruled,
}

impl InForce {
    /// What is to be recorded with a new event, if these rules or those before have a say over it.
    pub(crate) fn over(&self, event: &Event) -> Option<&'static Arc<SetInForce>> {
        let [now, before] = [self.now, self.before].map(|ruled| ruled.watches);
        let is_worth_it = !(now.rules.is_empty() && before.rules.is_empty());
        let is_watched = now.is_on(&event.kind) || before.is_on(&event.kind);
        (is_worth_it && is_watched && !event.correlation_id.is_own()).then_some(&self.now.record)
    }
}
