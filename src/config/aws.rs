//! Buckets and parameters in AWS.

use std::collections::BTreeMap;

use super::Facts;
use super::template::fill;

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
}
