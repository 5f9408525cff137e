//! The agents' objects of a world, what datapin's configuration says of each agent, and waiting for one to be done.

use serde_json::Value;

use super::{LIMIT, World};
use crate::bed::{bed, until};

impl World {
    /// Gives each service an Application, and waits until all are healthy. A failed apply is not tried again.
    #[track_caller]
    pub fn under_argocd(&self) {
        self.under_argocd_with("{ limit: 0 }");
    }

    /// The same with another `retry` of the sync policy; `{}` for Argo CD's own.
    #[track_caller]
    pub fn under_argocd_with(&self, retry: &str) {
        for service in &self.services {
            bed().apply(&self.object("application.yaml", service).replace("@RETRY@", retry));
        }
        self.argocd_is_healthy_on(&self.tip());
    }

    /// Gives each service an Application that does not sync by itself, syncs it once, and waits until all are healthy.
    #[track_caller]
    pub fn under_argocd_on_request(&self) {
        let automated = "automated: { prune: true, selfHeal: false }";
        let tip = self.tip();
        for service in &self.services {
            let text = self.object("application.yaml", service).replace("@RETRY@", "{ limit: 0 }");
            bed().apply(&text.replace(automated, "syncOptions: []"));
            let operation = format!(r#"{{"operation":{{"sync":{{"revision":"{tip}"}}}}}}"#);
            let name = self.application(service);
            bed().kubectl(&["-n", "argocd", "patch", "application", &name, "--type=merge", "-p", &operation]);
        }
        self.argocd_is_healthy_on(&tip);
    }

    /// Gives each service an Application whose manifests the hydrator writes to another branch, and waits until all are
    /// healthy.
    #[track_caller]
    pub fn under_hydrator(&self) {
        for service in &self.services {
            bed().apply(&self.object("hydrated.yaml", service));
        }
        for service in &self.services {
            self.hydrated_is_healthy_on(service, &self.tip());
        }
    }

    /// Waits until an Application is synced to what was hydrated from a commit, and healthy; asks it to look once.
    #[track_caller]
    pub fn hydrated_is_healthy_on(&self, service: &str, commit: &str) {
        let name = self.application(service);
        let annotation = "argocd.argoproj.io/refresh=normal";
        bed().kubectl(&["-n", "argocd", "annotate", "--overwrite", "application", &name, annotation]);
        until(&format!("{name} healthy on what is hydrated from {commit}"), LIMIT, || {
            let status = bed().get("argocd", "application", &name)?["status"].clone();
            let done = &status["sourceHydrator"]["lastSuccessfulOperation"];
            let good = done["drySHA"] == commit
                && status["sync"]["revision"] == done["hydratedSHA"]
                && status["sync"]["status"] == "Synced"
                && status["health"]["status"] == "Healthy";
            if good { Ok(()) } else { Err(status.to_string()) }
        });
    }

    /// Gives each service of the sample an Application that renders it by the helmfile plug-in.
    #[track_caller]
    pub fn under_helmfile(&self) {
        for service in &self.services {
            let selector = format!("name={service}");
            bed().apply(&self.object("helmfile.yaml", service).replace("@SELECTOR@", &selector));
        }
        self.argocd_is_healthy_on(&self.tip());
    }

    /// One Application for the whole environment `int` of the sample, named as if for a service.
    #[track_caller]
    pub fn whole_under_helmfile(&self, name: &str) {
        bed().apply(&self.object("helmfile.yaml", name).replace("@SELECTOR@", ""));
        self.application_is_healthy_on(name, &self.tip());
    }

    /// Gives each service a Kustomization, and waits until all are ready.
    #[track_caller]
    pub fn under_flux(&self) {
        self.under_flux_every("10m");
    }

    /// The same; Flux looks at the repository by itself as often as this.
    #[track_caller]
    pub fn under_flux_every(&self, interval: &str) {
        bed().apply(&self.object("gitrepository.yaml", "").replace("@INTERVAL@", interval));
        for service in &self.services {
            bed().apply(&self.object("kustomization.yaml", service));
        }
        for service in &self.services {
            self.flux_is_ready_on(service, &self.tip());
        }
    }

    /// Waits until all Applications are synced to a commit and healthy.
    #[track_caller]
    pub fn argocd_is_healthy_on(&self, commit: &str) {
        for service in &self.services {
            self.application_is_healthy_on(service, commit);
        }
    }

    /// Waits until an Application is synced to a commit and healthy; asks it to look once.
    #[track_caller]
    pub fn application_is_healthy_on(&self, service: &str, commit: &str) {
        let name = self.application(service);
        let annotation = "argocd.argoproj.io/refresh=normal";
        bed().kubectl(&["-n", "argocd", "annotate", "--overwrite", "application", &name, annotation]);
        until(&format!("{name} healthy on {commit}"), LIMIT, || {
            let status = bed().get("argocd", "application", &name)?["status"].clone();
            let found = [&status["sync"]["revision"], &status["sync"]["status"], &status["health"]["status"]];
            let good = found == [&Value::from(commit), &"Synced".into(), &"Healthy".into()];
            if good { Ok(()) } else { Err(status.to_string()) }
        });
    }

    /// The name of a service's Application.
    pub fn application(&self, service: &str) -> String {
        format!("{}-{service}-int", self.name)
    }

    /// Waits until a Kustomization has applied a commit and is ready; asks for it once.
    #[track_caller]
    pub fn flux_is_ready_on(&self, service: &str, commit: &str) {
        let name = format!("{}-{service}", self.name);
        let asked = format!("reconcile.fluxcd.io/requestedAt={}", ulid::Ulid::generate());
        let source = ["-n", "flux-system", "annotate", "--overwrite", "gitrepository", &self.name, &asked];
        bed().kubectl(&source);
        until(&format!("{name} ready on {commit}"), LIMIT, || {
            let object = bed().get("flux-system", "kustomization", &name)?;
            let status = &object["status"];
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
            let applied = status["lastAppliedRevision"].as_str().unwrap_or_default().ends_with(commit);
            if ready && applied { Ok(()) } else { Err(status.to_string()) }
        });
    }

    /// The agent: Argo CD by the Kubernetes API.
    pub fn argocd(&self) -> String {
        format!(
            r#"{{ kind = "argocd", application = "{}-{{service}}-int", namespace = "argocd", context = "bed" }}"#,
            self.name
        )
    }

    /// The agent: Argo CD by its own REST API. Its token is in ARGOCD_TOKEN.
    pub fn argocd_rest(&self) -> String {
        let server = bed().fact("/argocd/server");
        format!(
            r#"{{ kind = "argocd", application = "{}-{{service}}-int", server = "{server}", token = {{ env = "ARGOCD_TOKEN" }} }}"#,
            self.name
        )
    }

    /// The agent: Flux.
    pub fn flux(&self) -> String {
        format!(
            r#"{{ kind = "flux", kustomization = "{}-{{service}}", namespace = "flux-system", context = "bed" }}"#,
            self.name
        )
    }

    /// The agent: the Deployments themselves, and what their pods carry.
    pub fn workload(&self) -> String {
        format!(
            r#"{{ kind = "workload", resource = "deployment/{{service}}", namespace = "{}", context = "bed", proof = {{ env = "DATA_VERSION" }} }}"#,
            self.name
        )
    }
}
