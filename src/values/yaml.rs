//! YAML to a [`Tree`], by the parser that gives byte ranges.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};

use super::error::ValuesError;
use super::source::Source;
use super::template;
use super::tree::{Entry, Node, NodeId, Shape, Style, Tag, Tree};

/// Levels of nesting read; the second parser stops at 128.
const DEPTH: usize = 100;
/// What all aliases of a file may expand to, in bytes of text with 16 for each node.
const EXPANSION: usize = 16 << 20;

/// Returns the documents of the file as the parser with byte ranges reads them.
pub(crate) fn index<'s>(source: &'s Source<'_>) -> Result<Tree<'s>, ValuesError> {
    let options = options! {
        emit_comments: false,
        flow_nesting_limit: DEPTH + 20,
        block_nesting_limit: DEPTH + 20,
    };
    let mut builder = Builder::new(source);
    for event in Parser::new_from_str_with_options(source.masked(), options) {
        let (event, span) = event.map_err(|error| unreadable(source, &error))?;
        builder.event(event, &span)?;
    }
    Ok(builder.tree)
}

fn unreadable(source: &Source<'_>, error: &ScanError) -> ValuesError {
    let marker = error.marker();
    let line = marker.line();
    let at = source.place_at(line, marker.col() + 1);
    let line = source.line_text(line);
    let indentation = line.len() - line.trim_start().len();
    let tab = line.get(..indentation).and_then(|indentation| indentation.find('\t'));
    if let ErrorKind::RecursionLimitExceeded = error.kind() {
        return ValuesError::TooDeep { at, limit: DEPTH };
    }
    if let Some(error) = template::on_line(source, at.line) {
        return error;
    }
    match tab {
        Some(column) => ValuesError::Tab { at: source.place_at(at.line, column + 1) },
        None => ValuesError::Unreadable { at, format: source.format().name(), reason: error.info() },
    }
}

/// A mapping or list that is still open.
struct Open {
    id: NodeId,
    anchor: usize,
    /// The key of a mapping that waits for its value.
    key: Option<NodeId>,
    /// Keys so far, to find duplicates.
    keys: HashMap<String, NodeId>,
    /// What the node expands to.
    weight: usize,
}

struct Builder<'s, 'a> {
    source: &'s Source<'a>,
    tree: Tree<'s>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    expanded: usize,
}

struct Anchored {
    id: NodeId,
    /// Unknown while the node is still open.
    weight: Option<usize>,
}

impl<'s, 'a> Builder<'s, 'a> {
    fn new(source: &'s Source<'a>) -> Self {
        Self { source, tree: Tree::default(), open: Vec::new(), anchors: HashMap::new(), expanded: 0 }
    }

    fn event(&mut self, event: Event<'s>, span: &Span) -> Result<(), ValuesError> {
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(text, style, anchor, range, read_tag(tag.as_deref()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let shape = Shape::Mapping(Vec::new());
                self.start(Node { span: range, shape, tag: read_tag(tag.as_deref()) }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                let shape = Shape::Sequence(Vec::new());
                self.start(Node { span: range, shape, tag: read_tag(tag.as_deref()) }, anchor)
            }
            Event::MappingEnd | Event::SequenceEnd => self.end(range.end),
            Event::Alias(anchor) => self.alias(anchor, range),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::UnresolvedAlias(_)
            | Event::Comment(..)
            | _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'s, str>,
        style: ScalarStyle,
        anchor: usize,
        span: Range<usize>,
        tag: Tag,
    ) -> Result<(), ValuesError> {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let left_out = style == Style::Plain && span.is_empty();
        let text = if left_out { Cow::Borrowed("") } else { text };
        let weight = text.len() + 16;
        let id = self.tree.push(Node { span, shape: Shape::Scalar { text, style }, tag });
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { id, weight: Some(weight) });
        }
        self.place(id, weight)
    }

