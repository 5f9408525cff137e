//! Whether a pipeline could be started, followed and cancelled. Only reads.

use super::PipelineGate;
use crate::gitlab::{Override, TokenFacts};

/// The scope that it takes to cancel a pipeline, and to start one without a trigger token.
const API: &str = "api";

impl PipelineGate {
    /// Whether the project is there, its pipelines may be read, without which nothing could be followed, and one may be
    /// started with variables.
    pub(in crate::gate) async fn probe(&self) -> Result<(), String> {
        let Some(gitlab) = &self.gitlab else { return Ok(()) };
        let newest = gitlab.pipelines().newest(&self.settings.branch).await;
        newest.map_err(|error| error.to_string())?;
        let project = gitlab.project();
        if self.trigger.is_none() && self.lacks_api().await {
            return Err(format!(
                "the token has no `{API}` scope and the gate no `trigger_token`: it cannot start a pipeline of {project}"
            ));
        }
        match gitlab.variables_override().await {
            Some(Override::NoOne) => Err(format!(
                "no one may set pipeline variables in {project}, which the gate does: {}",
                Override::place(project)
            )),
            Some(Override::Role(_)) | None => Ok(()),
        }
    }

    /// What goes wrong later although a pipeline can be started.
    pub(in crate::gate) async fn warnings(&self) -> Vec<String> {
        let Some(gitlab) = &self.gitlab else { return Vec::new() };
        let project = gitlab.project();
        let mut warnings = Vec::new();
        if self.lacks_api().await {
            warnings.push(format!(
                "the token has no `{API}` scope: the pipeline of {project} that the gate starts is not cancelled when the gate times out or the run is cancelled; make a new token with the scope `{API}`"
            ));
        }
        if let Some(Override::Role(role)) = gitlab.variables_override().await
            && role != "developer"
        {
            warnings.push(format!(
                "only the role {role} may set pipeline variables in {project}, which the gate does: if the token's (or trigger token's) user has less, {}",
                Override::place(project)
            ));
        }
        warnings
    }

    /// Whether the token is known not to have the scope; that of a job has none, and is another matter.
    async fn lacks_api(&self) -> bool {
        let Some(gitlab) = &self.gitlab else { return false };
        let lacks = |facts: TokenFacts| facts.scopes.iter().all(|scope| scope != API);
        gitlab.token_facts().await.ok().flatten().is_some_and(lacks)
    }
}
