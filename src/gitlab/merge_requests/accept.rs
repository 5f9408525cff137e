//! Merging, now or when the pipeline has succeeded.

use std::time::Duration;

use gitlab::api::common::path_escaped;
use serde_json::json;
use tokio::time::Instant;

use super::super::GitLabError;
use super::super::ask::Ask;
use super::super::endpoint::Raw;
use super::{MergeRequest, MergeRequests, MergeState};

/// Time between two looks at a merge request that GitLab still checks.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long it may take until a merge request knows of a push to its branch, which GitLab works off in the background.
const LAG: Duration = Duration::from_secs(20);

/// When it is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// As soon as all checks pass: auto-merge.
    ChecksPass,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is merged.
    Merged(MergeRequest),
    /// It is going to be merged by GitLab.
    Set(MergeRequest),
}

impl MergeRequests<'_> {
    /// Merges one whose source branch is still at `sha`, or sets it to be merged. While GitLab still checks
    /// whether it can be merged, or does not know yet that the branch is there, it is asked again for as long as one call
    /// may take.
    ///
    /// # Errors
    /// See [`GitLabError`]; [`GitLabError::Conflict`] if the branch has moved, [`GitLabError::Refused`] with
    /// GitLab's word for why it can't be merged.
    pub async fn accept(&self, iid: u64, sha: &str, when: When) -> Result<Accepted, GitLabError> {
        let (begun, total) = (Instant::now(), self.gitlab.wire.bounds().total);
        loop {
            let seen = self.get(iid).await?;
            if seen.state == MergeState::Merged {
                return Ok(Accepted::Merged(seen));
            }
            let error = match is_checked(&seen) {
                true => match self.merge(iid, sha, when).await {
                    Ok(done) => return Ok(done),
                    Err(error) => error,
                },
                false => self.not_yet(&seen),
            };
            let patience = match &error {
                GitLabError::Refused { status: 405 | 422, .. } => total,
                GitLabError::Conflict { .. } if seen.sha.as_deref() != Some(sha) => total.min(LAG),
                _ => Duration::ZERO,
            };
            if begun.elapsed() + INTERVAL >= patience {
                return Err(self.explained(error, iid).await);
            }
            tokio::time::sleep(INTERVAL.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
    }

    async fn merge(&self, iid: u64, sha: &str, when: When) -> Result<Accepted, GitLabError> {
        let path = format!("projects/{}/merge_requests/{iid}/merge", path_escaped(self.gitlab.project()));
        let body = match when {
            When::Now => json!({ "sha": sha }),
            When::ChecksPass => json!({ "sha": sha, "auto_merge": true }),
        };
        let merged: MergeRequest = self.gitlab.ask(&self.ask(iid), Raw::put(path, body).built()).await?;
        Ok(match merged.state {
            MergeState::Merged => Accepted::Merged(merged),
            MergeState::Opened | MergeState::Closed | MergeState::Locked => Accepted::Set(merged),
        })
    }

    fn ask(&self, iid: u64) -> Ask {
        Ask::write(format!("merge !{iid} of {}", self.gitlab.project()))
    }

    fn not_yet(&self, seen: &MergeRequest) -> GitLabError {
        let said = format!("it is not ready: {}", seen.detailed_merge_status);
        self.gitlab.refused(&self.ask(seen.iid), 405, said)
    }

    /// GitLab's 405 says nothing; the merge request's own status does.
    async fn explained(&self, error: GitLabError, iid: u64) -> GitLabError {
        let GitLabError::Refused { host, what, status: status @ (405 | 422), said } = error else {
            return error;
        };
        let said = match self.get(iid).await {
            Ok(seen) if !said.contains(&seen.detailed_merge_status) => {
                format!("{said}: {}", seen.detailed_merge_status)
            }
            Ok(_) | Err(_) => said,
        };
        GitLabError::Refused { host, what, status, said }
    }
}

/// Whether GitLab has looked at it since the last push.
/// <https://docs.gitlab.com/api/merge_requests/#merge-status>
fn is_checked(seen: &MergeRequest) -> bool {
    !matches!(
        seen.detailed_merge_status.as_str(),
        "unchecked" | "checking" | "preparing" | "approvals_syncing"
    )
}