    fn start(&mut self, node: Node<'s>, anchor: usize) -> Result<(), ValuesError> {
        if self.open.len() >= DEPTH {
            return Err(ValuesError::TooDeep { at: self.source.place(node.span.start), limit: DEPTH });
        }
        let id = self.tree.push(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { id, weight: None });
        }
        self.open.push(Open { id, anchor, key: None, keys: HashMap::new(), weight: 16 });
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), ValuesError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        if let Some(node) = self.tree.nodes.get_mut(open.id) {
            node.span.end = end;
        }
        if let Some(anchored) = self.anchors.get_mut(&open.anchor) {
            anchored.weight = Some(open.weight);
        }
        self.place(open.id, open.weight)
    }

    fn alias(&mut self, anchor: usize, span: Range<usize>) -> Result<(), ValuesError> {
        let at = span.start;
        let Some(&Anchored { id: target, weight: Some(weight) }) = self.anchors.get(&anchor) else {
            return Err(ValuesError::EndlessAlias { at: self.source.place(at) });
        };
        self.expanded = self.expanded.saturating_add(weight);
        if self.expanded > EXPANSION {
            return Err(ValuesError::TooManyAliases { at: self.source.place(at), limit: EXPANSION });
        }
        let id = self.tree.push(Node { span, shape: Shape::Alias(target), tag: Tag::None });
        self.tree.aliases.entry(target).or_default().push(id);
        self.place(id, weight)
    }

    /// Puts a finished node where it belongs: into its parent, or on top of a document.
    fn place(&mut self, id: NodeId, weight: usize) -> Result<(), ValuesError> {
        let Some(parent) = self.open.last_mut() else {
            self.tree.documents.push(id);
            return Ok(());
        };
        parent.weight = parent.weight.saturating_add(weight);
        let key = parent.key.take();
        let parent_id = parent.id;
        match (self.tree.nodes.get_mut(parent_id).map(|node| &mut node.shape), key) {
            (Some(Shape::Sequence(items)), _) => items.push(id),
            (Some(Shape::Mapping(entries)), Some(key)) => entries.push(Entry { key, value: id }),
            (Some(Shape::Mapping(_)), None) => return self.key(id),
            (Some(Shape::Scalar { .. } | Shape::Alias(_)) | None, _) => {}
        }
        Ok(())
    }

    fn key(&mut self, id: NodeId) -> Result<(), ValuesError> {
        let text = self.tree.text(id).map(str::to_owned);
        let Some(parent) = self.open.last_mut() else { return Ok(()) };
        parent.key = Some(id);
        let Some(text) = text else { return Ok(()) };
        let Some(first) = parent.keys.insert(text, id) else { return Ok(()) };
        let line = |id| self.source.place(self.tree.node(id).span.start);
        let key = self.tree.text(id).unwrap_or("").to_owned();
        Err(ValuesError::DuplicateKey { at: line(id), key, first: line(first).line })
    }
}

fn read_tag(tag: Option<&granit_parser::Tag>) -> Tag {
    match tag {
        None => Tag::None,
        Some(tag) if tag.is_yaml_core_schema_tag("str") => Tag::Text,
        Some(tag) => Tag::Other(format!("{}{}", tag.original_handle(), tag.suffix())),
    }
}

/// A scalar as a document of its own, not at the start of the line: there `---` and `...` are none.
pub(crate) fn on_a_line(written: &str) -> String {
    format!(" {written}")
}

/// The text of exactly one untagged flow scalar on its own, without anything around it.
pub(crate) fn scalar(written: &str) -> Option<String> {
    if written.is_empty() {
        return Some(String::new());
    }
    let options = options! { emit_anchor_events: true };
    let line = on_a_line(written);
    let mut found = None;
    for event in Parser::new_from_str_with_options(&line, options) {
        match event.ok()? {
            (Event::Scalar(text, style, 0, None), span) if found.is_none() => {
                let flow = !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let whole = span.byte_range() == Some(line.len() - written.len()..line.len());
                found = Some((flow && whole).then(|| text.into_owned())?);
            }
            (Event::StreamStart | Event::StreamEnd | Event::DocumentEnd, _) => {}
            (Event::DocumentStart(false, None), _) if found.is_none() => {}
            _ => return None,
        }
    }
    found
}
