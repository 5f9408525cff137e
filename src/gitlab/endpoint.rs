//! Endpoints that the `gitlab` crate lacks.

use std::borrow::Cow;
use std::convert::Infallible;

use gitlab::api::{BodyError, Endpoint, JsonParams, Pageable, QueryParams};
use http::Method;
use serde_json::Value;

/// A request by its parts.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Raw {
    pub(super) fn get(path: String, query: Vec<(&'static str, String)>) -> Self {
        Self { method: Method::GET, path, query, body: None }
    }

    /// As the crate's builders give theirs; this one always can be built.
    pub(super) fn built(self) -> Result<Self, Infallible> {
        Ok(self)
    }

    pub(super) fn post(path: String, body: Value) -> Self {
        Self { method: Method::POST, path, query: Vec::new(), body: Some(body) }
    }

    pub(super) fn delete(path: String) -> Self {
        Self { method: Method::DELETE, path, query: Vec::new(), body: None }
    }

    pub(super) fn put(path: String, body: Value) -> Self {
        Self { method: Method::PUT, path, query: Vec::new(), body: Some(body) }
    }
}

impl Endpoint for Raw {
    fn method(&self) -> Method {
        self.method.clone()
    }

    fn endpoint(&self) -> Cow<'static, str> {
        self.path.clone().into()
    }

    fn parameters(&self) -> QueryParams<'_> {
        let mut parameters = QueryParams::default();
        parameters.extend(self.query.iter().map(|(key, value)| (*key, value.as_str())));
        parameters
    }

    fn body(&self) -> Result<Option<(&'static str, Vec<u8>)>, BodyError> {
        self.body.as_ref().map_or(Ok(None), JsonParams::into_body)
    }
}

impl Pageable for Raw {}

/// Name or id as one part of a path, which it cannot leave.
pub(super) fn segment(name: &str) -> String {
    name.bytes().fold(String::new(), |mut done, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            done.push(char::from(byte));
        } else {
            done.push_str(&format!("%{byte:02X}"));
        }
        done
    })
}
