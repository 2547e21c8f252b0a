//! What an agent said, as it is recorded: bounded, whatever it was.

use super::AgentError;
use crate::workflow::AgentOutcome;
use crate::{Json, limits};

/// What becomes of an agent's answer. One that is too large to be recorded, or nested too deep to be read again, is an error
/// of the agent.
pub fn outcome(result: Result<Json, AgentError>) -> AgentOutcome {
    match result.and_then(bounded) {
        Ok(result) => AgentOutcome::Done(result),
        Err(AgentError { message, code, is_final }) => failed(short(message), code, is_final),
    }
}

/// Reads bytes that came from outside as an answer: JSON within the bounds of one.
///
/// # Errors
/// If they are too many, no UTF-8, no JSON, or nested too deep. Another attempt may bring better ones.
pub fn read_answer(bytes: &[u8]) -> Result<Json, AgentError> {
    fits(bytes.len())?;
    let text = std::str::from_utf8(bytes)
        .map_err(|error| AgentError::new(format!("byte {} of its answer is no UTF-8", error.valid_up_to() + 1)))?;
    let answer = Json::parse(text).map_err(|error| AgentError::new(format!("its answer is no JSON: {error}")))?;
    bounded(answer)
}

fn failed(message: String, code: Option<String>, is_final: bool) -> AgentOutcome {
    match (code, is_final) {
        (None, false) => AgentOutcome::Failed(message),
        (code, is_final) => {
            AgentOutcome::Rejected { code: code.map(|code| cut(code, limits::AGENT_CODE_BYTES)), message, is_final }
        }
    }
}

fn bounded(answer: Json) -> Result<Json, AgentError> {
    fits(answer.text().len())?;
    let (levels, limit) = (depth(answer.text()), limits::JSON_DEPTH);
    if levels <= limit {
        return Ok(answer);
    }
    Err(format!("its answer is nested {levels} levels deep; at most {limit} are taken").into())
}

/// How deep a JSON text is nested.
pub(super) fn depth(text: &str) -> usize {
    let (mut now, mut most, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                now += 1;
                most = now.max(most);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn fits(bytes: usize) -> Result<(), AgentError> {
    if bytes <= limits::AGENT_RESULT_BYTES { Ok(()) } else { Err(too_large(bytes).into()) }
}

/// A text that is recorded; one that is too large says so instead.
fn short(text: String) -> String {
    if text.len() <= limits::AGENT_RESULT_BYTES { text } else { too_large(text.len()) }
}

fn too_large(bytes: usize) -> String {
    let limit = limits::AGENT_RESULT_BYTES;
    format!("it gave {bytes} bytes; at most {limit} are taken: keep large results elsewhere")
}

fn cut(mut text: String, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text
}

impl AgentOutcome {
    /// The same, of a text that is no result, as short as what is recorded must be.
    #[must_use]
    pub fn bounded(self) -> Self {
        match self {
            AgentOutcome::Failed(text) => AgentOutcome::Failed(short(text)),
            AgentOutcome::Panicked(text) => AgentOutcome::Panicked(short(text)),
            other => other,
        }
    }

    /// Whether trying again can help: not where what was asked is at fault.
    pub fn may_be_tried_again(&self) -> bool {
        !matches!(self, AgentOutcome::Done(_) | AgentOutcome::Rejected { is_final: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> String {
        read_answer(bytes).map_or_else(|error| error.to_string(), |answer| answer.text().to_string())
    }

    #[test]
    fn bytes_from_outside_are_an_answer_or_an_error_and_never_a_panic() {
        assert_eq!(said(b" {\"amount\": 1.10} "), "{\"amount\": 1.10}");
        assert!(said(b"\"ok\xff\"").contains("byte 4 of its answer is no UTF-8"));
        assert!(said(b"{").contains("no JSON"));
        assert!(said(&vec![b'7'; 50 * 1024 * 1024]).contains("it gave 52428800 bytes"));
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(said(nested(limits::JSON_DEPTH).as_bytes()), nested(limits::JSON_DEPTH));
        assert!(said(nested(limits::JSON_DEPTH + 1).as_bytes()).contains("65 levels deep"));
        assert_eq!(depth(r#"{"[[\"[": ["[[["], "b": {}}"#), 2);
    }

    #[test]
    fn what_an_agent_says_is_bounded_before_it_is_recorded() {
        let large = Json::of(&"x".repeat(limits::AGENT_RESULT_BYTES));
        assert!(matches!(outcome(Ok(large)), AgentOutcome::Failed(why) if why.contains("at most")));
        let long = AgentError::new("m".repeat(limits::AGENT_RESULT_BYTES + 1)).code("é".repeat(40));
        let AgentOutcome::Rejected { code, message, is_final } = outcome(Err(long)) else { panic!("it has a code") };
        assert_eq!((code, is_final), (Some("é".repeat(32)), false));
        assert!(message.contains("at most"), "{message}");
    }

    #[test]
    fn an_error_without_a_code_that_may_pass_is_a_failure_and_any_other_a_rejection() {
        assert_eq!(outcome(Err("no".into())), AgentOutcome::Failed("no".into()));
        let rejected = |code: Option<&str>, is_final| AgentOutcome::Rejected {
            code: code.map(String::from),
            message: "no".into(),
            is_final,
        };
        assert_eq!(outcome(Err(AgentError::new("no").code("C"))), rejected(Some("C"), false));
        assert_eq!(outcome(Err(AgentError::new("no").is_final())), rejected(None, true));
        assert!(rejected(None, false).may_be_tried_again() && !rejected(None, true).may_be_tried_again());
    }
}
