//! AWS: credentials of one role an account, clients of its services, and what went wrong, in words.
//!
//! Credentials come from the variables, from a web identity (GitLab's `id_tokens`), else from AWS's own chain; then
//! the role of the configuration is assumed, in a session that names the run. Nothing of them is ever logged.

mod error;
mod identity;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::config::AwsAccess;

pub use error::{AwsError, Fault, failed};
use identity::{Token, WebIdentity};

/// Tries of one request, the first one among them.
const ATTEMPTS: u32 = 6;
/// How long one try may take.
const ATTEMPT: Duration = Duration::from_secs(20);
/// How long a request may take with all its tries.
const REQUEST: Duration = Duration::from_secs(60);
/// How long one copy on AWS's side may take: it answers when it is done.
const COPY: Duration = Duration::from_mins(15);
/// How long credentials may take.
const CREDENTIALS: Duration = Duration::from_secs(30);

/// Reads an environment variable.
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Access to AWS, shared by everything in this process.
#[derive(Clone)]
pub struct Aws {
    lookup: Lookup,
    session: String,
    /// Made once for each way in: credentials are fetched once, and connections are kept.
    made: Arc<Mutex<BTreeMap<(AwsAccess, String), SdkConfig>>>,
}

impl Aws {
    /// AWS as the variables say.
    pub fn new(lookup: Lookup) -> Self {
        Self { lookup, session: "datapin".to_owned(), made: Arc::default() }
    }

