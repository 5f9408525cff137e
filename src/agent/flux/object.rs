//! The parts of Flux's objects that matter. All of them share one shape.

use serde::Deserialize;

use crate::cluster::object::{Condition, Metadata};
use crate::repo::CommitId;

/// Annotation that asks for a reconciliation.
pub const REQUESTED: &str = "reconcile.fluxcd.io/requestedAt";

/// A GitRepository, Kustomization or HelmRelease.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Object {
    /// Which of them.
    pub kind: String,
    /// Name and annotations.
    pub metadata: Metadata,
    /// What it should do.
    pub spec: Spec,
    /// What it did.
    pub status: Status,
}

/// What it should do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    /// Whether somebody stopped it.
    pub suspend: bool,
    /// URL of a GitRepository.
    pub url: Option<String>,
    /// What a GitRepository follows.
    #[serde(rename = "ref")]
    pub reference: Option<Reference>,
    /// Where a Kustomization's files come from.
    pub source_ref: Option<Named>,
    /// Folder of a Kustomization.
    pub path: Option<String>,
    /// What a Kustomization waits for.
    pub depends_on: Vec<Named>,
    /// A HelmRelease's chart.
    pub chart: Option<Chart>,
}

/// What a GitRepository follows.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// Branch.
    pub branch: Option<String>,
    /// Tag.
    pub tag: Option<String>,
    /// Range of tags.
    pub semver: Option<String>,
    /// Full name.
    pub name: Option<String>,
    /// Commit.
    pub commit: Option<String>,
}

/// A HelmRelease's chart.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Chart {
    /// Its template.
    pub spec: ChartSpec,
}

/// Where a chart comes from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ChartSpec {
    /// Source.
    pub source_ref: Option<Named>,
    /// `Revision` makes a chart of each commit.
    pub reconcile_strategy: Option<String>,
}

/// Another object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Named {
    /// Kind; empty where it is clear.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; that of the object which names it where left out.
    pub namespace: Option<String>,
}

/// What it did.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// Generation that the conditions speak of.
    pub observed_generation: i64,
    /// The last request that was handled.
    pub last_handled_reconcile_at: Option<String>,
    /// Revision that is applied.
    pub last_applied_revision: Option<String>,
    /// Revision that was tried last; a chart's version for a HelmRelease.
    pub last_attempted_revision: Option<String>,
    /// What a GitRepository holds.
    pub artifact: Option<Artifact>,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// What a GitRepository holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Artifact {
    /// `main@sha1:…`.
    pub revision: String,
}

/// A request for a reconciliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// It may not be sent: what is there has to do.
    Impossible,
    /// It is not sent yet.
    Open,
    /// It is sent.
    Sent {
        /// Token of the request before it, by somebody else.
        before: Option<String>,
    },
}

impl Request {
    /// A request with `token` to an object as it is now. Another service of the same wait may have sent it already: then
    /// it is that one, and there is none before it.
    pub fn sent(object: &Object, token: &str) -> Self {
        Self::Sent { before: object.requested().filter(|before| *before != token).cloned() }
    }
}

impl Object {
    /// How messages name it.
    pub fn title(&self) -> String {
        format!("{} {}/{}", self.kind, self.metadata.namespace, self.metadata.name)
    }

    /// The condition of that type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        Condition::find(&self.status.conditions, kind)
    }

    /// Whether a condition is true.
    pub fn has(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(Condition::is_true)
    }

    /// Whether the conditions speak of the spec as it is now.
    pub fn is_observed(&self) -> bool {
        self.status.observed_generation == self.metadata.generation
    }

    /// The token of the last request, whoever's.
    pub fn requested(&self) -> Option<&String> {
        self.metadata.annotations.get(REQUESTED)
    }

    /// Whether it was reconciled since our request. Several may ask for the same object, and the last token stays:
    /// once that one is handled, whatever was asked before it is.
    pub fn has_handled(&self, request: &Request) -> bool {
        match request {
            Request::Impossible => true,
            Request::Open => false,
            Request::Sent { before } => {
                let now = self.requested();
                now.is_some()
                    && now != before.as_ref()
                    && self.status.last_handled_reconcile_at.as_ref() == now
            }
        }
    }
}

/// The commit in `main@sha1:…`; the older `main/…` is known too.
pub fn commit(revision: &str) -> Option<CommitId> {
    let (_, id) = revision.rsplit_once(':').or_else(|| revision.rsplit_once('/'))?;
    id.parse().ok()
}
