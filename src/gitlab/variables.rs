//! Who may start pipelines with variables.
//! <https://docs.gitlab.com/ci/variables/#restrict-pipeline-variables>

use gitlab::api::projects::Project;
use serde::Deserialize;

use super::GitLab;
use super::ask::Ask;

/// Who may start pipelines with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Override {
    /// Nobody: what GitLab.com sets in new namespaces since 17.7.
    NoOne,
    /// This role and those above it, in GitLab's word.
    Role(String),
}

impl Override {
    /// Where it is changed; completes “to do so, …”.
    pub fn place(project: &str) -> String {
        format!(
            "in Settings → CI/CD → Variables of {project}, let the token's role use pipeline variables (“Minimum role to use pipeline variables”)"
        )
    }
}

impl GitLab {
    /// Who may start pipelines with variables; `None` where everybody may who may start one, or where GitLab does not
    /// tell: it shows this to maintainers only, and an older one has no such setting.
    pub async fn variables_override(&self) -> Option<Override> {
        #[derive(Deserialize)]
        struct Settings {
            restrict_user_defined_variables: Option<bool>,
            ci_pipeline_variables_minimum_override_role: Option<String>,
        }
        let project = self.project();
        let ask = Ask::read(format!("read the settings of {project}"));
        let found = self.ask::<Settings, _, _>(&ask, Project::builder().project(project).build()).await;
        let found = found.ok().filter(|found| found.restrict_user_defined_variables != Some(false))?;
        found.ci_pipeline_variables_minimum_override_role.map(|role| match role.as_str() {
            "no_one_allowed" => Override::NoOne,
            _ => Override::Role(role),
        })
    }
}
