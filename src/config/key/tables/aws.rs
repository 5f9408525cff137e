//! Keys of buckets and parameters.

use crate::config::key::{Choice, Form, Key, Keys, Shape, Way};

const REGION: Key =
    Key::optional("region", Shape::Text(Form::Any), "region; `AWS_REGION` or the profile's by default");
const ENDPOINT: Key =
    Key::optional("endpoint", Shape::Text(Form::HttpUrl), "address of the service; AWS's own by default");
const ROLE_ARN: Key = Key::optional(
    "role_arn",
    Shape::Text(Form::Any),
    "role that is assumed; the job's own credentials by default",
);
const EXTERNAL_ID: Key =
    Key::optional("external_id", Shape::Text(Form::Any), "external id that the role asks for");

/// Where packages are.
pub(super) static BUCKET: Keys = Keys::of(&[
    Key::required(
        "url",
        Shape::Text(Form::BucketUrl),
        "`s3://bucket/{dataset}/{version}/`: where the package of a version is",
    ),
    Key::optional(
        "marker",
        Shape::Text(Form::ObjectName),
        "object that is written last: the package is complete",
    ),
    Key::optional(
        "manifest",
        Shape::Text(Form::ObjectName),
        "object that lists all others with sizes and checksums, written last",
    ),
    Key::optional("min_objects", Shape::Count(1_000_000), "how many objects a package has at least"),
    REGION,
    ENDPOINT,
    ROLE_ARN,
    EXTERNAL_ID,
])
.choice(Choice::One(&[
    Way { needs: &["marker"], allows: &[] },
    Way { needs: &["manifest"], allows: &[] },
    Way { needs: &["min_objects"], allows: &[] },
]));

/// Where the verified version is written.
pub(super) static SSM: Keys = Keys::of(&[
    Key::required(
        "parameter",
        Shape::Text(Form::Filled(&["dataset", "environment"])),
        "name of the parameter that holds the last verified version",
    ),
    Key::optional(
        "type",
        Shape::Text(Form::OneOf(&["String", "SecureString"])),
        "type of the parameter; String by default",
    ),
    Key::optional(
        "tier",
        Shape::Text(Form::OneOf(&["Standard", "Advanced", "Intelligent-Tiering"])),
        "tier; the account's default by default",
    ),
    Key::optional("kms_key", Shape::Text(Form::Any), "key that encrypts a SecureString"),
    Key::optional("tags", Shape::Words, "tags that it gets where it is created"),
    REGION,
    ENDPOINT,
    ROLE_ARN,
    EXTERNAL_ID,
]);

/// What fills the bucket of a stage.
pub(super) static PROMOTE: Keys = Keys::of(&[
    Key::required(
        "from",
        Shape::Text(Form::Reference),
        "environment whose bucket the package is copied from, before the pin",
    ),
    Key::optional("timeout", Shape::Text(Form::Duration), "how long the copy may take; 1h by default"),
]);
