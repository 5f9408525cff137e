//! Go templates in a `.gotmpl`: masked at the same length, so that the rest can be read as YAML.

use std::ops::Range;

use super::error::ValuesError;
use super::source::Source;
use super::tree::{Shape, Tree};

/// One `{{ … }}`.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) range: Range<usize>,
    action: Action,
    trims_left: bool,
    trims_right: bool,
}

/// What a template does to the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// A comment or an assignment: writes nothing.
    Silent,
    Output,
    Open,
    Middle,
    Close,
}

const CONTROLS: &str = "spans more than its line (`if`, `range`, `with`, `define`, `block`, `else`, `end`)";
const OUTSIDE: &str = "stands outside of values and comments";

/// Returns the text with every template masked, and where the templates are.
///
/// Silent templates become spaces, others a word that no other template gets, so that two templated
/// keys are not taken for the same.
pub(crate) fn mask(source: &Source<'_>) -> Result<(String, Vec<Region>), ValuesError> {
    let regions = scan(source)?;
    check_balance(source, &regions)?;
    let text = source.text();
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for (number, region) in regions.iter().enumerate() {
        masked.push_str(text.get(done..region.range.start).unwrap_or(""));
        match region.action {
            Action::Silent => masked.extend(source.slice(&region.range).bytes().map(blank)),
            Action::Output | Action::Open | Action::Middle | Action::Close => {
                masked.extend(word(number).take(region.range.len()));
            }
        }
        done = region.range.end;
    }
    masked.push_str(text.get(done..).unwrap_or(""));
    Ok((masked, regions))
}

fn blank(byte: u8) -> char {
    if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' }
}

fn word(number: usize) -> impl Iterator<Item = char> {
    let digits = std::iter::successors(Some(number), |rest| Some(rest / 26));
    std::iter::once('q').chain(digits.map(|rest| char::from(b'a' + (rest % 26) as u8)))
}

fn scan(source: &Source<'_>) -> Result<Vec<Region>, ValuesError> {
    let text = source.text();
    let mut regions = Vec::new();
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|rest| rest.find("{{")).map(|at| from + at) {
        let Some(end) = close(text, start) else {
            return Err(ValuesError::UnclosedTemplate { at: source.place(start) });
        };
        regions.push(region(text.get(start..end).unwrap_or(""), start));
        from = end;
    }
    Ok(regions)
}

/// Where the template that opens at `start` ends, after its `}}`; strings and comments may contain `}}`.
fn close(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = start + 2;
    let inner = text.get(at..)?;
    let trimmed = inner.strip_prefix('-').unwrap_or(inner).trim_start();
    if trimmed.starts_with("/*") {
        at = text.len() - trimmed.len();
        at += text.get(at..)?.find("*/")? + 2;
    }
    while at < bytes.len() {
        match bytes[at] {
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at + 2),
            quote @ (b'"' | b'\'' | b'`') => at = string_end(bytes, at, quote)?,
            _ => at += 1,
        }
    }
    None
}

