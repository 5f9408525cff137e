//! The parameter that holds the last verified version of an environment and dataset.
//!
//! SSM knows no compare-and-set: the parameter is read first, then put, and the answer has to be the next version.
//! Whoever wrote in between is seen, and reported; the record in git decides what is right.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::types::{ParameterTier, ParameterType, Tag};

use crate::aws::{Aws, AwsError, Fault, failed};
use crate::config::{self, AwsAccess, Secrecy};

/// A parameter that can be reached.
#[derive(Debug, Clone)]
pub struct Parameter {
    client: aws_sdk_ssm::Client,
    name: String,
    settings: config::Parameter,
}

/// What a parameter holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its value.
    pub value: String,
    /// Its version: counts the writes, from 1.
    pub version: i64,
}

/// How a write went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It held the value already.
    Already,
    /// It was written.
    Now {
        /// What it held before; `None` if it was created.
        before: Option<Held>,
        /// What came between the read and the write.
        between: Between,
    },
}

/// What came between a read and the write after it, by the version that SSM answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// Nothing: it is the next version.
    Nothing,
    /// So many writes: somebody else's, or our own whose answer was lost, so that it was repeated.
    Writes(i64),
    /// It was deleted and made anew: the versions begin again.
    MadeAnew,
}

impl Between {
    fn of(before: Option<&Held>, now: i64) -> Self {
        let last = before.map_or(0, |held| held.version);
        match now - last {
            1 => Between::Nothing,
            more if more > 1 => Between::Writes(more - 1),
            _ => Between::MadeAnew,
        }
    }
}

/// Why a parameter could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// AWS.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// It is of another type.
    #[error(
        "parameter {name} is a {found}, and `ssm` says {wanted}: set `type = \"{found}\"`, or use another parameter; a type cannot be changed"
    )]
    OtherType {
        /// Parameter.
        name: String,
        /// Its type.
        found: String,
        /// The type of the configuration.
        wanted: String,
    },
    /// The oldest of its 100 versions carries a label.
    #[error(
        "parameter {name} has 100 versions and the oldest one carries a label, so SSM takes no other: move or remove that label (aws ssm unlabel-parameter-version)"
    )]
    Full {
        /// Parameter.
        name: String,
    },
    /// SSM would take it for a reference.
    #[error("`{value}` cannot be written to parameter {name}: SSM takes `{{{{` for a reference")]
    Braces {
        /// Parameter.
        name: String,
        /// Value.
        value: String,
    },
}

impl ParameterError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        match self {
            ParameterError::Aws(error) => error.is_transient(),
            ParameterError::OtherType { .. }
            | ParameterError::Full { .. }
            | ParameterError::Braces { .. } => false,
        }
    }
}

impl Parameter {
    /// The parameter of a dataset in an environment.
    ///
    /// # Errors
    /// There are no credentials for it.
    pub async fn open(
        aws: &Aws,
        settings: &config::Parameter,
        environment: &str,
        dataset: &str,
    ) -> Result<Self, ParameterError> {
        let client = aws.ssm(&settings.access).await?;
        Ok(Self { client, name: settings.name_for(environment, dataset), settings: settings.clone() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds; `None` if it was never written.
    ///
    /// # Errors
    /// It is of another type, or could not be read.
    pub async fn read(&self) -> Result<Option<Held>, ParameterError> {
        let got = self.client.get_parameter().name(&self.name).with_decryption(true).send().await;
        let got = match got {
            Ok(got) => got,
            Err(error) if error.code() == Some("ParameterNotFound") => return Ok(None),
            Err(error) => {
                return Err(self.refused("reading", "ssm:GetParameter", &error).into());
            }
        };
        let Some(found) = got.parameter() else { return Ok(None) };
        let wanted = self.settings.secrecy.word();
        match found.r#type().map(ParameterType::as_str) {
            Some(kind) if kind != wanted => Err(ParameterError::OtherType {
                name: self.name.clone(),
                found: kind.to_owned(),
                wanted: wanted.to_owned(),
            }),
            Some(_) | None => Ok(Some(Held {
                value: found.value().unwrap_or_default().to_owned(),
                version: found.version(),
            })),
        }
    }

    /// Writes a value, unless it is there.
    ///
    /// # Errors
    /// It is of another type, SSM does not take the value, or it could not be written.
    pub async fn write(&self, value: &str) -> Result<Written, ParameterError> {
        if value.contains("{{") {
            return Err(ParameterError::Braces { name: self.name.clone(), value: value.to_owned() });
        }
        let before = self.read().await?;
        if before.as_ref().is_some_and(|held| held.value == value) {
            return Ok(Written::Already);
        }
        let put = match &before {
            Some(_) => self.put(value).overwrite(true),
            None => self.create(value),
        };
        let version = match put.send().await {
            Ok(answer) => answer.version(),
            // Somebody created it in between.
            Err(error) if error.code() == Some("ParameterAlreadyExists") => {
                let again = self.put(value).overwrite(true).send().await;
                again.map_err(|error| self.not_put(&error))?.version()
            }
            Err(error) => return Err(self.not_put(&error)),
        };
        let between = Between::of(before.as_ref(), version);
        Ok(Written::Now { before, between })
    }

    fn put(&self, value: &str) -> aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder {
        let secure = self.settings.secrecy == Secrecy::Secure;
        self.client
            .put_parameter()
            .name(&self.name)
            .value(value)
            .set_key_id(self.settings.kms_key.clone().filter(|_| secure))
    }

    /// Tags and `Overwrite` exclude each other, so that tags are given where it is created.
    fn create(
        &self,
        value: &str,
    ) -> aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder {
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build().ok();
        let tags: Vec<Tag> = self.settings.tags.iter().filter_map(tag).collect();
        self.put(value)
            .r#type(ParameterType::from(self.settings.secrecy.word()))
            .set_tier(self.settings.tier.as_deref().map(ParameterTier::from))
            .set_tags((!tags.is_empty()).then_some(tags))
    }

    fn not_put<E>(&self, error: &SdkError<E>) -> ParameterError
    where
        E: aws_sdk_ssm::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        if error.code() == Some("ParameterMaxVersionLimitExceeded") {
            return ParameterError::Full { name: self.name.clone() };
        }
        self.refused("writing", "ssm:PutParameter", error).into()
    }

    fn refused<E>(&self, doing: &str, action: &str, error: &SdkError<E>) -> AwsError
    where
        E: aws_sdk_ssm::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        let slash = if self.name.starts_with('/') { "" } else { "/" };
        let statement = format!("{action} on arn:aws:ssm:*:*:parameter{slash}{}", self.name);
        let mut failure = failed(
            format!("{doing} parameter {}{}", self.name, who(&self.settings.access)),
            statement,
            error,
        );
        if self.settings.secrecy == Secrecy::Secure
            && let Fault::Denied { statement } = &mut failure.fault
        {
            statement.push_str(", and kms:Decrypt and kms:Encrypt for its key");
        }
        failure
    }
}

fn who(access: &AwsAccess) -> String {
    access.role_arn.as_ref().map(|role| format!(" as {role}")).unwrap_or_default()
}
