//! A manifest: every object of a package with its size and checksum.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Deserialize;

use super::compare::{checksums, plain_md5};
use super::{DataError, Object, Package, Shelf};

/// Largest manifest, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;
/// Objects that are looked at side by side.
const SIDE_BY_SIDE: usize = 32;
/// Differences that are named.
const NAMED: usize = 5;

/// What a checksum is called in a manifest.
const ALGORITHMS: [&str; 7] = ["md5", "sha256", "sha512", "sha1", "crc64nvme", "crc32c", "crc32"];

/// What a manifest says.
#[derive(Debug, Deserialize)]
struct Manifest {
    objects: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    /// Key below the package's prefix.
    key: String,
    size: u64,
    /// At least one of [`ALGORITHMS`]: hex or base64.
    #[serde(flatten)]
    checksums: BTreeMap<String, serde_json::Value>,
}

impl Shelf {
    /// Whether the package is what its manifest says.
    pub(super) async fn obeys_manifest(&self, name: &str, package: &Package) -> Result<(), DataError> {
        let manifest = self.manifest(name, package).await?;
        let mut wrong: Vec<String> = Vec::new();
        let mut doubtful = Vec::new();
        for entry in &manifest.objects {
            match package.object(&entry.key) {
                None => wrong.push(format!("`{}` is missing", entry.key)),
                Some(object) if object.size != entry.size => {
                    wrong.push(format!("`{}` has {} bytes, not {}", entry.key, object.size, entry.size));
                }
                Some(object) => match entry.by_tag(object) {
                    Some(true) => {}
                    Some(false) => wrong.push(format!("`{}` has another checksum", entry.key)),
                    None => doubtful.push(entry),
                },
            }
        }
        let listed: std::collections::BTreeSet<&str> =
            manifest.objects.iter().map(|entry| entry.key.as_str()).collect();
        let extra =
            package.objects.iter().filter(|one| one.key != name && !listed.contains(one.key.as_str()));
        wrong.extend(extra.map(|object| format!("`{}` is not listed", object.key)));
        wrong.extend(self.doubtful(&doubtful).await?);
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(DataError::NotAsListed { place: self.place.to_string(), what: named(&wrong) }),
        }
    }

    async fn manifest(&self, name: &str, package: &Package) -> Result<Manifest, DataError> {
        let unusable =
            |reason: String| DataError::Manifest { place: format!("{}{name}", self.place), reason };
        if package.object(name).is_some_and(|object| object.size > LARGEST) {
            return Err(unusable(format!("it has more than {LARGEST} bytes")));
        }
        let got = self.client.get_object().bucket(&self.place.bucket).key(self.key(name)).send().await;
        let got =
            got.map_err(|error| self.refused(&format!("reading `{name}` of"), "s3:GetObject", &error))?;
        let body = got.body.collect().await.map_err(|error| unusable(error.to_string()))?;
        let manifest: Manifest =
            serde_json::from_slice(&body.into_bytes()).map_err(|error| unusable(error.to_string()))?;
        if manifest.objects.is_empty() {
            return Err(unusable("it lists no objects".to_owned()));
        }
        match manifest.objects.iter().find(|entry| !entry.has_checksum()) {
            Some(bare) => Err(unusable(format!(
                "`{}` has no checksum ({}), and a size alone proves nothing",
                bare.key,
                ALGORITHMS.join(", ")
            ))),
            None => Ok(manifest),
        }
    }

    /// Those whose checksum a listing does not show.
    async fn doubtful(&self, entries: &[&Entry]) -> Result<Vec<String>, DataError> {
        let looks = entries.iter().map(|entry| async move {
            let head = self.head(&entry.key).await?;
            Ok::<_, DataError>(entry.by_checksums(&checksums(&head)))
        });
        let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
        let mut wrong = Vec::new();
        while let Some(look) = looks.next().await {
            wrong.extend(look?);
        }
        wrong.sort();
        Ok(wrong)
    }
}

impl Entry {
    fn checksum(&self, algorithm: &str) -> Option<Vec<u8>> {
        self.checksums.get(algorithm).and_then(serde_json::Value::as_str).and_then(bytes)
    }

    fn has_checksum(&self) -> bool {
        ALGORITHMS.iter().any(|algorithm| self.checksums.contains_key(*algorithm))
    }

    /// What the tag of a listing says; `None` if it says nothing.
    fn by_tag(&self, object: &Object) -> Option<bool> {
        let wanted = self.checksum("md5")?;
        let equal = bytes(&object.tag).is_some_and(|tag| tag == wanted);
        // A tag that is no MD5 (parts, a key of KMS) looks the same as one of other bytes only where it has that form.
        (equal || plain_md5(&object.tag) && self.checksums.len() == 1).then_some(equal)
    }

    fn by_checksums(&self, known: &[(&'static str, &str)]) -> Option<String> {
        let both = known.iter().find_map(|(name, value)| Some((self.checksum(name)?, bytes(value)?)));
        match both {
            Some((wanted, found)) if wanted == found => None,
            Some(_) => Some(format!("`{}` has another checksum", self.key)),
            None => Some(format!(
                "S3 keeps no checksum of `{}` that the manifest has, so it cannot be proven (upload it with SHA-256)",
                self.key
            )),
        }
    }
}

/// Hex or base64.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let known = matches!(text.len(), 8 | 16 | 32 | 40 | 64 | 128);
    if hex && known {
        return (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
            .collect();
    }
    STANDARD.decode(text).ok()
}

/// The first few, and how many more there are.
pub(super) fn named(all: &[String]) -> String {
    let more = all.len().saturating_sub(NAMED);
    let first = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{first}, and {more} more") } else { first }
}
