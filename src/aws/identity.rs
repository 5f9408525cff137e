//! Credentials for a web identity: a token that the CI system signed, and no long-lived key.

use std::path::PathBuf;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};

use super::{Lookup, TOKEN};

/// Where the token is: read again each time, since it may have been renewed.
#[derive(Clone)]
pub(super) enum Token {
    /// A file.
    File(PathBuf),
    /// The variable [`TOKEN`].
    Variable(Lookup),
}

impl Token {
    fn read(&self) -> Result<String, CredentialsError> {
        let read = match self {
            Token::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("web identity token {}: {error}", path.display())),
            Token::Variable(lookup) => lookup(TOKEN).ok_or_else(|| format!("{TOKEN} is empty")),
        };
        read.map(|token| token.trim().to_owned()).map_err(CredentialsError::provider_error)
    }
}

/// Gives the credentials of a role for a token.
pub(super) struct WebIdentity {
    client: aws_sdk_sts::Client,
    role: String,
    session: String,
    token: Token,
}

impl std::fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebIdentity").field("role", &self.role).finish_non_exhaustive()
    }
}

impl WebIdentity {
    pub(super) fn new(sdk: &SdkConfig, role: String, session: String, token: Token) -> Self {
        Self { client: aws_sdk_sts::Client::new(sdk), role, session, token }
    }

    async fn ask(&self) -> provider::Result {
        let asked = self
            .client
            .assume_role_with_web_identity()
            .role_arn(&self.role)
            .role_session_name(&self.session)
            .web_identity_token(self.token.read()?)
            .send()
            .await
            .map_err(CredentialsError::provider_error)?;
        let given =
            asked.credentials().ok_or_else(|| CredentialsError::not_loaded("STS gave no credentials"))?;
        let until = SystemTime::try_from(*given.expiration()).ok();
        let token = Some(given.session_token().to_owned());
        Ok(Credentials::new(given.access_key_id(), given.secret_access_key(), token, until, "web-identity"))
    }
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.ask())
    }
}
