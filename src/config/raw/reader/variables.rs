//! Variables by name.

use std::collections::BTreeMap;

use toml_edit::TableLike;

use super::{At, Data, Form, Node, Raw, Reader, Shape};

impl Reader<'_> {
    /// Texts by the name of a variable.
    pub(super) fn variables(&mut self, form: Form, table: &dyn TableLike, at: At<'_>) -> Raw {
        let site = at.site.child(at.key);
        let mut variables = BTreeMap::new();
        for (name, item) in table.iter() {
            let range = table.key(name).and_then(|key| key.span()).unwrap_or_else(|| at.range.clone());
            if self.form(Form::Variable, name, At { range: range.clone(), key: name, site: &site }).is_none()
            {
                continue;
            }
            let node = Node::of_item(item, &range);
            let here = At { range: node.range, key: name, site: &site };
            match node.data {
                // a variable may be empty
                Data::Text("") => drop(variables.insert(name.to_owned(), String::new())),
                Data::Text(text) => {
                    let text = self.form(form, text, here);
                    variables.extend(text.map(|text| (name.to_owned(), text)));
                }
                data => self.wrong_type(Shape::Text(form), &data, format!("`{name}`"), here),
            }
        }
        Raw::Variables(variables)
    }
}
