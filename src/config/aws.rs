//! Buckets and parameters in AWS.

use std::collections::BTreeMap;
use std::time::Duration;

use super::template::fill;
use super::{Environment, Facts};

/// How a part of AWS is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AwsAccess {
    /// Region; `None` means `AWS_REGION`, else what the profile says.
    pub region: Option<String>,
    /// Address of the service; `None` means AWS's own.
    pub endpoint: Option<String>,
    /// Role that is assumed; `None` means the credentials of the process.
    pub role_arn: Option<String>,
    /// What the role's owner asks for beside the name.
    pub external_id: Option<String>,
}

/// Where the packages of an environment are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// `s3://bucket/prefix/`, with placeholders; ends with `/`, so that `…-1` is never taken for `…-10`.
    pub url: String,
    /// When a package is complete.
    pub complete: Complete,
    /// How it is reached.
    pub access: AwsAccess,
}

/// When a package is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complete {
    /// An object of this name, written last, is there.
    Marker(String),
    /// An object of this name lists every object with its size and checksum.
    Manifest(String),
    /// There are at least so many objects.
    AtLeast(u32),
}

impl Complete {
    /// The object that is written last, if there is one.
    pub fn last(&self) -> Option<&str> {
        match self {
            Complete::Marker(name) | Complete::Manifest(name) => Some(name),
            Complete::AtLeast(_) => None,
        }
    }
}

impl Bucket {
    /// Name of the bucket and prefix of the keys for one version in one environment.
    pub fn place(&self, environment: &str, dataset: &str, version: &str) -> (String, String) {
        let facts = Facts { dataset, environment, service: None, version: Some(version) };
        let filled = fill(&self.url, &facts);
        let rest = filled.strip_prefix("s3://").unwrap_or(&filled);
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        (name.to_owned(), prefix.to_owned())
    }
}

/// The parameter that holds the last verified version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name, with placeholders.
    pub name: String,
    /// Its type.
    pub secrecy: Secrecy,
    /// `Standard`, `Advanced` or `Intelligent-Tiering`, where it is created; `None` means the account's default.
    pub tier: Option<String>,
    /// Key that encrypts it.
    pub kms_key: Option<String>,
    /// Tags, where it is created.
    pub tags: BTreeMap<String, String>,
    /// How it is reached.
    pub access: AwsAccess,
}

/// Type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// `String`.
    Plain,
    /// `SecureString`.
    Secure,
}

impl Secrecy {
    /// As AWS calls it.
    pub fn word(self) -> &'static str {
        match self {
            Secrecy::Plain => "String",
            Secrecy::Secure => "SecureString",
        }
    }
}

impl Parameter {
    /// Its name in one environment, for one dataset.
    pub fn name_for(&self, environment: &str, dataset: &str) -> String {
        fill(&self.name, &Facts { dataset, environment, service: None, version: None })
    }
}

/// Fills the bucket of a stage before its pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promote {
    /// Environment whose bucket has the package.
    pub from: String,
    /// How long it may take to fill the buckets of the stage.
    pub timeout: Duration,
}

impl Promote {
    /// How long it may take where nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_hours(1);
}

/// Stands for any version: only the places before it are compared.
const ANY: &str = "\u{1}";

/// Why packages of a dataset cannot be copied from the bucket of one environment to that of another, in words.
pub fn cannot_promote(from: &Environment, to: &Environment, dataset: &str) -> Option<String> {
    let (Some(source), Some(target)) = (&from.bucket, &to.bucket) else {
        let without = if from.bucket.is_none() { from } else { to };
        return Some(format!("`{}` has no `bucket`", without.name));
    };
    if target.complete.last().is_some_and(|last| source.complete.last() != Some(last)) {
        return Some("their packages end with different objects (`marker`, `manifest`)".to_owned());
    }
    let same = source.place(&from.name, dataset, ANY) == target.place(&to.name, dataset, ANY)
        && source.access.endpoint == target.access.endpoint;
    same.then(|| "they read the same place of the same bucket".to_owned())
}

impl AwsAccess {
    /// The account of its role: the part of an ARN by which roles of one account are known.
    ///
    /// # Errors
    /// It is no ARN of a role.
    pub fn account(&self) -> Result<Option<&str>, String> {
        let Some(role) = &self.role_arn else { return Ok(None) };
        let parts: Vec<&str> = role.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, "iam", "", account, name]
                if partition.starts_with("aws")
                    && account.len() == 12
                    && account.bytes().all(|byte| byte.is_ascii_digit())
                    && name.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
            {
                Ok(Some(account))
            }
            _ => Err(role.clone()),
        }
    }
}

/// Why SSM takes no parameter of such a name, by its rules for names.
pub fn bad_parameter_name(name: &str) -> Option<&'static str> {
    const LONGEST: usize = 1011;
    const LEVELS: usize = 15;
    let levels: Vec<&str> = name.strip_prefix('/').unwrap_or(name).split('/').collect();
    let first = levels.first().map(|level| level.to_ascii_lowercase()).unwrap_or_default();
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    if levels.len() > 1 && !name.starts_with('/') {
        Some("a name with `/` in it begins with `/`")
    } else if levels.iter().any(|level| level.is_empty()) {
        Some("there is nothing between two `/`, or after the last one")
    } else if !name.chars().all(good) {
        Some("only letters, digits and `_.-/` may stand in it")
    } else if first == "aws" || first == "ssm" {
        Some("`aws` and `ssm` at the beginning are AWS's own")
    } else if levels.len() > LEVELS || name.len() > LONGEST {
        Some("it has more than 15 levels, or more than 1,011 characters")
    } else {
        None
    }
}
