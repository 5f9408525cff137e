//! Some environments, rendered one after the other in a checkout of their own.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::manifest::Rendered;
use super::scratch::Scratch;
use super::{Helmfile, Question, ReleaseChange, RenderError, StageChange, compare};
use crate::repo::Repo;

/// Some environments of a question.
pub struct Lane<'a> {
    /// What renders.
    pub helmfile: &'a Helmfile,
    /// Where the commit is.
    pub repo: &'a Arc<Repo>,
    /// The question.
    pub question: &'a Question,
    /// Indices of the environments in it.
    pub environments: Vec<usize>,
}

/// What became of one environment.
pub struct Look {
    /// Its index in the question.
    pub environment: usize,
    /// Each stage's effect, in their order; or why it cannot be rendered as it is.
    pub stages: Result<Vec<After>, String>,
}

/// An environment after the change of a stage.
pub enum After {
    /// It cannot be rendered any more.
    Broken(String),
    /// It can.
    Rendered {
        /// Releases that it has.
        releases: BTreeSet<String>,
        /// Those that change.
        changes: Vec<ReleaseChange>,
    },
}

impl Lane<'_> {
    /// What becomes of each environment of the lane.
    pub async fn look(self) -> Result<Vec<Look>, RenderError> {
        let mut scratch = Scratch::of(self.repo, &self.question.tip).await?;
        let mut looks = Vec::with_capacity(self.environments.len());
        for &environment in &self.environments {
            let stages = self.stages(&mut scratch, environment).await?;
            looks.push(Look { environment, stages });
        }
        Ok(looks)
    }

    async fn stages(
        &self,
        scratch: &mut Scratch,
        environment: usize,
    ) -> Result<Result<Vec<After>, String>, RenderError> {
        let name = &self.question.environments[environment];
        let before = match scratch.render(self.helmfile, name).await? {
            Ok(before) => before,
            Err(why) => return Ok(Err(why)),
        };
        let mut stages = Vec::with_capacity(self.question.stages.len());
        for stage in &self.question.stages {
            stages.push(self.after(scratch, name, &before, stage).await?);
        }
        Ok(Ok(stages))
    }

    async fn after(
        &self,
        scratch: &mut Scratch,
        name: &str,
        before: &Rendered,
        stage: &StageChange,
    ) -> Result<After, RenderError> {
        let undo = scratch.apply(&stage.changes)?;
        let after = scratch.render(self.helmfile, name).await?;
        scratch.restore(&undo)?;
        let after = match after {
            Ok(after) => after,
            Err(why) => return Ok(After::Broken(why)),
        };
        let mut changes = compare::changes(name, before, &after, None);
        if !changes.is_empty() {
            // Is it the change, or does it differ each time? One that does not render again says nothing.
            let again = scratch.render(self.helmfile, name).await?;
            changes = compare::changes(name, before, &after, again.ok().as_ref());
        }
        Ok(After::Rendered { releases: after.into_keys().collect(), changes })
    }
}
