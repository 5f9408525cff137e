//! What AWS says, in words: what was done, what it answered, and what to do.

use std::error::Error as _;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;

use crate::causes::chain;
use crate::config::AwsAccess;
use crate::process::one_line;

/// Longest part of an answer that is shown, in characters.
const SHOWN: usize = 400;

/// Why AWS did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: {said}{}", help(.fault))]
pub struct AwsError {
    /// What was done, and where.
    pub doing: String,
    /// What AWS answered.
    pub said: String,
    /// Sort of fault.
    pub fault: Fault,
}

/// Sort of fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The role lacks a right; this is the statement.
    Denied {
        /// Action and resource.
        statement: String,
    },
    /// It is not there.
    Missing,
    /// It is in another region.
    WrongRegion {
        /// In which one, if AWS said so.
        right: Option<String>,
    },
    /// Too many requests, for longer than they were tried again.
    Throttled,
    /// AWS does not take such a value.
    Invalid,
    /// The clock of this machine is wrong.
    Skew,
    /// Credentials are missing, wrong or too old, or the role cannot be assumed.
    Credentials,
    /// No answer, or one of a server in trouble.
    Unreachable,
    /// Anything else.
    Other,
}

fn help(fault: &Fault) -> String {
    match fault {
        Fault::Denied { statement } => format!("; the role needs the statement: allow {statement}"),
        Fault::Missing | Fault::Invalid | Fault::Other => String::new(),
        Fault::WrongRegion { right: Some(right) } => {
            format!("; it is in another region: set `region = \"{right}\"`")
        }
        Fault::WrongRegion { right: None } => "; it is in another region: set `region`".to_owned(),
        Fault::Throttled => "; AWS asks to slow down, and did so to every try: try again later".to_owned(),
        Fault::Skew => {
            "; the clock of this machine is wrong: AWS takes a difference of at most 5 minutes (S3: 15), correct it"
                .to_owned()
        }
        Fault::Credentials => format!(
            "; give the job credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_WEB_IDENTITY_TOKEN_FILE, \
             or an id_token of GitLab as {}), and let the trust policy of the role take them",
            super::TOKEN
        ),
        Fault::Unreachable => "; it is safe to try again".to_owned(),
    }
}

impl AwsError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        match self.fault {
            Fault::Throttled | Fault::Unreachable => true,
            Fault::Denied { .. }
            | Fault::Missing
            | Fault::WrongRegion { .. }
            | Fault::Invalid
            | Fault::Skew
            | Fault::Credentials
            | Fault::Other => false,
        }
    }

    pub(super) fn no_region() -> Self {
        Self {
            doing: "reaching AWS".to_owned(),
            said: "no region is known: set `region` beside the bucket or parameter, or AWS_REGION".to_owned(),
            fault: Fault::Other,
        }
    }

    pub(super) fn credentials(access: &AwsAccess, fault: Fault, said: &str) -> Self {
        let doing = match &access.role_arn {
            Some(role) => format!("assuming role {role}"),
            None => "reaching AWS".to_owned(),
        };
        Self { doing, said: said.to_owned(), fault }
    }

    /// STS's own answer decides, else what the providers of the chain say.
    pub(super) fn not_provided(access: &AwsAccess, error: &CredentialsError) -> Self {
        let own = error.source().and_then(|cause| {
            let role = cause.downcast_ref::<SdkError<AssumeRoleError>>().and_then(answer);
            role.or_else(|| cause.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError>>().and_then(answer))
        });
        if let Some((status, code, message)) = own {
            let fault = match fault(status, &code, &message, None, String::new()) {
                known @ (Fault::Skew | Fault::Throttled | Fault::Unreachable) => known,
                _ => Fault::Credentials,
            };
            return Self::credentials(access, fault, &said(status, &code, &message));
        }
        let said = one_line(&chain(error), SHOWN);
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        // Where nobody gave credentials the last one asked is the machine's own address for them, which is nowhere.
        let fault = if has(&["no credentials found", "failed to load IMDS", "not enabled"]) {
            Fault::Credentials
        } else if has(&["dispatch failure", "timeout", "timed out"]) {
            Fault::Unreachable
        } else {
            Fault::Credentials
        };
        Self::credentials(access, fault, &said)
    }
}

/// Status, code and message of an answer, if there was one.
fn answer<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<(u16, String, String)> {
    let SdkError::ServiceError(answer) = error else { return None };
    let (code, message) =
        (answer.err().code().unwrap_or_default(), answer.err().message().unwrap_or_default());
    Some((answer.raw().status().as_u16(), code.to_owned(), message.to_owned()))
}

/// What a failed request means. `statement` is what its right is called in a policy.
pub fn failed<E>(doing: impl Into<String>, statement: impl Into<String>, error: &SdkError<E>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let doing = doing.into();
    let SdkError::ServiceError(answer) = error else {
        let said = one_line(&chain(error), SHOWN);
        let fault = match error {
            SdkError::ConstructionFailure(_) => Fault::Other,
            _ => Fault::Unreachable,
        };
        return AwsError { doing, said, fault };
    };
    let status = answer.raw().status().as_u16();
    let code = answer.err().code().unwrap_or_default();
    let message = answer.err().message().unwrap_or_default();
    let right = answer.raw().headers().get("x-amz-bucket-region").map(str::to_owned);
    let fault = fault(status, code, message, right, statement.into());
    AwsError { doing, said: said(status, code, message), fault }
}

fn said(status: u16, code: &str, message: &str) -> String {
    let text = match (code, message) {
        ("", "") => format!("status {status}"),
        ("", message) => format!("status {status}: {message}"),
        (code, "") => format!("status {status}, {code}"),
        (code, message) => format!("{code}: {message}"),
    };
    one_line(&text, SHOWN)
}

/// Codes that are in no model stand beside those that are: all are told apart by name.
fn fault(status: u16, code: &str, message: &str, right: Option<String>, statement: String) -> Fault {
    let skewed = || {
        let told = ["Signature expired", "not yet current", "Signature not yet"];
        told.iter().any(|words| message.contains(words))
    };
    match code {
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Fault::Skew,
        "InvalidSignatureException" | "SignatureDoesNotMatch" if skewed() => Fault::Skew,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => {
            Fault::WrongRegion { right: right.or_else(|| expected(message)) }
        }
        // Somebody else writes the same object at this moment.
        "ConditionalRequestConflict" | "OperationAborted" => Fault::Unreachable,
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyUpdates"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled" => Fault::Throttled,
        "ValidationException" | "InvalidArgument" => Fault::Invalid,
        "InvalidAccessKeyId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => Fault::Credentials,
        "NoSuchBucket" | "NoSuchKey" | "NotFound" | "ParameterNotFound" => Fault::Missing,
        _ => match status {
            301 | 307 => Fault::WrongRegion { right },
            // Without s3:ListBucket S3 answers 403 for what is not there, too.
            403 => Fault::Denied { statement },
            _ if code.starts_with("AccessDenied") => Fault::Denied { statement },
            404 => Fault::Missing,
            429 => Fault::Throttled,
            500.. => Fault::Unreachable,
            _ => Fault::Other,
        },
    }
}

/// The region in "the region 'x' is wrong; expecting 'y'".
fn expected(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region.to_owned())
}
