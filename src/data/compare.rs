//! Whether two objects are the same bytes.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType};

use super::{DataError, Object, Shelf};

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Same {
    /// The same bytes.
    Yes,
    /// Other bytes.
    No,
    /// S3 knows nothing by which it could be told.
    Unknown,
}

/// Checksums of all bytes of an object, by algorithm.
pub(super) fn checksums(head: &HeadObjectOutput) -> Vec<(&'static str, &str)> {
    // A composite one is over the checksums of parts: other parts make another one of the same bytes.
    if head.checksum_type() == Some(&ChecksumType::Composite) {
        return Vec::new();
    }
    let all = [
        ("sha256", head.checksum_sha256()),
        ("sha512", head.checksum_sha512()),
        ("sha1", head.checksum_sha1()),
        ("crc64nvme", head.checksum_crc64_nvme()),
        ("crc32c", head.checksum_crc32_c()),
        ("crc32", head.checksum_crc32()),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

impl Shelf {
    /// What S3 says of one object, with its checksums.
    pub(super) async fn head(&self, key: &str) -> Result<HeadObjectOutput, DataError> {
        self.client
            .head_object()
            .bucket(&self.place.bucket)
            .key(self.key(key))
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| self.refused(&format!("looking at `{key}` of"), "s3:GetObject", &error).into())
    }
}

/// Whether `one` in `here` is the same bytes as `other` in `there`.
///
/// Tags that are equal are of equal bytes. Tags differ for equal bytes where a key encrypts them, or where they came
/// in other parts: then the checksums that S3 keeps decide.
pub(super) async fn same(
    (here, one): (&Shelf, &Object),
    (there, other): (&Shelf, &Object),
) -> Result<Same, DataError> {
    if one.size != other.size {
        return Ok(Same::No);
    }
    if one.same_by_listing(other) {
        return Ok(Same::Yes);
    }
    let (mine, theirs) = (here.head(&one.key).await?, there.head(&other.key).await?);
    let encrypted = [&mine, &theirs].iter().any(|head| head.ssekms_key_id().is_some());
    let theirs = checksums(&theirs);
    let common = checksums(&mine).into_iter().find_map(|(name, value)| {
        theirs.iter().find(|(other, _)| *other == name).map(|(_, other)| *other == value)
    });
    Ok(match common {
        Some(true) => Same::Yes,
        Some(false) => Same::No,
        None if plain_md5(&one.tag) && plain_md5(&other.tag) && !encrypted => Same::No,
        None => Same::Unknown,
    })
}

/// Whether a tag can be the MD5 of the bytes.
pub(super) fn plain_md5(tag: &str) -> bool {
    tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
}
