//! Every reason to refuse: where, why, and what to do about it.

use std::fmt;

/// A position in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a scalar was not read or an edit not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the words of the message above them")]
pub enum ValuesError {
    /// The file is no text.
    #[error("{at}: the file is binary (it has a NUL byte); pin a scalar in a text file")]
    Binary { at: Box<Place> },
    /// The file is not UTF-8.
    #[error("{at}: the file is not UTF-8 from here on; save it as UTF-8")]
    NotUtf8 { at: Box<Place> },
    /// A parser cannot read the file.
    #[error("{at}: not readable as {format}: {reason}; correct the file first")]
    Unreadable { at: Box<Place>, format: &'static str, reason: String },
    /// A tab where YAML wants spaces.
    #[error("{at}: a tab is used for indentation, which YAML forbids; use spaces")]
    Tab { at: Box<Place> },
    /// Nested too deep.
    #[error("{at}: nested deeper than {limit} levels; flatten the file")]
    TooDeep { at: Box<Place>, limit: usize },
    /// Aliases that would expand beyond all measure.
    #[error("{at}: the aliases of this file expand to more than {} MiB; write the values out", limit >> 20)]
    TooManyAliases { at: Box<Place>, limit: usize },
    /// An alias inside the value that it stands for.
    #[error("{at}: this alias stands inside the value that it refers to; write the value out")]
    EndlessAlias { at: Box<Place> },
    /// The same key twice in a mapping.
    #[error("{at}: the key `{key}` is there twice, first on line {first}; remove one of them")]
    DuplicateKey { at: Box<Place>, key: String, first: usize },
    /// The two parsers read the file in different ways.
    #[error("{at}: two YAML parsers read `{path}` differently ({reason}); write the value in a plainer way")]
    ParsersDisagree { at: Box<Place>, path: String, reason: String },

    /// The key is not there.
    #[error(
        "{at}: `{path}` is not there: {reached} has no key `{key}`{hint}; datapin adds no keys, so write it there first"
    )]
    MissingKey { at: Box<Place>, path: String, reached: String, key: String, hint: Hint },
    /// A key is asked of something without keys.
    #[error("{at}: `{path}` is not there: {reached} is {found}, so it has no key `{key}`; correct the path")]
    NotAMapping { at: Box<Place>, path: String, reached: String, found: &'static str, key: String },
    /// An item is asked of something without items.
    #[error("{at}: `{path}` is not there: {reached} is {found}, not a list; correct the path")]
    NotAList { at: Box<Place>, path: String, reached: String, found: &'static str },
    /// The list is shorter.
    #[error("{at}: `{path}` is not there: {reached} has {length} items, counted from 0; correct the index")]
    IndexOutOfRange { at: Box<Place>, path: String, reached: String, length: usize },
    /// No item of the list matches.
    #[error(
        "{at}: `{path}` is not there: no item of {reached} has `{wanted}`{hint}; datapin adds no items, so write it there first"
    )]
    NoItem { at: Box<Place>, path: String, reached: String, wanted: String, hint: Hint },
    /// Several items of the list match.
    #[error(
        "{at}: `{path}` is ambiguous: this item of {reached} has `{wanted}`, and so has the one on line {first}; select it by its index"
    )]
    AmbiguousItem { at: Box<Place>, path: String, reached: String, wanted: String, first: usize },
    /// The value would come from a merge key.
    #[error(
        "{at}: `{path}` comes from a merge key (`<<`) in {reached}; write the key `{key}` out there, or pin it where it is defined"
    )]
    MergeKey { at: Box<Place>, path: String, reached: String, key: String },
    /// The path goes through an alias.
    #[error(
        "{at}: `{path}` goes through an alias at {reached}; write the values out, or pin them where the anchor is"
    )]
    AliasInTheWay { at: Box<Place>, path: String, reached: String },
    /// The path goes through a tagged mapping or list.
    #[error("{at}: `{path}` goes through the tag `{tag}` at {reached}; remove the tag")]
    TagInTheWay { at: Box<Place>, path: String, reached: String, tag: String },
    /// The path goes through a mapping with a templated key, which may turn out to be the same key.
    #[error("{at}: `{path}` cannot be told apart from this key, which is a template; move one of them")]
    TemplateKey { at: Box<Place>, path: String },

    /// The file has no document at all.
    #[error(
        "{file}: `{path}` is not there: the file is empty; datapin adds no keys, so write it there first"
    )]
    Empty { file: String, path: String },
    /// None of several documents has the path.
    #[error("{at}: none of the {documents} documents of the file has `{path}`; nearest: {nearest}")]
    NoDocument { at: Box<Place>, path: String, documents: usize, nearest: String },
    /// Several documents have the path.
    #[error(
        "{at}: `{path}` is ambiguous: this document has it, and so has the one on line {first}; add `document = {{ kind = \"…\", name = \"…\" }}` to the pin"
    )]
    AmbiguousDocument { at: Box<Place>, path: String, first: usize },
    /// The selector matches no document.
    #[error("{file}: no document matches {selector} for `{path}`; the file has {available}")]
    NoSuchDocument { file: String, path: String, selector: String, available: String },
    /// The selector matches several documents.
    #[error(
        "{at}: {selector} matches this document and the one on line {first}; name both `kind` and `name`, or make them unique"
    )]
    AmbiguousSelector { at: Box<Place>, selector: String, first: usize },

    /// The path leads to a mapping or a list.
    #[error("{at}: `{path}` is {found}; a pin must be a single value")]
    NotAScalar { at: Box<Place>, path: String, found: &'static str },
    /// A block scalar or a multi-line string.
    #[error("{at}: `{path}` is {found}; write it as a plain or quoted value on one line")]
    BlockScalar { at: Box<Place>, path: String, found: &'static str },
    /// The scalar has a tag other than `!!str`.
    #[error("{at}: `{path}` has the tag `{tag}`; remove the tag")]
    Tagged { at: Box<Place>, path: String, tag: String },
    /// A value left out where it cannot be inserted.
    #[error("{at}: `{path}` has no value, and none can be inserted here; write `\"\"` there first")]
    NoRoom { at: Box<Place>, path: String },
    /// The pin is an alias whose anchor is not pinned too.
    #[error(
        "{at}: `{path}` is an alias of the value on line {anchor}; pin that one to the same value too, or write the value out here"
    )]
    Alias { at: Box<Place>, path: String, anchor: usize },
    /// The pin is anchored, and an alias of it is not pinned too.
    #[error(
        "{at}: `{path}` is anchored, and the alias on line {alias} would change with it; pin that one to the same value too, or write its value out"
    )]
    Anchored { at: Box<Place>, path: String, alias: usize },
    /// The pin is inside an anchored mapping or list that has aliases.
    #[error(
        "{at}: `{path}` is inside the anchored value on line {anchor}, and the alias on line {alias} would change with it; write the values out there"
    )]
    AnchoredParent { at: Box<Place>, path: String, anchor: usize, alias: usize },

    /// The pin has a template in it.
    #[error(
        "{at}: `{path}` has a template in its value, or one that may join text to it; write the value out, or pin the value that the template reads"
    )]
    TemplateInPin { at: Box<Place>, path: String },
    /// A template that is not inside a scalar or comment.
    #[error(
        "{at}: the template `{template}` {reason}; a pin needs a file that is YAML with its templates inside values and comments: move the pin to one"
    )]
    BlockTemplate { at: Box<Place>, template: String, reason: &'static str },
    /// A template that is not closed.
    #[error("{at}: this template is not closed; add `}}}}`")]
    UnclosedTemplate { at: Box<Place> },
    /// The new value would become a template.
    #[error(
        "{at}: the new value of `{path}` has `{{{{` or `}}}}` in it, which would be read as a template; choose a value without"
    )]
    TemplateInValue { at: Box<Place>, path: String },

    /// The new value has characters that no values file should carry.
    #[error("{at}: the new value of `{path}` has the control character U+{code:04X}; choose a value without")]
    ControlCharacter { at: Box<Place>, path: String, code: u32 },
    /// The new value is not of the type that is there.
    #[error("{at}: `{path}` is {kind} (`{current}`), and `{}` is not; give {kind}", shown(value))]
    NotOfType { at: Box<Place>, path: String, kind: super::Kind, current: String, value: String },
    /// Nothing says of which type the value is.
    #[error(
        "{at}: `{path}` is null, so nothing says what type `{value}` should be; write a first value there, `\"\"` for text"
    )]
    NoType { at: Box<Place>, path: String, value: String },
    /// YAML 1.1 and 1.2 read the current value as different types.
    #[error(
        "{at}: `{path}` is `{current}`, which is text in YAML 1.2 and something else in YAML 1.1 (as Helm reads it); quote it, or write it as true, false or a plain number"
    )]
    UnclearType { at: Box<Place>, path: String, current: String },
    /// The bytes to restore are not one scalar.
    #[error(
        "{at}: `{source_text}` cannot be restored at `{path}`: it is not exactly one value; restore it by hand"
    )]
    NotASource { at: Box<Place>, path: String, source_text: String },
    /// Two edits of one scalar.
    #[error("{at}: `{path}` and `{other}` are the same value; change it once")]
    SameTwice { at: Box<Place>, path: String, other: String },
    /// The second parser does not see exactly what was asked for.
    #[error(
        "{file}: the edit could not be proven: {reason}; nothing was changed: change the file by hand and report this file"
    )]
    ProofFailed { file: String, reason: String },
}

