//! What the parser with byte ranges found, in one form for YAML and TOML.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// An index into [`Tree::nodes`].
pub(crate) type NodeId = usize;

/// All documents of a file.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    /// The top node of each document.
    pub(crate) documents: Vec<NodeId>,
    /// The aliases of each anchored node that has some.
    pub(crate) aliases: HashMap<NodeId, Vec<NodeId>>,
}

/// A value or a key.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Bytes in the text; quotes belong to it, anchor and tag do not.
    pub(crate) span: Range<usize>,
    pub(crate) shape: Shape<'a>,
    pub(crate) tag: Tag,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Shape<'a> {
    Mapping(Vec<Entry>),
    Sequence(Vec<NodeId>),
    Scalar { text: Cow<'a, str>, style: Style },
    Alias(NodeId),
}

/// A key and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) key: NodeId,
    pub(crate) value: NodeId,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    /// A YAML block scalar.
    Block,
    /// A TOML multi-line string.
    Multiline,
}

/// The tag of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tag {
    None,
    /// `!!str`
    Text,
    Other(String),
}

impl<'a> Tree<'a> {
    pub(crate) fn node(&self, id: NodeId) -> &Node<'a> {
        &self.nodes[id]
    }

    pub(crate) fn push(&mut self, node: Node<'a>) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The text of a scalar or of the scalar that an alias stands for.
    pub(crate) fn text(&self, id: NodeId) -> Option<&str> {
        match &self.node(id).shape {
            Shape::Scalar { text, .. } => Some(text),
            Shape::Alias(target) => match &self.node(*target).shape {
                Shape::Scalar { text, .. } => Some(text),
                Shape::Alias(_) | Shape::Mapping(_) | Shape::Sequence(_) => None,
            },
            Shape::Mapping(_) | Shape::Sequence(_) => None,
        }
    }

    /// What a node is, in words.
    pub(crate) fn describe(&self, id: NodeId) -> &'static str {
        match &self.node(id).shape {
            Shape::Mapping(_) => "a mapping",
            Shape::Sequence(_) => "a list",
            Shape::Scalar { text, style: Style::Plain } if matches!(text.as_ref(), "" | "~" | "null") => {
                "null"
            }
            Shape::Scalar { .. } => "a single value",
            Shape::Alias(_) => "an alias",
        }
    }
}