    /// The same, in sessions that name a run: it stands in CloudTrail beside every request.
    pub fn for_run(&self, run: &str) -> Self {
        let good =
            |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '=' | ',' | '.' | '@' | '-' | '_');
        let session: String = format!("datapin-{run}").chars().filter(good).take(64).collect();
        Self { session, ..self.clone() }
    }

    /// A client of S3.
    ///
    /// # Errors
    /// There are no credentials, the role cannot be assumed, or no region is known.
    pub async fn s3(&self, access: &AwsAccess) -> Result<aws_sdk_s3::Client, AwsError> {
        let sdk = self.sdk(access).await?;
        let own = self.endpoint(access, "AWS_ENDPOINT_URL_S3");
        let mut config = aws_sdk_s3::config::Builder::from(&sdk);
        // A bucket's name is no host of an address of one's own.
        config.set_force_path_style(own.is_some().then_some(true));
        config.set_endpoint_url(own);
        Ok(aws_sdk_s3::Client::from_conf(config.build()))
    }

    /// A client of SSM.
    ///
    /// # Errors
    /// As for [`Aws::s3`].
    pub async fn ssm(&self, access: &AwsAccess) -> Result<aws_sdk_ssm::Client, AwsError> {
        let sdk = self.sdk(access).await?;
        let mut config = aws_sdk_ssm::config::Builder::from(&sdk);
        config.set_endpoint_url(self.endpoint(access, "AWS_ENDPOINT_URL_SSM"));
        Ok(aws_sdk_ssm::Client::from_conf(config.build()))
    }

    /// Who the job is, by AWS's own word: an ARN.
    ///
    /// # Errors
    /// As for [`Aws::s3`], or STS does not answer.
    pub async fn identity(&self, access: &AwsAccess) -> Result<String, AwsError> {
        let client = aws_sdk_sts::Client::new(&self.sdk(access).await?);
        let asked = client.get_caller_identity().send().await;
        let doing = match &access.role_arn {
            Some(role) => format!("asking who {role} is"),
            None => "asking who the job is".to_owned(),
        };
        let answer = asked.map_err(|error| failed(doing, "sts:GetCallerIdentity on *", &error))?;
        Ok(answer.arn().unwrap_or("nobody").to_owned())
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn endpoint(&self, access: &AwsAccess, variable: &str) -> Option<String> {
        let own = access.endpoint.clone().or_else(|| self.variable(variable));
        own.or_else(|| self.variable("AWS_ENDPOINT_URL"))
    }

    async fn sdk(&self, access: &AwsAccess) -> Result<SdkConfig, AwsError> {
        // The address of one service says nothing of where credentials are.
        let key = (AwsAccess { endpoint: None, ..access.clone() }, self.session.clone());
        let known = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let made = tokio::time::timeout(CREDENTIALS, self.make(access))
            .await
            .map_err(|_| AwsError::credentials(access, Fault::Unreachable, "no answer in time"))??;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(key, made.clone());
        Ok(made)
    }

    async fn make(&self, access: &AwsAccess) -> Result<SdkConfig, AwsError> {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .retry_config(RetryConfig::adaptive().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts(REQUEST, ATTEMPT));
        let region = access.region.clone().or_else(|| self.variable("AWS_REGION"));
        if let Some(region) = region.or_else(|| self.variable("AWS_DEFAULT_REGION")) {
            loader = loader.region(Region::new(region));
        }
        let sts = self.variable("AWS_ENDPOINT_URL_STS").or_else(|| self.variable("AWS_ENDPOINT_URL"));
        if let Some(url) = &sts {
            loader = loader.endpoint_url(url);
        }
        let keys = self.keys();
        if let Some(keys) = keys.clone() {
            loader = loader.credentials_provider(keys);
        }
        let plain = loader.load().await;
        if plain.region().is_none() {
            return Err(AwsError::no_region());
        }
        let provider = self.provider(access, keys.is_some(), &plain).await;
        let Some(provider) = provider else {
            return Err(AwsError::credentials(access, Fault::Credentials, "there are no AWS credentials"));
        };
        // Asked for at once: later it would be one more way in which a request fails.
        provider.provide_credentials().await.map_err(|error| AwsError::not_provided(access, &error))?;
        let builder = plain.into_builder().credentials_provider(provider);
        Ok(builder.build())
    }

    fn keys(&self) -> Option<Credentials> {
        let (id, key) = (self.variable("AWS_ACCESS_KEY_ID")?, self.variable("AWS_SECRET_ACCESS_KEY")?);
        Some(Credentials::new(id, key, self.variable("AWS_SESSION_TOKEN"), None, "environment"))
    }

    /// One role an account: a token of GitLab's goes straight to it, unless `AWS_ROLE_ARN` names one between.
    async fn provider(
        &self,
        access: &AwsAccess,
        has_keys: bool,
        plain: &SdkConfig,
    ) -> Option<SharedCredentialsProvider> {
        let between = self.variable("AWS_ROLE_ARN");
        let token = if has_keys { None } else { self.token() };
        let first = between.clone().or_else(|| access.role_arn.clone());
        let base = match (token, first) {
            (Some(token), Some(role)) => {
                let session = self.session.clone();
                Some(SharedCredentialsProvider::new(WebIdentity::new(plain, role, session, token)))
            }
            (Some(_), None) | (None, _) => plain.credentials_provider(),
        };
        let straight = self.token().is_some() && !has_keys && between.is_none();
        match &access.role_arn {
            Some(role) if !straight => {
                let sdk = plain.clone().into_builder().credentials_provider(base?).build();
                let mut asked = AssumeRoleProvider::builder(role).session_name(&self.session).configure(&sdk);
                if let Some(id) = &access.external_id {
                    asked = asked.external_id(id);
                }
                Some(SharedCredentialsProvider::new(asked.build().await))
            }
            Some(_) | None => base,
        }
    }

    /// A web identity: a file, or a variable as `id_tokens` of a GitLab job makes it.
    fn token(&self) -> Option<Token> {
        let file = self.variable("AWS_WEB_IDENTITY_TOKEN_FILE").map(|file| Token::File(file.into()));
        let lookup = Arc::clone(&self.lookup);
        file.or_else(|| self.variable(TOKEN).map(|_| Token::Variable(lookup)))
    }
}

/// The variable that holds a web identity: the name to give it in `id_tokens` of a GitLab job.
pub const TOKEN: &str = "DATAPIN_AWS_ID_TOKEN";

/// What a copy on AWS's side needs: it answers when it is done.
pub(crate) fn patient() -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::Config::builder().timeout_config(timeouts(COPY, COPY))
}

fn timeouts(request: Duration, attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(attempt)
        .operation_timeout(request)
        .build()
}
