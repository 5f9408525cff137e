//! What a package is: its objects, and a digest over them.

use std::fmt::Write as _;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::{DataError, Shelf};
use crate::aws::{AwsError, Fault, failed};

/// An object of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Key below the package's prefix.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// S3's entity tag, without quotes: the MD5 of the bytes, or `…-N` where they came in N parts.
    pub tag: String,
}

impl Object {
    /// Whether a listing proves that both are the same bytes: a store without tags proves nothing, but that both are empty.
    pub(super) fn same_by_listing(&self, other: &Object) -> bool {
        self.size == other.size && (self.size == 0 || (!self.tag.is_empty() && self.tag == other.tag))
    }
}

/// The objects of a package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Package {
    /// Sorted by key.
    pub objects: Vec<Object>,
}

impl Package {
    /// Size of all objects together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    /// SHA-256 (hex) over key, size and tag of each object, sorted by key.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for object in &self.objects {
            hash.update(format!("{}\0{}\0{}\n", object.key, object.size, object.tag));
        }
        hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// The object of that key.
    pub fn object(&self, key: &str) -> Option<&Object> {
        let at = self.objects.binary_search_by(|object| object.key.as_str().cmp(key)).ok()?;
        self.objects.get(at)
    }
}

impl Shelf {
    /// The key of one object there, if there is any: whether the place may be listed.
    ///
    /// # Errors
    /// The bucket could not be listed.
    pub async fn any(&self) -> Result<Option<String>, DataError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.place.bucket)
            .prefix(&self.place.prefix)
            .encoding_type(EncodingType::Url)
            .max_keys(1)
            .send()
            .await
            .map_err(|error| self.refused("listing", "s3:ListBucket", &error))?;
        Ok(page.contents().iter().find_map(|found| self.object(found)).map(|object| object.key))
    }

    /// Begins to read an object there: whether it may be read, and decrypted.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn try_to_read(&self, key: &str) -> Result<(), DataError> {
        let got = self.client.get_object().bucket(&self.place.bucket).key(self.key(key)).send().await;
        let refused = |error| self.refused(&format!("reading `{key}` of"), "s3:GetObject", &error).into();
        got.map(|_| ()).map_err(refused)
    }

    /// What is there now; an empty package if nothing is.
    ///
    /// # Errors
    /// The bucket could not be listed.
    pub async fn package(&self) -> Result<Package, DataError> {
        let mut objects = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.place.bucket)
                .prefix(&self.place.prefix)
                .encoding_type(EncodingType::Url)
                .set_continuation_token(next)
                .send()
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    return Err(self.not_listed(self.refused("listing", "s3:ListBucket", &error)).await);
                }
            };
            objects.extend(page.contents().iter().filter_map(|found| self.object(found)));
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        objects.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(Package { objects })
    }

    fn object(&self, found: &aws_sdk_s3::types::Object) -> Option<Object> {
        let key = decoded(found.key()?);
        // A console makes an empty object of that name for a folder.
        let key = key.strip_prefix(&self.place.prefix).filter(|key| !key.is_empty())?.to_owned();
        Some(Object {
            key,
            size: u64::try_from(found.size().unwrap_or_default()).unwrap_or_default(),
            tag: found.e_tag().unwrap_or_default().trim_matches('"').to_owned(),
        })
    }

    /// What a refused request was about; rights of a bucket end with its name, others with its objects.
    pub(super) fn refused<E>(
        &self,
        doing: &str,
        action: &str,
        error: &aws_sdk_s3::error::SdkError<E>,
    ) -> AwsError
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        let bucket = &self.place.bucket;
        let statement = match action {
            "s3:ListBucket" => format!("{action} on arn:aws:s3:::{bucket}"),
            _ => format!("{action} on arn:aws:s3:::{bucket}/*"),
        };
        let who = self.place.access.role_arn.as_ref().map(|role| format!(" as {role}")).unwrap_or_default();
        let mut refused = failed(format!("{doing} {}{who}", self.place), statement, error);
        if error.code() == Some("NoSuchBucket") {
            refused.said.push_str("; create the bucket, or correct `bucket` of the environment");
        }
        refused
    }

    /// Without the right to list, S3 says the same of what is not there and of what may not be read.
    async fn not_listed(&self, mut error: AwsError) -> DataError {
        let (Fault::Denied { .. }, Some(last)) = (&error.fault, self.place.complete.last()) else {
            return error.into();
        };
        let head = self.client.head_object().bucket(&self.place.bucket).key(self.key(last)).send().await;
        let status =
            head.as_ref().err().and_then(|error| error.raw_response()).map(|raw| raw.status().as_u16());
        let more = match (head.is_ok(), status) {
            (true, _) => format!("`{last}` is there, but what belongs to it cannot be seen"),
            (false, Some(403)) => format!(
                "whether `{last}` is there cannot be told: without the right to list, S3 answers 403 (not 404) for what is not there"
            ),
            (false, _) => format!("`{last}` is not there"),
        };
        error.said = format!("{}; {more}", error.said);
        error.into()
    }
}

/// A key as S3 writes it in a listing: form encoding, so a plus is a space.
fn decoded(key: &str) -> String {
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}
