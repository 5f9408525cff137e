//! The AWS side: who a job is there, whether buckets may be listed and parameters read, and whether whoever fills a
//! bucket may read where its packages come from. Nothing is written, so that the right to write is not tried.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::json;

use super::{Finding, Probe};
use crate::aws::{AwsError, Fault};
use crate::config::{AwsAccess, Bucket, Complete, Environment, Parameter as Settings, Secrecy};
use crate::data::{DataError, Place, Shelf};
use crate::run::context::Context;
use crate::ssm::{Parameter, ParameterError};

/// Stands for any version.
const ANY: &str = "\u{1}";

/// A policy that grants one principal what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The role, or the job's own credentials.
    pub who: String,
    /// IAM's JSON.
    pub json: String,
}

/// An action and the resource that it is needed on.
type Need = (String, &'static str);

/// One thing that is tried.
struct Trial {
    what: String,
    /// Which environment it is for.
    environment: String,
    access: AwsAccess,
    needs: Vec<Need>,
    deed: Deed,
}

enum Deed {
    /// A place is listed; an object there is read, if that is needed.
    List { place: Place, read: Read },
    /// A parameter is read.
    Parameter { settings: Box<Settings>, dataset: String },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Needed,
    NotNeeded,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}

impl Refused {
    fn fault(&self) -> Option<&Fault> {
        match self {
            Refused::Aws(error)
            | Refused::Data(DataError::Aws(error))
            | Refused::Parameter(ParameterError::Aws(error)) => Some(&error.fault),
            Refused::Data(_) | Refused::Parameter(_) => None,
        }
    }

    fn is_denied(&self) -> bool {
        matches!(self.fault(), Some(Fault::Denied { .. }))
    }

    /// What is not there, or elsewhere, is a matter of the configuration; all else may be otherwise later.
    fn finding(&self) -> Finding {
        match self.fault() {
            Some(Fault::Missing | Fault::WrongRegion { .. } | Fault::Invalid) | None => {
                Finding::Wrong(self.to_string())
            }
            Some(_) => Finding::Unreachable(self.to_string()),
        }
    }
}

/// Tries all of it, and makes the policies of those who lack a right.
pub(super) async fn probe(context: &Context) -> (Vec<Probe>, Vec<Policy>) {
    let trials = trials(context);
    let mut principals: BTreeMap<String, Vec<&Trial>> = BTreeMap::new();
    for trial in &trials {
        principals.entry(who(&trial.access)).or_default().push(trial);
    }
    let done = join_all(principals.iter().map(async |(who, trials)| {
        let (identity, reached) = identity(context, who, trials).await;
        let mut probes = vec![identity];
        let mut lacks = false;
        if reached {
            for (probe, denied) in join_all(trials.iter().map(|trial| trial.carry_out(context))).await {
                probes.push(probe);
                lacks |= denied;
            }
        }
        let policy = lacks.then(|| Policy { who: who.clone(), json: policy(trials) });
        (probes, policy)
    }));
    let (probes, policies): (Vec<_>, Vec<_>) = Box::pin(done).await.into_iter().unzip();
    (probes.into_iter().flatten().collect(), policies.into_iter().flatten().collect())
}

fn who(access: &AwsAccess) -> String {
    access.role_arn.clone().unwrap_or_else(|| "the job's own credentials".to_owned())
}

/// Who a principal is by AWS's own word, and whether it got credentials at all.
async fn identity(context: &Context, who: &str, trials: &[&Trial]) -> (Probe, bool) {
    let names: BTreeSet<String> = trials.iter().map(|trial| format!("`{}`", trial.environment)).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let probe = |what: String, findings: Vec<Finding>| Probe { what, findings, missing: Vec::new() };
    let Some(first) = trials.first() else { return (probe(who.to_owned(), Vec::new()), false) };
    match context.aws.identity(&first.access).await {
        Ok(arn) => (probe(format!("AWS for {names}, as {arn}"), Vec::new()), true),
        Err(error) => {
            let reached = !matches!(error.fault, Fault::Credentials | Fault::Skew | Fault::Other);
            let findings = vec![Refused::Aws(error).finding()];
            (probe(format!("AWS for {names}, as {who}"), findings), reached)
        }
    }
}

impl Trial {
    /// What came out, and whether a right is missing.
    async fn carry_out(&self, context: &Context) -> (Probe, bool) {
        let done = match &self.deed {
            Deed::List { place, read } => list(context, place, *read).await,
            Deed::Parameter { settings, dataset } => {
                self.parameter(context, settings, dataset).await.map_err(Refused::from)
            }
        };
        let (findings, denied) = match done {
            Ok(finding) => (finding.into_iter().collect(), false),
            Err(refused) => (vec![refused.finding()], refused.is_denied()),
        };
        (Probe { what: self.what.clone(), findings, missing: Vec::new() }, denied)
    }

    async fn parameter(
        &self,
        context: &Context,
        settings: &Settings,
        dataset: &str,
    ) -> Result<Option<Finding>, ParameterError> {
        let parameter = Parameter::open(&context.aws, settings, &self.environment, dataset).await?;
        let name = parameter.name();
        Ok(parameter.read().await?.is_none().then(|| {
            Finding::Warning(format!(
                "parameter {name} does not exist yet: the first verified run creates it"
            ))
        }))
    }
}

async fn list(context: &Context, place: &Place, read: Read) -> Result<Option<Finding>, Refused> {
    let shelf = Shelf::open(&context.aws, place.clone()).await?;
    match shelf.any().await? {
        Some(key) if read == Read::Needed => {
            shelf.try_to_read(&key).await?;
            Ok(None)
        }
        Some(_) => Ok(None),
        None => Ok((read == Read::Needed).then(|| {
            let text =
                format!("{place} may be listed, and is empty: whether its objects may be read is not known");
            Finding::Warning(text)
        })),
    }
}

/// Everything that the configuration needs of AWS.
fn trials(context: &Context) -> Vec<Trial> {
    let config = &context.config;
    let mut all = Vec::new();
    for environment in config.environments.values() {
        for dataset in config.datasets_of(&environment.name) {
            all.extend(environment.bucket.as_ref().map(|bucket| of_bucket(environment, bucket, &dataset)));
            all.extend(environment.ssm.as_ref().map(|ssm| of_parameter(environment, ssm, &dataset)));
        }
    }
    for pipeline in config.pipelines.values() {
        for stage in &pipeline.stages {
            let Some(promote) = &stage.promote else { continue };
            for name in &stage.environments {
                let ends = (config.environments.get(&promote.from), config.environments.get(name));
                let (Some(from), Some(to)) = ends else { continue };
                let trial = of_promotion(from, to, &pipeline.dataset);
                all.extend(trial.filter(|trial| all.iter().all(|one: &Trial| one.what != trial.what)));
            }
        }
    }
    all
}

fn place(bucket: &Bucket, environment: &str, dataset: &str) -> Place {
    let mut place = Place::of(bucket, environment, dataset, ANY);
    let versions = place.prefix.find(ANY).unwrap_or(place.prefix.len());
    place.prefix.truncate(versions);
    place
}

fn of_bucket(environment: &Environment, bucket: &Bucket, dataset: &str) -> Trial {
    let place = place(bucket, &environment.name, dataset);
    let mut needs = vec![(arn(&place.bucket), "s3:ListBucket")];
    let read = match place.complete {
        Complete::Manifest(_) => Read::Needed,
        Complete::Marker(_) | Complete::AtLeast(_) => Read::NotNeeded,
    };
    if read == Read::Needed {
        needs.push((objects(&place.bucket), "s3:GetObject"));
    }
    Trial {
        what: format!("bucket {place} of environment `{}`", environment.name),
        environment: environment.name.clone(),
        access: bucket.access.clone(),
        needs,
        deed: Deed::List { place, read },
    }
}

fn of_parameter(environment: &Environment, settings: &Settings, dataset: &str) -> Trial {
    let name = settings.name_for(&environment.name, dataset);
    let region = settings.access.region.as_deref().unwrap_or("*");
    let slash = if name.starts_with('/') { "" } else { "/" };
    let resource = format!("arn:aws:ssm:{region}:*:parameter{slash}{name}");
    let mut actions = vec!["ssm:GetParameter", "ssm:PutParameter"];
    if !settings.tags.is_empty() {
        actions.push("ssm:AddTagsToResource");
    }
    let mut needs: Vec<Need> = actions.into_iter().map(|action| (resource.clone(), action)).collect();
    if settings.secrecy == Secrecy::Secure {
        let key = settings.kms_key.clone().filter(|key| key.starts_with("arn:"));
        let key = key.unwrap_or_else(|| format!("arn:aws:kms:{region}:*:key/*"));
        needs.extend(["kms:Decrypt", "kms:Encrypt"].map(|action| (key.clone(), action)));
    }
    Trial {
        what: format!("parameter {name} of environment `{}`", environment.name),
        environment: environment.name.clone(),
        access: settings.access.clone(),
        needs,
        deed: Deed::Parameter { settings: Box::new(settings.clone()), dataset: dataset.to_owned() },
    }
}

/// One principal copies: that of the target, which has to read the source.
fn of_promotion(from: &Environment, to: &Environment, dataset: &str) -> Option<Trial> {
    let (source, target) = (from.bucket.as_ref()?, to.bucket.as_ref()?);
    let place = place(source, &from.name, dataset).read_by(&target.access);
    let (name, _) = target.place(&to.name, dataset, ANY);
    let needs = vec![
        (arn(&place.bucket), "s3:ListBucket"),
        (objects(&place.bucket), "s3:GetObject"),
        (arn(&name), "s3:ListBucket"),
        (objects(&name), "s3:AbortMultipartUpload"),
        (objects(&name), "s3:GetObject"),
        (objects(&name), "s3:PutObject"),
    ];
    Some(Trial {
        what: format!("promotion from `{}` to `{}`, which reads {place}", from.name, to.name),
        environment: to.name.clone(),
        access: place.access.clone(),
        needs,
        deed: Deed::List { place, read: Read::Needed },
    })
}

fn arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

fn objects(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}/*")
}

/// All that a principal needs: one statement for each set of actions.
fn policy(trials: &[&Trial]) -> String {
    let mut actions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (resource, action) in trials.iter().flat_map(|trial| &trial.needs) {
        actions.entry(resource).or_default().insert(action);
    }
    let mut resources: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for (resource, actions) in actions {
        resources.entry(actions.into_iter().collect()).or_default().push(resource);
    }
    let statements = resources
        .into_iter()
        .map(|(actions, resources)| json!({ "Effect": "Allow", "Action": actions, "Resource": resources }));
    let policy = json!({ "Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>() });
    format!("{policy:#}\n")
}
