//! What a flow notes, as it is written: a value that several facts of a turn have in a row is written once.

use super::fact::FlowFact;
use crate::Json;
use crate::workflow::step::StepFact;

/// A shorter value is written again: saying that it is the same takes as much, and reads worse.
const SHORT: usize = 64;

/// The value that a fact has, if it has one that others may have too.
fn value_of(fact: &mut FlowFact) -> Option<&mut Json> {
    match fact {
        FlowFact::Began { input: value }
        | FlowFact::Left { output: value, .. }
        | FlowFact::Set { value, .. }
        | FlowFact::Took { payload: value, .. }
        | FlowFact::Broke { value, .. }
        | FlowFact::Step(StepFact::Began { input: value, .. } | StepFact::Done { result: value, .. }) => Some(value),
        FlowFact::Entered { frame, .. } => Some(&mut frame.value),
        _ => None,
    }
}

/// What the facts of a turn have had for a value until now: the same in what is written and in what is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Before(Option<Json>);

impl Before {
    /// A fact as it is written after those before it, and how many bytes its value takes there.
    pub(super) fn written(&mut self, mut fact: FlowFact) -> (FlowFact, usize) {
        let Some(value) = value_of(&mut fact) else { return (fact, 0) };
        let bytes = value.text().len();
        if bytes > SHORT && self.0.as_ref() == Some(value) {
            *value = Json::null();
            return (FlowFact::Same { of: Box::new(fact) }, 0);
        }
        if bytes > SHORT {
            self.0 = Some(value.clone());
        }
        (fact, bytes)
    }

    /// A fact as it was before it was written.
    pub(super) fn read(&mut self, mut fact: FlowFact) -> FlowFact {
        if let FlowFact::Same { of } = fact {
            fact = *of;
            value_of(&mut fact).into_iter().zip(&self.0).for_each(|(value, before)| *value = before.clone());
            return fact;
        }
        if let Some(value) = value_of(&mut fact).filter(|value| value.text().len() > SHORT) {
            self.0 = Some(value.clone());
        }
        fact
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str) -> FlowFact {
        FlowFact::Set { name: "x".into(), value: Json::of(value) }
    }

    #[test]
    fn what_is_the_same_is_written_once_and_read_as_it_was() {
        let (long, other) = ("a".repeat(100), "b".repeat(100));
        let facts = [set(&long), set("short"), set(&long), set(&other), set(&long)];
        let (mut before, mut after) = (Before::default(), Before::default());
        let written: Vec<FlowFact> = facts.iter().map(|fact| before.written(fact.clone()).0).collect();
        let texts: usize = written.iter().map(|fact| Json::of(fact).text().len()).sum();
        assert!(texts < 3 * 100 + 300, "{written:?}");
        let read: Vec<FlowFact> = written.into_iter().map(|fact| after.read(fact)).collect();
        assert_eq!(read, facts);
    }
}
