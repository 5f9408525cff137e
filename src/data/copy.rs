//! The copy of one object on S3's side.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::compare::{Same, same};
use super::{DataError, Object, Promotion};
use crate::aws::patient;

/// What stays as it is in the name of a source.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How much is copied at once, and in which pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Objects side by side.
    pub objects: usize,
    /// Parts of one object side by side.
    pub parts: usize,
    /// Size in bytes from which an object is copied in parts; S3 copies at most 5 GiB in one piece.
    pub in_parts_from: u64,
    /// Size of such a part in bytes, where the source's own parts are not known.
    pub part: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { objects: 64, parts: 8, in_parts_from: 5 << 30, part: 512 << 20 }
    }
}

/// Parts of one object that S3 takes.
const MOST_PARTS: u64 = 10_000;

impl Limits {
    /// Size in bytes of the parts in which an object of that size is copied; `None` if it is copied in one piece.
    pub fn part_of(&self, size: u64) -> Option<u64> {
        (size > self.in_parts_from).then(|| self.part.max(size.div_ceil(MOST_PARTS)))
    }
}

impl Promotion {
    /// Copies one object that the target lacks.
    pub(super) async fn copy(&self, object: &Object) -> Result<(), DataError> {
        match self.part_size(object).await? {
            Some(part) => self.copy_in_parts(object, part).await,
            None => self.copy_whole(object).await,
        }
    }

    /// An object that came in parts is copied in the same parts: then its tag stays the same, and one listing shows
    /// that the bytes do.
    async fn part_size(&self, object: &Object) -> Result<Option<u64>, DataError> {
        let parts = object.tag.rsplit_once('-').and_then(|(_, count)| count.parse::<u64>().ok());
        let needed = self.limits.part_of(object.size);
        let Some(parts) = parts else { return Ok(needed) };
        let from = self.from.place();
        let first = self.from.client.head_object().bucket(&from.bucket).key(self.from.key(&object.key));
        let first = first.part_number(1).send().await.map_err(|error| {
            self.from.refused(&format!("looking at `{}` of", object.key), "s3:GetObject", &error)
        })?;
        let size = first.content_length().and_then(|size| u64::try_from(size).ok()).filter(|size| *size > 0);
        let own = size.filter(|size| object.size.div_ceil(*size) == parts);
        Ok(own.or(needed))
    }

    pub(super) fn source(&self, object: &Object) -> String {
        let from = self.from.place();
        let key = self.from.key(&object.key);
        format!("{}/{}", from.bucket, utf8_percent_encode(&key, KEPT))
    }

    pub(super) fn quoted(object: &Object) -> String {
        format!("\"{}\"", object.tag)
    }

    async fn copy_whole(&self, object: &Object) -> Result<(), DataError> {
        let to = self.to.place();
        let copied = self
            .to
            .client
            .copy_object()
            .copy_source(self.source(object))
            .copy_source_if_match(Self::quoted(object))
            .bucket(&to.bucket)
            .key(self.to.key(&object.key))
            .if_none_match("*")
            .customize()
            .config_override(patient())
            .send()
            .await;
        match copied {
            Ok(_) => Ok(()),
            Err(error) => {
                let taken = error.code() == Some("PreconditionFailed");
                self.not_copied(object, taken, self.denied(object, &error)).await
            }
        }
    }

    /// A precondition failed: the source changed, or somebody else copied the object in the meantime.
    pub(super) async fn not_copied(
        &self,
        object: &Object,
        taken: bool,
        error: DataError,
    ) -> Result<(), DataError> {
        if !taken {
            return Err(error);
        }
        let there = self.to.package().await?;
        let different = |what: String| DataError::Different {
            from: self.from.place().to_string(),
            to: self.to.place().to_string(),
            what,
        };
        let Some(other) = there.object(&object.key) else {
            return Err(different(format!("`{}` of the source was changed while it was copied", object.key)));
        };
        match same((&self.from, object), (&self.to, other)).await? {
            Same::Yes => Ok(()),
            Same::No | Same::Unknown => Err(different(format!("`{}` has other bytes", object.key))),
        }
    }

    /// One principal reads and writes: which statement it lacks is not in S3's answer.
    pub(super) fn denied<E>(&self, object: &Object, error: &aws_sdk_s3::error::SdkError<E>) -> DataError
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (from, to) = (self.from.place(), self.to.place());
        let who = to.access.role_arn.clone().unwrap_or_else(|| "the job's own credentials".to_owned());
        let doing = format!("copying `{}` from {from} to {to} as {who}", object.key);
        let statement = format!(
            "s3:GetObject on arn:aws:s3:::{}/* (in the source's bucket policy too, where it is another account), \
             s3:PutObject on arn:aws:s3:::{}/*, and kms:Decrypt for the source's key, kms:GenerateDataKey for the target's, \
             where keys encrypt them",
            from.bucket, to.bucket
        );
        crate::aws::failed(doing, statement, error).into()
    }
}
