//! Rights: what is needed, whether it is there, and a role that grants it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Cluster, ClusterError, Kind};

/// One thing that has to be allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// Namespace; empty for all.
    pub namespace: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Plural of the kind, with the subresource: `pods/log`.
    pub resource: String,
    /// The only object that it is needed for; `None` means any. No good with `list`, `watch` and `create`.
    pub name: Option<String>,
    /// `get`, `list`, `watch`, `create`, `patch`, `delete`.
    pub verb: &'static str,
}

impl Right {
    /// A right to all objects of a kind in a namespace.
    pub fn to(verb: &'static str, kind: Kind, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            group: kind.group.to_owned(),
            resource: kind.plural.to_owned(),
            name: None,
            verb,
        }
    }

    /// The same, to this object only.
    #[must_use]
    pub fn only(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// The same, to a subresource: `log`, `status`.
    #[must_use]
    pub fn subresource(self, name: &str) -> Self {
        Self { resource: format!("{}/{name}", self.resource), ..self }
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        match self.namespace.as_str() {
            "" => write!(f, " in all namespaces"),
            namespace => write!(f, " in namespace {namespace}"),
        }
    }
}

/// What the cluster says about a right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// It is there.
    Granted,
    /// It is not; the reason may be empty.
    Denied(String),
}

impl Cluster {
    /// Whether who asks has that right, by `SelfSubjectAccessReview`, which everybody may create.
    ///
    /// # Errors
    /// The cluster could not be asked.
    pub async fn permission(&self, right: &Right) -> Result<Permission, ClusterError> {
        const REVIEW: Kind = Kind {
            group: "authorization.k8s.io",
            version: "v1",
            kind: "SelfSubjectAccessReview",
            plural: "selfsubjectaccessreviews",
        };
        let (resource, sub) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
        let mut attributes = json!({
            "namespace": right.namespace, "verb": right.verb, "group": right.group, "resource": resource,
        });
        if !sub.is_empty() {
            attributes["subresource"] = json!(sub);
        }
        if let Some(name) = &right.name {
            attributes["name"] = json!(name);
        }
        let review = json!({
            "apiVersion": REVIEW.api_version(), "kind": REVIEW.kind, "spec": { "resourceAttributes": attributes },
        });
        let answer = self.create(REVIEW, "", &review).await?;
        if answer["status"]["allowed"].as_bool() == Some(true) {
            return Ok(Permission::Granted);
        }
        Ok(Permission::Denied(answer["status"]["reason"].as_str().unwrap_or_default().to_owned()))
    }
}

/// Kubernetes YAML that grants exactly these rights: a `Role` for each namespace (a `ClusterRole` where one is
/// needed in all), each with a binding whose subject is left to fill in. Empty if there are none.
pub fn role<'a>(rights: impl IntoIterator<Item = &'a Right>) -> String {
    let mut namespaces: BTreeMap<&str, BTreeSet<&Right>> = BTreeMap::new();
    for right in rights {
        namespaces.entry(&right.namespace).or_default().insert(right);
    }
    let mut documents = Vec::new();
    for (namespace, rights) in namespaces {
        documents.push(role_of(namespace, &rights));
        documents.push(binding(namespace));
    }
    documents.join("---\n")
}

fn role_of(namespace: &str, rights: &BTreeSet<&Right>) -> String {
    let mut verbs: BTreeMap<(&str, &str, Option<&str>), BTreeSet<&str>> = BTreeMap::new();
    for right in rights {
        verbs.entry((&right.group, &right.resource, right.name.as_deref())).or_default().insert(right.verb);
    }
    // one rule for all names that need the same; `any` apart, since a rule with names grants less
    let mut names: BTreeMap<(&str, &str, bool, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    for ((group, resource, name), verbs) in verbs {
        names.entry((group, resource, name.is_some(), verbs)).or_default().extend(name);
    }
    let rules: Vec<Value> = names
        .into_iter()
        .map(|((group, resource, _, verbs), names)| {
            let mut rule = json!({ "apiGroups": [group], "resources": [resource] });
            if !names.is_empty() {
                rule["resourceNames"] = json!(names);
            }
            rule["verbs"] = json!(verbs);
            rule
        })
        .collect();
    let mut metadata = json!({ "name": "datapin" });
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
    yaml(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules,
    }))
}

fn binding(namespace: &str) -> String {
    let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
    let mut metadata = json!({ "name": "datapin" });
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    yaml(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": format!("{kind}Binding"),
        "metadata": metadata,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "datapin" },
        "subjects": [{ "kind": "User", "name": "CHANGE-ME", "apiGroup": "rbac.authorization.k8s.io" }],
    }))
}

/// A value of strings and lists is always YAML.
fn yaml(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap_or_default()
}
