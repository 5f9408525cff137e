//! Strings by a name that the user chooses.

use std::collections::BTreeMap;

use toml_edit::TableLike;

use super::{At, Data, Form, Node, Raw, Reader, Shape};

impl Reader<'_> {
    /// Strings by name.
    pub(super) fn words(&mut self, table: &dyn TableLike, at: At<'_>) -> Raw {
        let site = at.site.child(at.key);
        let mut words = BTreeMap::new();
        for (name, item) in table.iter() {
            let range = table.key(name).and_then(|key| key.span()).unwrap_or_else(|| at.range.clone());
            let node = Node::of_item(item, &range);
            let at = At { range: node.range, key: name, site: &site };
            match node.data {
                Data::Text(text) => {
                    words.extend(self.form(Form::Any, text, at).map(|text| (name.to_owned(), text)));
                }
                data => self.wrong_type(Shape::Text(Form::Any), &data, format!("`{name}`"), at),
            }
        }
        Raw::Words(words)
    }
}
