//! Endpoints that the `gitlab` crate lacks.

use std::borrow::Cow;
use std::convert::Infallible;

use gitlab::api::{BodyError, Endpoint, JsonParams};
use http::Method;
use serde_json::Value;

/// A request by its parts.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Raw {
    /// As the crate's builders give theirs; this one always can be built.
    pub(super) fn built(self) -> Result<Self, Infallible> {
        Ok(self)
    }

    pub(super) fn post(path: String, body: Value) -> Self {
        Self { method: Method::POST, path, body: Some(body) }
    }

    pub(super) fn delete(path: String) -> Self {
        Self { method: Method::DELETE, path, body: None }
    }

    pub(super) fn put(path: String, body: Value) -> Self {
        Self { method: Method::PUT, path, body: Some(body) }
    }
}

impl Endpoint for Raw {
    fn method(&self) -> Method {
        self.method.clone()
    }

    fn endpoint(&self) -> Cow<'static, str> {
        self.path.clone().into()
    }

    fn body(&self) -> Result<Option<(&'static str, Vec<u8>)>, BodyError> {
        self.body.as_ref().map_or(Ok(None), JsonParams::into_body)
    }
}
