//! Deciding an operation on a run.

use super::command::Refusal;
use super::decide::{Place, check_signed, input_of};
use super::effect::{EffectEnd, EffectKey};
use super::fact::{Fact, RunEnd};
use super::handler::Request;
use super::operation::{self, Operation, Unpark};
use super::react::Asked;
use super::state::State;

impl Place<'_> {
    /// What follows from an operation.
    pub(super) fn operate(&self, request: &Request<'_>, id: &str) -> Result<Vec<Fact>, Refusal> {
        check_signed(request.by, request.why)?;
        let operation = request.operation;
        if self.correlation.is_own() {
            return Err(Refusal::NotNow { operation, why: "it is the runtime's own".into() });
        }
        let run = self.state.run().ok_or(Refusal::NoRun { operation })?;
        if run.last_operation.as_deref() == Some(id) {
            return Err(Refusal::Over { what: format!("the operation {id}") });
        }
        operation::check(operation, run)?;
        let (by, why) = (request.by.clone(), request.why.to_string());
        let mut facts = vec![Fact::Operated { operation, id: id.to_string(), by, why }];
        match operation {
            Operation::Pause | Operation::Resume => {}
            Operation::Migrate { .. } => {
                let why = "its records must be read under that version first".to_string();
                return Err(Refusal::NotNow { operation, why });
            }
            Operation::Terminate => {
                let reason = request.why.to_string();
                facts.push(Fact::Finished { end: RunEnd::Terminated { reason } });
            }
            Operation::Cancel | Operation::Retry => facts.extend(self.ask_to(request)?),
            Operation::Unpark(how) => facts.extend(match untaken(self.state) {
                Some(untaken) => self.unpark(request, how, untaken)?,
                None => self.ask_to(request)?,
            }),
        }
        Ok(facts)
    }

    /// The end of an effect that the definition could not take is put to it again, or passed over.
    fn unpark(
        &self,
        request: &Request<'_>,
        how: Unpark,
        (key, end): &(EffectKey, EffectEnd),
    ) -> Result<Vec<Fact>, Refusal> {
        if how == Unpark::Abandon {
            return self.ask_to(request);
        }
        let Some(handler) = self.running()?.filter(|_| how == Unpark::Retry) else { return Ok(Vec::new()) };
        let answer = self.ask(handler, Asked::Input(input_of(key, end)), None)?;
        answer.map_err(|poison| Refusal::NotNow { operation: request.operation, why: poison.error })
    }

    /// The definition carries it out.
    fn ask_to(&self, request: &Request<'_>) -> Result<Vec<Fact>, Refusal> {
        let handler = self.definition()?;
        let answer = self.ask(handler, Asked::Operation(*request), None)?;
        answer.map_err(|poison| Refusal::NotNow { operation: request.operation, why: poison.error })
    }
}

/// The end of an effect that waits for a person since longest, if that is what does.
fn untaken(state: &State) -> Option<&(EffectKey, EffectEnd)> {
    state.run()?.parked.first()?.end.as_ref()
}
