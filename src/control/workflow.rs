//! What may be asked of a workflow over the local socket, and doing it.

use regie_core::event::{CorrelationId, ErrorInfo, Principal};
use regie_core::workflow::Unpark;
use serde::{Deserialize, Serialize};

use super::protocol::Answer;
use crate::runtime::{SendTo, Start, WorkflowError, WorkflowReport};
use crate::{Handle, Reason};

/// Something to be done to a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Operate {
    /// Which.
    pub(crate) correlation_id: String,
    /// What.
    pub(crate) operation: Operating,
    /// The version to which it is taken, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<u32>,
    /// Who says so.
    pub(crate) by: Principal,
    /// Why.
    pub(crate) why: String,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operating {
    Cancel,
    Pause,
    Resume,
    Retry,
    UnparkRetry,
    UnparkSkip,
    UnparkAbandon,
    Terminate,
    Migrate,
}

/// Does it; comes back once that is durable.
pub(super) async fn operate(handle: &Handle, asked: Operate) -> Result<Answer, ErrorInfo> {
    let Operate { correlation_id, operation, to, by, why } = asked;
    let (workflow, why) = (CorrelationId::from(correlation_id), why.as_str());
    let view = match operation {
        Operating::Migrate => {
            let to = to.ok_or_else(|| ErrorInfo::new("bad_request", "'to' is missing: the version"))?;
            let report = handle.migrate(&workflow, to, by, why).await.map_err(told)?;
            return Ok(Answer::Workflow(Box::new(report)));
        }
        Operating::Cancel => handle.cancel(&workflow, by, why).await,
        Operating::Pause => handle.pause(&workflow, by, why).await,
        Operating::Resume => handle.resume(&workflow, by, why).await,
        Operating::Retry => handle.retry(&workflow, by, why).await,
        Operating::Terminate => handle.terminate(&workflow, by, why).await,
        Operating::UnparkRetry => handle.unpark(&workflow, Unpark::Retry, by, why).await,
        Operating::UnparkSkip => handle.unpark(&workflow, Unpark::Skip, by, why).await,
        Operating::UnparkAbandon => handle.unpark(&workflow, Unpark::Abandon, by, why).await,
    };
    let view = view.map_err(|reason| told(reason.into()))?;
    let report = WorkflowReport::of(&workflow, &view).ok_or_else(|| told(Reason::Lost.into()))?;
    Ok(Answer::Workflow(Box::new(report)))
}

/// Begins one.
pub(super) async fn start(handle: &Handle, start: Start) -> Result<Answer, ErrorInfo> {
    handle.start(start).await.map(|result| Answer::Done(Box::new(result))).map_err(told)
}

/// Tells one something.
pub(super) async fn send(handle: &Handle, send: SendTo) -> Result<Answer, ErrorInfo> {
    handle.send_to(send).await.map(|result| Answer::Done(Box::new(result))).map_err(told)
}

fn told(error: WorkflowError) -> ErrorInfo {
    ErrorInfo::new(error.code(), error)
}