fn string_end(bytes: &[u8], open: usize, quote: u8) -> Option<usize> {
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote != b'`' => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

fn region(template: &str, start: usize) -> Region {
    let inner = template.get(2..template.len() - 2).unwrap_or("");
    let trims_left = inner.starts_with("- ") || inner.starts_with("-\n") || inner.starts_with("-\t");
    let trims_right = inner.ends_with(" -") || inner.ends_with("\n-") || inner.ends_with("\t-");
    let inner = if trims_left { inner.get(1..).unwrap_or("") } else { inner }.trim_start();
    let action = action(inner);
    Region { range: start..start + template.len(), action, trims_left, trims_right }
}

fn action(inner: &str) -> Action {
    let first: &str = inner.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or("");
    match first {
        "if" | "range" | "with" | "define" | "block" => Action::Open,
        "else" | "break" | "continue" => Action::Middle,
        "end" | "end-" => Action::Close,
        _ if inner.starts_with("/*") => Action::Silent,
        variable if variable.starts_with('$') => {
            let rest = inner.get(variable.len()..).unwrap_or("").trim_start();
            let assigns = rest.starts_with(":=") || (rest.starts_with('=') && !rest.starts_with("=="));
            if assigns || variable.contains(":=") { Action::Silent } else { Action::Output }
        }
        _ => Action::Output,
    }
}

/// Every block must be opened and closed on one line: otherwise lines come and go.
fn check_balance(source: &Source<'_>, regions: &[Region]) -> Result<(), ValuesError> {
    let mut open: Vec<&Region> = Vec::new();
    for region in regions {
        let bad = match region.action {
            Action::Silent | Action::Output => None,
            Action::Open => {
                open.push(region);
                None
            }
            Action::Middle => open.last().is_none().then_some(region),
            Action::Close => match open.pop() {
                Some(start) if same_line(source, start, region) => None,
                Some(start) => Some(start),
                None => Some(region),
            },
        };
        if let Some(region) = bad {
            return Err(block_error(source, region, CONTROLS));
        }
    }
    match open.first() {
        Some(region) => Err(block_error(source, region, CONTROLS)),
        None => Ok(()),
    }
}

fn same_line(source: &Source<'_>, start: &Region, end: &Region) -> bool {
    source.line(start.range.start) == source.line(end.range.end)
}

fn block_error(source: &Source<'_>, region: &Region, reason: &'static str) -> ValuesError {
    let template = source.slice(&region.range).lines().next().unwrap_or("").to_owned();
    ValuesError::BlockTemplate { at: source.place(region.range.start), template, reason }
}

/// Refuses a template that is neither inside a scalar nor inside a comment.
pub(crate) fn check_inside(source: &Source<'_>, tree: &Tree<'_>) -> Result<(), ValuesError> {
    if source.templates().is_empty() {
        return Ok(());
    }
    let scalars = tree.nodes.iter().filter(|node| matches!(node.shape, Shape::Scalar { .. }));
    let mut spans: Vec<&Range<usize>> = scalars.map(|node| &node.span).collect();
    spans.sort_by_key(|span| span.start);
    for region in source.templates().iter().filter(|region| region.action != Action::Silent) {
        let before = spans.partition_point(|span| span.start <= region.range.start);
        let scalar = before.checked_sub(1).and_then(|at| spans.get(at));
        let inside = scalar.is_some_and(|span| span.end >= region.range.end);
        if !inside && !in_comment(source, region) {
            return Err(block_error(source, region, OUTSIDE));
        }
    }
    Ok(())
}

/// The refusal of a template that writes something on a line that is not readable as YAML.
pub(crate) fn on_line(source: &Source<'_>, line: usize) -> Option<ValuesError> {
    let regions = source.templates();
    let first = regions.partition_point(|region| source.line(region.range.start) < line);
    let region = regions.get(first).filter(|region| source.line(region.range.start) == line)?;
    (region.action != Action::Silent).then(|| block_error(source, region, OUTSIDE))
}

fn in_comment(source: &Source<'_>, region: &Region) -> bool {
    let masked = source.masked().get(..region.range.start).unwrap_or("");
    masked.rsplit('\n').next().is_some_and(|line| line.contains('#'))
}

/// Whether a template is in the range, or joins text to it by trimming what is between.
pub(crate) fn touches(source: &Source<'_>, range: &Range<usize>) -> bool {
    let first = source.templates().partition_point(|region| region.range.end <= range.start);
    let Some((before, regions)) = source.templates().split_at_checked(first) else { return false };
    if regions.first().is_some_and(|region| region.range.start < range.end) {
        return true;
    }
    if joined_before(source, range.start, before) || joined_after(source, range.end, regions) {
        return true;
    }
    let rest = source.masked().get(range.end..).unwrap_or("");
    let gap = range.end + rest.len() - rest.trim_start().len();
    let line_end = range.end + rest.find('\n').unwrap_or(rest.len());
    let near = || regions.iter().take_while(|region| region.range.start < gap);
    let reaches_back = near().any(|region| region.trims_left || region.range.start < line_end);
    reaches_back && near().any(|region| region.trims_right)
}

/// Whether what stands before `start`, such as a colon, is next to it once the templates between are gone.
fn joined_before(source: &Source<'_>, start: usize, regions: &[Region]) -> bool {
    let text = source.masked().get(..start).unwrap_or("").trim_end();
    let between = regions.partition_point(|region| region.range.start < text.len());
    let between = regions.get(between..).unwrap_or_default();
    text.ends_with(|last| !matches!(last, ',' | '[' | '{')) && nothing_left(text.len()..start, between)
}

/// Whether what follows `end`, such as a comment, is next to it once the templates between are gone.
fn joined_after(source: &Source<'_>, end: usize, regions: &[Region]) -> bool {
    let rest = source.masked().get(end..).unwrap_or("");
    let next = rest.trim_start();
    let gap = end..end + rest.len() - next.len();
    let between = regions.partition_point(|region| region.range.end <= gap.end);
    let between = regions.get(..between).unwrap_or_default();
    next.starts_with(|first| !matches!(first, ',' | ']' | '}')) && nothing_left(gap, between)
}

/// Whether a gap of white space and silent templates, of which there is one, becomes no white space at all.
fn nothing_left(gap: Range<usize>, regions: &[Region]) -> bool {
    let (mut from, mut trims, mut left) = (gap.start, false, false);
    for region in regions {
        left |= from < region.range.start && !trims && !region.trims_left;
        (from, trims) = (region.range.end, region.trims_right);
    }
    left |= from < gap.end && !trims;
    !regions.is_empty() && !left
}

/// Whether any template that writes something is in the range.
pub(crate) fn writes_in(source: &Source<'_>, range: &Range<usize>) -> bool {
    let regions = source.templates();
    let first = regions.partition_point(|region| region.range.end <= range.start);
    regions.get(first..).is_some_and(|regions| {
        regions
            .iter()
            .take_while(|region| region.range.start < range.end)
            .any(|region| region.action != Action::Silent)
    })
}
