//! Workflows as pictures: their definition, with where they stand.

use regie_actors::workflow::Body;
use regie_core::event::CorrelationId;
use regie_core::workflow::Definitions;
use regie_journal::{Reader, StoreError};

use super::handle::Handle;
use super::workflows::PATIENCE;

/// Why there is no picture of a workflow.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoDiagram {
    /// None runs or ran there.
    #[error("no workflow runs or ran in '{0}'")]
    NoWorkflow(String),
    /// This program lacks its definition.
    #[error("this program has no definition '{definition}' version {version}: ask the program that carries it")]
    NoDefinition {
        /// The definition's name.
        definition: String,
        /// Its version.
        version: u32,
    },
    /// The definition is no machine or flow, and draws nothing itself.
    #[error("the definition '{0}' is code that cannot be drawn: machines and flows can, and a handler with `diagram`")]
    NotDrawn(String),
    /// The journal cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A workflow's definition as a Mermaid diagram with where it stands, by the journal as far as the index covers it.
///
/// # Errors
/// [`NoDiagram`].
pub fn diagram_of(
    reader: &mut Reader,
    workflow: &CorrelationId,
    definitions: &Definitions,
) -> Result<String, NoDiagram> {
    let body = Body::read(reader, workflow, definitions)?;
    let Some(run) = body.state.run() else { return Err(NoDiagram::NoWorkflow(workflow.to_string())) };
    if !definitions.has(&run.definition, run.version) {
        return Err(NoDiagram::NoDefinition { definition: run.definition.clone(), version: run.version });
    }
    body.state.diagram(definitions).ok_or_else(|| NoDiagram::NotDrawn(run.definition.clone()))
}

impl Handle {
    /// A workflow's definition as a Mermaid diagram, with where it stands: what `regie show ID --diagram` prints.
    ///
    /// # Errors
    /// [`NoDiagram`].
    pub async fn diagram(&self, workflow: &CorrelationId) -> Result<String, NoDiagram> {
        let (least, workflow) = (self.position(), workflow.clone());
        let definitions = std::sync::Arc::clone(&self.core.definitions);
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            Ok(diagram_of(reader, &workflow, &definitions))
        });
        read.await?
    }
}
