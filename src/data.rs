//! Data packages in buckets: whether one is complete, what it is, and its way from one bucket to another.
//!
//! A package is everything below one prefix, which ends with `/`: a version whose name begins another's is never
//! taken for it. Nothing is ever deleted.

mod compare;
mod copy;
mod error;
mod list;
mod manifest;
mod parts;
mod promotion;

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;

use crate::aws::Aws;
use crate::config::{AwsAccess, Bucket, Complete};

pub use copy::Limits;
pub use error::DataError;
pub use list::{Object, Package};
pub use promotion::{Progress, Promotion, Work};

/// A place of packages: one prefix of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Bucket.
    pub bucket: String,
    /// What every key begins with; ends with `/`.
    pub prefix: String,
    /// When the package there is complete.
    pub complete: Complete,
    /// How it is reached.
    pub access: AwsAccess,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

impl Place {
    /// Where the package of a version is that an environment reads.
    pub fn of(bucket: &Bucket, environment: &str, dataset: &str, version: &str) -> Self {
        let (name, prefix) = bucket.place(environment, dataset, version);
        Self { bucket: name, prefix, complete: bucket.complete.clone(), access: bucket.access.clone() }
    }

    /// The same place, read by another principal: a copy on S3's side is made by one.
    pub fn read_by(&self, access: &AwsAccess) -> Self {
        let access = AwsAccess {
            role_arn: access.role_arn.clone(),
            external_id: access.external_id.clone(),
            ..self.access.clone()
        };
        Self { access, ..self.clone() }
    }
}

/// An open place.
#[derive(Debug, Clone)]
pub struct Shelf {
    client: aws_sdk_s3::Client,
    place: Place,
    /// Uploads that are being given up.
    given_up: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Shelf {
    /// Opens a place.
    ///
    /// # Errors
    /// There are no credentials for it.
    pub async fn open(aws: &Aws, place: Place) -> Result<Self, DataError> {
        Ok(Self { client: aws.s3(&place.access).await?, place, given_up: Arc::default() })
    }

    /// What it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The package, which has to be complete.
    ///
    /// # Errors
    /// It is not there, not complete, not what its manifest says, or could not be looked at.
    pub async fn complete(&self) -> Result<Package, DataError> {
        self.completed(self.package().await?).await
    }

    /// The same of what a listing has shown.
    async fn completed(&self, package: Package) -> Result<Package, DataError> {
        let place = || self.place.to_string();
        if package.objects.is_empty() {
            return Err(DataError::Missing { place: place() });
        }
        let others = package.objects.len() - usize::from(self.last_of(&package).is_some());
        match &self.place.complete {
            Complete::AtLeast(least) => match u32::try_from(package.objects.len()) {
                Ok(found) if found < *least => {
                    Err(DataError::TooFew { place: place(), found, least: *least })
                }
                Ok(_) | Err(_) => Ok(package),
            },
            Complete::Marker(name) | Complete::Manifest(name) if self.last_of(&package).is_none() => {
                Err(DataError::Unfinished { place: place(), name: name.clone(), found: others })
            }
            Complete::Marker(name) if others == 0 => {
                Err(DataError::OnlyMarker { place: place(), name: name.clone() })
            }
            Complete::Marker(_) => Ok(package),
            Complete::Manifest(name) => {
                self.obeys_manifest(name, &package).await?;
                Ok(package)
            }
        }
    }

    /// The object that is written last, if it is there.
    fn last_of<'p>(&self, package: &'p Package) -> Option<&'p Object> {
        package.object(self.place.complete.last()?)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.place.prefix)
    }
}
