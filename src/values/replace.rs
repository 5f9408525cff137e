//! Which bytes become which, and what the result must say.

use std::collections::HashMap;
use std::ops::Range;

use serde_yaml::Value;

use super::error::ValuesError;
use super::proof;
use super::quoting;
use super::resolve::{Found, Step};
use super::source::{Format, Source};
use super::tree::{NodeId, Shape, Style, Tag, Tree};
use super::{Change, Edit, Kind, Scalar, Target, template, toml, yaml};

/// Everything that an edit does.
pub(crate) struct Plan<'f> {
    /// By position, not overlapping.
    splices: Vec<Splice>,
    /// What each pinned value must be afterwards, aliases included.
    pub(crate) expected: Vec<Expected<'f>>,
}

/// Bytes that become others.
struct Splice {
    range: Range<usize>,
    new: String,
}

/// What a value must be after the edit.
pub(crate) struct Expected<'f> {
    pub(crate) found: &'f Found,
    pub(crate) value: Value,
}

impl Plan<'_> {
    /// The text, as it is or masked, with the new bytes in it.
    pub(crate) fn splice(&self, text: &str) -> String {
        let mut result = String::with_capacity(text.len() + 16 * self.splices.len());
        let mut done = 0;
        for splice in &self.splices {
            result.push_str(text.get(done..splice.range.start).unwrap_or(""));
            result.push_str(&splice.new);
            done = splice.range.end;
        }
        result.push_str(text.get(done..).unwrap_or(""));
        result
    }

    /// Whether `after` is `before` with nothing but the planned bytes replaced.
    pub(crate) fn only_touches_its_own(&self, before: &str, after: &str) -> bool {
        let (mut old, mut new) = (before.as_bytes(), after.as_bytes());
        let mut done = 0;
        for splice in &self.splices {
            let Some(gap) = splice.range.start.checked_sub(done) else { return false };
            let (Some((kept, rest)), Some((same, others))) =
                (old.split_at_checked(gap), new.split_at_checked(gap))
            else {
                return false;
            };
            let (Some(rest), Some(others)) =
                (rest.get(splice.range.len()..), others.strip_prefix(splice.new.as_bytes()))
            else {
                return false;
            };
            if kept != same {
                return false;
            }
            (old, new, done) = (rest, others, splice.range.end);
        }
        old == new
    }
}

/// Plans all edits of one file.
pub(crate) fn plan<'f>(
    source: &Source<'_>,
    tree: &Tree<'_>,
    before: &[Value],
    edits: &[Edit],
    found: &'f [Found],
) -> Result<Plan<'f>, ValuesError> {
    let by_node = check_distinct(source, tree, edits, found)?;
    let mut plan = Plan { splices: Vec::new(), expected: Vec::new() };
    for (edit, found) in edits.iter().zip(found) {
        check_plain_scalar(source, tree, &edit.target, found)?;
        check_sharing(source, tree, &by_node, edit, found)?;
        let one = One { source, tree, target: &edit.target, found };
        let current = proof::read_scalar(source, tree, before, &edit.target, found)?;
        let (new, value) = one.written(&edit.change, &current)?;
        plan.expected.push(Expected { found, value });
        if !matches!(tree.node(found.node).shape, Shape::Alias(_)) {
            plan.splices.push(one.splice(new)?);
        }
    }
    plan.splices.sort_by_key(|splice| splice.range.start);
    Ok(plan)
}

fn check_distinct<'e>(
    source: &Source<'_>,
    tree: &Tree<'_>,
    edits: &'e [Edit],
    found: &[Found],
) -> Result<HashMap<NodeId, &'e Edit>, ValuesError> {
    let mut by_node: HashMap<NodeId, &Edit> = HashMap::new();
    for (edit, found) in edits.iter().zip(found) {
        if let Some(first) = by_node.insert(found.node, edit) {
            return Err(ValuesError::SameTwice {
                at: source.place(tree.node(found.node).span.start),
                path: edit.target.path.to_string(),
                other: first.target.path.to_string(),
            });
        }
    }
    Ok(by_node)
}