/// A near miss, or what is there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// A word so near that it is probably meant.
    Near(String),
    /// Everything there is, when it is little.
    Has(Vec<String>),
    /// Nothing helpful.
    None,
}

impl Hint {
    /// The word of `words` nearest to `wanted`, else all of them if they are few.
    pub(crate) fn new<'a>(wanted: &str, words: impl Iterator<Item = &'a str>) -> Self {
        let words: Vec<&str> = words.take(10_000).collect();
        let near = words
            .iter()
            .map(|word| (strsim::jaro_winkler(wanted, word), *word))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(score, _)| *score > 0.8);
        match near {
            Some((_, word)) => Self::Near(word.to_owned()),
            None if (1..=8).contains(&words.len()) => {
                Self::Has(words.into_iter().map(str::to_owned).collect())
            }
            None => Self::None,
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Near(word) => write!(f, " (did you mean `{word}`?)"),
            Self::Has(words) => write!(f, " (it has `{}`)", words.join("`, `")),
            Self::None => Ok(()),
        }
    }
}

/// A value in a message: on one line, and not endless.
fn shown(value: &str) -> String {
    let mut characters = value.chars();
    let mut shown: String = characters.by_ref().take(60).flat_map(escape_control).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

fn escape_control(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = (!character.is_control()).then_some(character);
    escaped.into_iter().flatten().chain(plain)
}
