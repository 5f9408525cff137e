//! Lists of texts.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{At, Data, Form, Node, Problem, Raw, Reader, Shape};
use crate::config::key::PLACEHOLDERS;

impl Reader<'_> {
    /// The texts of a list; `None` if one of them is wrong.
    fn texts(&mut self, list: Vec<Node<'_>>, form: Form, at: &At<'_>) -> Option<Vec<(String, Range<usize>)>> {
        let count = list.len();
        let mut texts = Vec::with_capacity(count);
        for (index, node) in list.into_iter().enumerate() {
            self.reading.spans.put(&format!("{}/{index}", at.site.address(at.key)), node.range.clone());
            let here = at.moved(node.range.clone());
            match node.data {
                // an argument may be empty
                Data::Text("") if matches!(form, Form::Template(_)) => {
                    texts.push((String::new(), node.range))
                }
                Data::Text(text) => texts.extend(self.form(form, text, here).map(|text| (text, node.range))),
                data => {
                    let what = format!("item {} of `{}`", index + 1, at.key);
                    self.wrong_type(Shape::Text(form), &data, what, here);
                }
            }
        }
        (texts.len() == count).then_some(texts)
    }

    /// A list of at least `least` different texts.
    pub(super) fn set(&mut self, form: Form, least: usize, list: Vec<Node<'_>>, at: At<'_>) -> Option<Raw> {
        if list.len() < least {
            let what = format!("`{}`", at.key);
            self.problem(at.range, Problem::Empty { what, place: at.site.place() });
            return None;
        }
        let texts = self.texts(list, form, &at)?;
        let mut seen = BTreeSet::new();
        for (text, range) in &texts {
            if !seen.insert(text.as_str()) {
                let (what, place) = (format!("an item of `{}`", at.key), at.site.place());
                self.problem(range.clone(), Problem::Duplicate { what, place, value: text.clone() });
            }
        }
        Some(Raw::Texts(texts.into_iter().map(|(text, _)| text).collect()))
    }

    /// A program with its arguments.
    pub(super) fn argv(&mut self, list: Vec<Node<'_>>, at: At<'_>) -> Option<Raw> {
        let texts = self.texts(list, Form::Template(PLACEHOLDERS), &at)?;
        if texts.first().is_none_or(|(program, _)| program.is_empty()) {
            let what = format!("`{}`", at.key);
            let range = texts.first().map_or(at.range, |(_, range)| range.clone());
            self.problem(range, Problem::Empty { what, place: at.site.place() });
            return None;
        }
        Some(Raw::Texts(texts.into_iter().map(|(text, _)| text).collect()))
    }
}