/// Refuses whatever is not one plain or quoted scalar without templates in it.
pub(crate) fn check_plain_scalar(
    source: &Source<'_>,
    tree: &Tree<'_>,
    target: &Target,
    found: &Found,
) -> Result<(), ValuesError> {
    let node = tree.node(found.node);
    let (at, path) = (source.place(node.span.start), target.path.to_string());
    let (style, node) = match &node.shape {
        Shape::Scalar { style, .. } => (*style, node),
        Shape::Alias(anchor) => match &tree.node(*anchor).shape {
            Shape::Scalar { style, .. } => (*style, tree.node(*anchor)),
            Shape::Mapping(_) | Shape::Sequence(_) | Shape::Alias(_) => {
                return Err(ValuesError::NotAScalar { at, path, found: "an alias of a mapping or list" });
            }
        },
        Shape::Mapping(_) => return Err(ValuesError::NotAScalar { at, path, found: "a mapping" }),
        Shape::Sequence(_) => return Err(ValuesError::NotAScalar { at, path, found: "a list" }),
    };
    match style {
        Style::Block => return Err(ValuesError::BlockScalar { at, path, found: "a block scalar" }),
        Style::Multiline => return Err(ValuesError::BlockScalar { at, path, found: "a multi-line string" }),
        Style::Plain | Style::Single | Style::Double => {}
    }
    if let Tag::Other(tag) = &node.tag {
        return Err(ValuesError::Tagged { at, path, tag: tag.clone() });
    }
    // What closes no template could not be written back: a value with `}}` is refused in a template file.
    let text = source.text().get(node.span.clone()).unwrap_or_default();
    let closes = source.format() == Format::Template && text.contains("}}");
    // A value left out stands where it would be written: the parser puts it behind what follows its colon.
    let left_out = node.span.is_empty().then(|| after_colon(source, tree, found)).flatten();
    let place = left_out.map_or_else(|| node.span.clone(), |at| at..at);
    if closes || template::touches(source, &place) {
        return Err(ValuesError::TemplateInPin { at, path });
    }
    Ok(())
}

/// Where a value that was left out is written: right after the colon of its key, if it has one.
fn after_colon(source: &Source<'_>, tree: &Tree<'_>, found: &Found) -> Option<usize> {
    let Some(Step::Key(key)) = found.steps.last() else { return None };
    let end = tree.node(*key).span.end;
    let rest = source.masked().get(end..)?;
    let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    rest.get(gap..)?.starts_with(':').then_some(end + gap + 1)
}

/// Refuses an edit that would change more than the paths it names, through anchors and aliases.
fn check_sharing(
    source: &Source<'_>,
    tree: &Tree<'_>,
    by_node: &HashMap<NodeId, &Edit>,
    edit: &Edit,
    found: &Found,
) -> Result<(), ValuesError> {
    let line = |node: NodeId| source.line(tree.node(node).span.start);
    let (at, path) = (source.place(tree.node(found.node).span.start), edit.target.path.to_string());
    let same = |node: &NodeId| by_node.get(node).is_some_and(|other| other.change == edit.change);
    if let Some(shared) = found.shared {
        let alias =
            tree.aliases.get(&shared).and_then(|aliases| aliases.first()).map_or(0, |alias| line(*alias));
        return Err(ValuesError::AnchoredParent { at, path, anchor: line(shared), alias });
    }
    if let Shape::Alias(anchor) = &tree.node(found.node).shape
        && !same(anchor)
    {
        return Err(ValuesError::Alias { at, path, anchor: line(*anchor) });
    }
    let aliases = tree.aliases.get(&found.node).map_or(&[][..], Vec::as_slice);
    match aliases.iter().find(|alias| !same(alias)) {
        Some(alias) => Err(ValuesError::Anchored { at, path, alias: line(*alias) }),
        None => Ok(()),
    }
}

/// One edit of one scalar.
struct One<'e> {
    source: &'e Source<'e>,
    tree: &'e Tree<'e>,
    target: &'e Target,
    found: &'e Found,
}

