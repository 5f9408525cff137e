//! Headers of a request.

use std::collections::BTreeMap;

use toml_edit::TableLike;

use super::{At, Data, Form, Node, Problem, Raw, Reader, SECRET, Shape, Site};
use crate::config::HeaderValue;
use crate::config::raw::secret;

impl Reader<'_> {
    /// Headers by name.
    pub(super) fn headers(&mut self, table: &dyn TableLike, at: At<'_>) -> Raw {
        let site = at.site.child(at.key);
        let mut headers = BTreeMap::new();
        for (name, item) in table.iter() {
            let range = table.key(name).and_then(|key| key.span()).unwrap_or_else(|| at.range.clone());
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            {
                let problem = Problem::BadHeader { name: name.to_owned(), place: site.place() };
                self.problem(range.clone(), problem);
            }
            let value = self.header(name, Node::of_item(item, &range), &site);
            headers.extend(value.map(|value| (name.to_owned(), value)));
        }
        Raw::Headers(headers)
    }

    fn header(&mut self, name: &str, node: Node<'_>, site: &Site) -> Option<HeaderValue> {
        let at = At { range: node.range, key: name, site };
        match node.data {
            Data::Text(text) if !is_secret(name) => self.form(Form::Any, text, at).map(HeaderValue::Plain),
            Data::Table(table) => {
                let fields = self.table(table, at.range, &SECRET, &site.child(name));
                secret(&fields).map(HeaderValue::Secret)
            }
            data => {
                let shape = if is_secret(name) { Shape::Table(&SECRET) } else { Shape::Headers };
                self.wrong_type(shape, &data, format!("`{name}`"), at);
                None
            }
        }
    }
}

/// Whether a header's value is a secret by its name.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["authorization", "token", "secret", "password", "api-key", "apikey", "cookie"];
    words.iter().any(|word| name.contains(word))
}
