//! Whether target branches may be pushed: asked of GitLab before anything is written, so that the answer names the setting.
//!
//! Its word is about the user of its token. It counts only where git signs in with that very token: another login may push
//! what this one may not.

use std::collections::BTreeSet;
use std::time::Duration;

use super::context::Context;
use crate::gitlab::{GitLab, Push};

/// How long it is waited for: the push itself finds it out too.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why branches may not be pushed, one text a branch. Empty where GitLab allows it, cannot tell, or is not the one to ask.
pub async fn denied(context: &Context, environments: impl IntoIterator<Item = &str>) -> Vec<String> {
    let Some(gitlab) = asked(context) else { return Vec::new() };
    let target = context.plan_target();
    let names = environments.into_iter();
    let branches: BTreeSet<String> =
        names.map(|name| target.identity(&context.config, name).branch).collect();
    let mut denied = Vec::new();
    for branch in branches {
        match tokio::time::timeout(PATIENCE, gitlab.branch_protection(&branch)).await {
            Ok(Ok(Push::Denied { why })) => denied.push(why),
            Ok(Ok(Push::Allowed)) => {}
            Ok(Ok(Push::Unknown { why })) => tracing::debug!(branch, why, "nobody knows who may push it"),
            Ok(Err(error)) => tracing::debug!(branch, %error, "nobody knows who may push it"),
            Err(_) => tracing::debug!(branch, "GitLab is too slow to say who may push it"),
        }
    }
    denied
}

/// The GitLab that has the target repository, with the login that git uses.
fn asked(context: &Context) -> Option<&GitLab> {
    let gitlab = context.gitlab.as_ref().ok().filter(|gitlab| !gitlab.has_job_token())?;
    let is_number = gitlab.project().chars().all(|c| c.is_ascii_digit());
    let path = match is_number {
        false => gitlab.project().to_owned(),
        true => (context.lookup)("CI_PROJECT_PATH")?,
    };
    let same_login = context.target.token().is_some_and(|token| gitlab.signs_in_with(token));
    (same_login && gitlab.serves(&context.identity, &path)).then_some(gitlab)
}
