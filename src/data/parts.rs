//! The copy of one large object in parts, and what becomes of parts that were copied for nothing.

use std::sync::PoisonError;
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;

use super::{DataError, Object, Promotion, Shelf};
use crate::aws::patient;

/// How long it may take to give up what was begun.
const TIDY: Duration = Duration::from_secs(10);

/// An upload in parts that was begun. Dropped before its end it is given up: nobody sees its parts, and they cost
/// until the bucket's life cycle removes them.
struct Upload {
    to: Shelf,
    key: String,
    id: String,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    Ended,
}

impl Drop for Upload {
    fn drop(&mut self) {
        let (Standing::Open, Ok(runtime)) = (self.standing, tokio::runtime::Handle::try_current()) else {
            return;
        };
        let to = &self.to;
        let given_up = to.client.abort_multipart_upload().bucket(&to.place.bucket);
        let given_up = given_up.key(&self.key).upload_id(&self.id);
        let key = self.key.clone();
        let task = runtime.spawn(async move {
            if let Err(error) = given_up.send().await {
                let error = crate::causes::chain(&error);
                tracing::warn!(error, key, "parts of an upload stay behind, for the bucket's life cycle");
            }
        });
        to.given_up.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }
}

impl Shelf {
    /// Waits a while until uploads that were begun for nothing are given up.
    pub async fn tidied(&self) {
        let tasks = std::mem::take(&mut *self.given_up.lock().unwrap_or_else(PoisonError::into_inner));
        if tokio::time::timeout(TIDY, join_all(tasks)).await.is_err() {
            tracing::warn!("parts of uploads may stay behind, for the bucket's life cycle");
        }
    }
}

impl Promotion {
    pub(super) async fn copy_in_parts(&self, object: &Object, part: u64) -> Result<(), DataError> {
        // What describes an object is not copied with its parts.
        let head = self.from.head(&object.key).await?;
        let upload = self.begin(object, &head).await?;
        let parts = self.parts(object, part, &upload.id).await?;
        self.end(object, upload, parts).await
    }

    async fn begin(&self, object: &Object, head: &HeadObjectOutput) -> Result<Upload, DataError> {
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
        let id = made.upload_id().unwrap_or_default().to_owned();
        Ok(Upload { to: self.to.clone(), key: self.to.key(&object.key), id, standing: Standing::Open })
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

    async fn end(
        &self,
        object: &Object,
        mut upload: Upload,
        parts: Vec<CompletedPart>,
    ) -> Result<(), DataError> {
        let ended = self
            .to
            .client
            .complete_multipart_upload()
            .bucket(&self.to.place().bucket)
            .key(self.to.key(&object.key))
            .upload_id(&upload.id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .if_none_match("*")
            .customize()
            .config_override(patient())
            .send()
            .await;
        match ended {
            Ok(_) => {
                upload.standing = Standing::Ended;
                Ok(())
            }
            Err(error) => {
                let taken = error.code() == Some("PreconditionFailed");
                self.not_copied(object, taken, self.denied(object, &error)).await
            }
        }
    }
}
