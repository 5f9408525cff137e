//! Buckets and parameters.

use crate::config::raw::Fields;
use crate::config::{AwsAccess, Bucket, Complete, Parameter, Promote, Secrecy};

fn access(fields: &Fields) -> AwsAccess {
    AwsAccess {
        region: fields.text("region"),
        endpoint: fields.text("endpoint"),
        role_arn: fields.text("role_arn"),
        external_id: fields.text("external_id"),
    }
}

/// What the key `bucket` says.
pub(super) fn bucket(fields: &Fields) -> Option<Bucket> {
    let url = fields.text("url")?;
    let complete = match (fields.text("marker"), fields.text("manifest"), fields.count("min_objects")) {
        (Some(name), _, _) => Complete::Marker(name),
        (None, Some(name), _) => Complete::Manifest(name),
        (None, None, count) => Complete::AtLeast(count?),
    };
    let url = if url.ends_with('/') { url } else { format!("{url}/") };
    Some(Bucket { url, complete, access: access(fields) })
}

/// What the key `ssm` says.
pub(super) fn parameter(fields: &Fields) -> Option<Parameter> {
    Some(Parameter {
        name: fields.text("parameter")?,
        secrecy: match fields.text("type").as_deref() {
            Some("SecureString") => Secrecy::Secure,
            _ => Secrecy::Plain,
        },
        tier: fields.text("tier"),
        kms_key: fields.text("kms_key"),
        tags: fields.words("tags"),
        access: access(fields),
    })
}

/// What the key `promote` says.
pub(super) fn promote(fields: &Fields) -> Option<Promote> {
    let timeout = fields.time("timeout").unwrap_or(Promote::TIMEOUT);
    Some(Promote { from: fields.text("from")?, timeout })
}