impl One<'_> {
    fn at(&self) -> (Box<super::Place>, String) {
        let place = self.source.place(self.tree.node(self.found.node).span.start);
        (place, self.target.path.to_string())
    }

    /// The node whose bytes are meant: the anchored one for an alias.
    fn scalar(&self) -> NodeId {
        match self.tree.node(self.found.node).shape {
            Shape::Alias(anchor) => anchor,
            Shape::Scalar { .. } | Shape::Mapping(_) | Shape::Sequence(_) => self.found.node,
        }
    }

    /// The new bytes and the value that they must have.
    fn written(&self, change: &Change, current: &Scalar) -> Result<(String, Value), ValuesError> {
        match change {
            Change::Text(text) => self.text(text, current),
            Change::Keep(text) => self.keep(text, current),
            Change::Source(written) => self.restored(written),
        }
    }

    fn text(&self, text: &str, current: &Scalar) -> Result<(String, Value), ValuesError> {
        let (at, path) = self.at();
        if let Some(control) = quoting::control_character(text) {
            return Err(ValuesError::ControlCharacter { at, path, code: u32::from(control) });
        }
        self.check_no_template(text)?;
        let toml = self.source.format() == Format::Toml;
        let style = match (&self.tree.node(self.scalar()).shape, current.kind) {
            (Shape::Scalar { style, .. }, Kind::Text) => *style,
            (Shape::Scalar { .. }, Kind::Null) if !toml => Style::Plain,
            // A value that was no text becomes text for every reader only in quotes.
            (Shape::Scalar { .. } | Shape::Alias(_) | Shape::Mapping(_) | Shape::Sequence(_), _) => {
                Style::Double
            }
        };
        let single_quote = if toml { None } else { Some("''") };
        Ok((quoting::quote(text, style, single_quote), Value::String(text.to_owned())))
    }

    fn check_no_template(&self, text: &str) -> Result<(), ValuesError> {
        let (at, path) = self.at();
        let template = text.contains("{{") || text.contains("}}");
        match self.source.format() {
            Format::Template if template => Err(ValuesError::TemplateInValue { at, path }),
            Format::Template | Format::Yaml | Format::Toml => Ok(()),
        }
    }

    fn keep(&self, text: &str, current: &Scalar) -> Result<(String, Value), ValuesError> {
        let (at, path) = self.at();
        let plain = matches!(self.tree.node(self.scalar()).shape, Shape::Scalar { style: Style::Plain, .. });
        let toml = self.source.format() == Format::Toml;
        match current.kind {
            Kind::Text
                if plain
                    && !toml
                    && self.tree.node(self.scalar()).tag == Tag::None
                    && quoting::is_typed_in_yaml_1_1(&current.text) =>
            {
                Err(ValuesError::UnclearType { at, path, current: current.source.clone() })
            }
            Kind::Text => self.text(text, current),
            Kind::Null => Err(ValuesError::NoType { at, path, value: text.to_owned() }),
            Kind::Integer | Kind::Float | Kind::Boolean | Kind::Datetime => {
                let value = self.alone(text).filter(|value| is_of(value, current.kind, text, toml));
                value.map(|value| (text.to_owned(), value)).ok_or_else(|| ValuesError::NotOfType {
                    at,
                    path,
                    kind: current.kind,
                    current: current.source.clone(),
                    value: text.to_owned(),
                })
            }
        }
    }

    fn restored(&self, written: &str) -> Result<(String, Value), ValuesError> {
        let (at, path) = self.at();
        self.check_no_template(written)?;
        let value = match self.tree.node(self.scalar()).tag {
            Tag::Text => yaml::scalar(written).map(Value::String),
            Tag::None | Tag::Other(_) => self.alone(written),
        };
        let value =
            value.ok_or_else(|| ValuesError::NotASource { at, path, source_text: written.to_owned() })?;
        Ok((written.to_owned(), value))
    }

    /// The value that exactly this text has as a scalar of its own.
    fn alone(&self, written: &str) -> Option<Value> {
        match self.source.format() {
            Format::Toml => toml::scalar(written),
            Format::Yaml | Format::Template => {
                yaml::scalar(written)?;
                serde_yaml::from_str(&yaml::on_a_line(written)).ok()
            }
        }
    }

    fn splice(&self, new: String) -> Result<Splice, ValuesError> {
        let range = self.tree.node(self.found.node).span.clone();
        match (range.is_empty(), new.is_empty()) {
            (true, false) => self.insert(&new),
            (false, true) => Ok(Splice { range: self.with_space_before(range), new }),
            (true, true) | (false, false) => Ok(Splice { range, new }),
        }
    }

    /// A value left out is written right after its colon, with one space.
    fn insert(&self, new: &str) -> Result<Splice, ValuesError> {
        let (at, path) = self.at();
        let no_room = ValuesError::NoRoom { at, path };
        let Some(at) = after_colon(self.source, self.tree, self.found) else { return Err(no_room) };
        let rest = self.source.masked().get(at..).unwrap_or("").trim_start_matches([' ', '\t']);
        // An anchor or tag may stand between the colon and the value that is not there.
        if self.tree.node(self.found.node).tag != Tag::None || rest.starts_with(['&', '!']) {
            return Err(no_room);
        }
        Ok(Splice { range: at..at, new: format!(" {new}") })
    }

    /// What [`Self::insert`] wrote, space included, to restore a value that was left out.
    fn with_space_before(&self, range: Range<usize>) -> Range<usize> {
        let before = self.source.text().get(..range.start).unwrap_or("");
        if before.ends_with(": ") { range.start - 1..range.end } else { range }
    }
}

/// Whether a new plain value is of the type that is there, for every reader.
fn is_of(value: &Value, kind: Kind, text: &str, toml: bool) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let decimal =
        digits.starts_with(|c: char| c.is_ascii_digit()) && (digits.len() == 1 || !is_octal(digits));
    match (kind, value) {
        (Kind::Integer, Value::Number(number)) => {
            (number.is_i64() || number.is_u64()) && decimal && digits.chars().all(|c| c.is_ascii_digit())
        }
        (Kind::Float, Value::Number(number)) => {
            // YAML 1.1 reads an exponent as a number only after a dot and with its sign.
            let exponent = !digits.contains(['e', 'E']) || digits.contains("e+") || digits.contains("e-");
            let same = !toml || number.is_f64();
            let finite = number.as_f64().is_some_and(f64::is_finite);
            let dotted = digits.contains('.') || !digits.contains(['e', 'E']);
            let plain = digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-'));
            exponent && same && finite && decimal && dotted && plain
        }
        (Kind::Boolean, Value::Bool(_)) => matches!(text, "true" | "false"),
        (Kind::Datetime, Value::Tagged(tagged)) => tagged.tag == toml::DATETIME,
        (Kind::Integer | Kind::Float | Kind::Boolean | Kind::Datetime | Kind::Text | Kind::Null, _) => false,
    }
}

fn is_octal(digits: &str) -> bool {
    digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
}
