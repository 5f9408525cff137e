//! The copy of one object on S3's side.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures_util::StreamExt as _;
use futures_util::stream;
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
        let needed = (object.size > self.limits.in_parts_from).then_some(self.limits.part);
        let Some(parts) = parts else { return Ok(needed) };
        let from = self.from.place();
        let first = self.from.client.head_object().bucket(&from.bucket).key(self.from.key(&object.key));
        let first = first.part_number(1).send().await.map_err(|error| {
            self.from.refused(&format!("looking at `{}` of", object.key), "s3:GetObject", &error)
        })?;
        let size = first.content_length().and_then(|size| u64::try_from(size).ok()).filter(|size| *size > 0);
        let own = size.filter(|size| object.size.div_ceil(*size) == parts && parts > 1);
        Ok(own.or(needed))
    }

    fn source(&self, object: &Object) -> String {
        let from = self.from.place();
        let key = self.from.key(&object.key);
        format!("{}/{}", from.bucket, utf8_percent_encode(&key, KEPT))
    }

    fn quoted(object: &Object) -> String {
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
    async fn not_copied(&self, object: &Object, taken: bool, error: DataError) -> Result<(), DataError> {
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
    fn denied<E>(&self, object: &Object, error: &aws_sdk_s3::error::SdkError<E>) -> DataError
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

    async fn copy_in_parts(&self, object: &Object, part: u64) -> Result<(), DataError> {
        // What describes an object is not copied with its parts.
        let head = self.from.head(&object.key).await?;
        let upload = self.begin(object, &head).await?;
        let done = self.parts(object, part, &upload).await;
        let ended = match done {
            Ok(parts) => self.end(object, &upload, parts).await,
            Err(error) => Err(error),
        };
        if ended.is_err() {
            let to = self.to.place();
            let key = self.to.key(&object.key);
            let given_up =
                self.to.client.abort_multipart_upload().bucket(&to.bucket).key(key).upload_id(&upload);
            if let Err(error) = given_up.send().await {
                tracing::warn!(error = crate::causes::chain(&error), "an upload in parts stays behind");
            }
        }
        ended
    }

    async fn begin(&self, object: &Object, head: &HeadObjectOutput) -> Result<String, DataError> {
        let text = |value: Option<&str>| value.map(str::to_owned);
        let made = self
            .to
            .client
            .create_multipart_upload()
            .bucket(&self.to.place().bucket)
            .key(self.to.key(&object.key))
            .set_content_type(text(head.content_type()))
            .set_content_encoding(text(head.content_encoding()))
            .set_content_disposition(text(head.content_disposition()))
            .set_content_language(text(head.content_language()))
            .set_cache_control(text(head.cache_control()))
            .set_metadata(head.metadata().cloned())
            .send()
            .await
            .map_err(|error| self.denied(object, &error))?;
        Ok(made.upload_id().unwrap_or_default().to_owned())
    }

    async fn parts(&self, object: &Object, part: u64, upload: &str) -> Result<Vec<CompletedPart>, DataError> {
        let pieces = (0..object.size.div_ceil(part)).map(|index| async move {
            let (first, last) = (index * part, ((index + 1) * part).min(object.size) - 1);
            let number = i32::try_from(index + 1).unwrap_or(i32::MAX);
            let copied = self
                .to
                .client
                .upload_part_copy()
                .copy_source(self.source(object))
                .copy_source_if_match(Self::quoted(object))
                .copy_source_range(format!("bytes={first}-{last}"))
                .bucket(&self.to.place().bucket)
                .key(self.to.key(&object.key))
                .upload_id(upload)
                .part_number(number)
                .customize()
                .config_override(patient())
                .send()
                .await
                .map_err(|error| self.denied(object, &error))?;
            let tag = copied.copy_part_result().and_then(|part| part.e_tag()).map(str::to_owned);
            Ok::<_, DataError>(CompletedPart::builder().part_number(number).set_e_tag(tag).build())
        });
        let mut pieces = stream::iter(pieces).buffered(self.limits.parts);
        let mut parts = Vec::new();
        while let Some(part) = pieces.next().await {
            parts.push(part?);
        }
        Ok(parts)
    }

    async fn end(&self, object: &Object, upload: &str, parts: Vec<CompletedPart>) -> Result<(), DataError> {
        let ended = self
            .to
            .client
            .complete_multipart_upload()
            .bucket(&self.to.place().bucket)
            .key(self.to.key(&object.key))
            .upload_id(upload)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .if_none_match("*")
            .customize()
            .config_override(patient())
            .send()
            .await;
        match ended {
            Ok(_) => Ok(()),
            Err(error) => {
                let taken = error.code() == Some("PreconditionFailed");
                self.not_copied(object, taken, self.denied(object, &error)).await
            }
        }
    }
}
