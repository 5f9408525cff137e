//! The keys of `datapin.toml`: one table that the reader and the JSON schema share.
//!
//! A key that is not here is unknown to both, so the two cannot disagree.

mod tables;

pub(super) use tables::{PIN_PLACEHOLDERS, PLACEHOLDERS, ROOT, SECRET, URL_PLACEHOLDERS};

/// What one key holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A string.
    Text(Form),
    /// A list of different strings, at least so many.
    Set(Form, usize),
    /// A string or a list of different strings.
    OneOrSet(Form),
    /// A program with its arguments.
    Argv,
    /// `true` or `false`.
    Flag,
    /// A whole number from 0 to this.
    Count(u32),
    /// A table.
    Table(&'static Keys),
    /// One table or an array of tables.
    OneOrTables(&'static Keys),
    /// An array of tables, at least one.
    Tables(&'static Keys),
    /// Tables by a name that the user chooses.
    Named(&'static Keys),
    /// Header values by header name.
    Headers,
    /// Strings by a name that the user chooses.
    Words,
    /// Strings by the name of a variable.
    Variables(Form),
}

/// What a string has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Anything but nothing.
    Any,
    /// A name that becomes a file name in the queue.
    Name,
    /// The name of something that is declared elsewhere.
    Reference,
    /// A git branch.
    Branch,
    /// URL or path of a git repository.
    Remote,
    /// `Name <mail>`.
    Person,
    /// A regular expression.
    Pattern,
    /// A time span above zero.
    Duration,
    /// Text in which some placeholders are filled in.
    Template(&'static [&'static str]),
    /// Text in which every brace is one of these placeholders.
    Filled(&'static [&'static str]),
    /// `kind/name` of a workload.
    Resource,
    /// A label selector.
    Selector,
    /// File of the repository.
    RepositoryFile,
    /// File of a pin.
    PinFile,
    /// Path of a pin.
    PinPath,
    /// `service:path`.
    Settable,
    /// Name of an environment variable.
    Variable,
    /// A web address.
    HttpUrl,
    /// A web address with placeholders.
    HttpTemplate,
    /// `s3://bucket/prefix/` with placeholders.
    BucketUrl,
    /// Name of an object below a prefix.
    ObjectName,
    /// Name of an environment of GitLab.
    Environment,
    /// A comparison with a number.
    Condition,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// Whether a key has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It has to.
    Required,
    /// It has a default, or says nothing where it is left out.
    Optional,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Its name in the file.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) shape: Shape,
    /// Whether it has to be there.
    pub(super) need: Need,
    /// One line for people.
    pub(super) doc: &'static str,
}

impl Key {
    const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, need: Need::Required, doc }
    }

    const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, need: Need::Optional, doc }
    }
}

/// One way to fill a table: the keys that it needs and those that may go with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// Keys that have to be there; the first one chooses this way.
    pub(super) needs: &'static [&'static str],
    /// Keys that may be there too.
    pub(super) allows: &'static [&'static str],
}

/// Which ways exclude each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Choice {
    /// No keys exclude each other.
    Free,
    /// Exactly one of these.
    One(&'static [Way]),
    /// None or one of these.
    AtMostOne(&'static [Way]),
}

impl Choice {
    /// The ways, empty where all is free.
    pub(super) fn ways(self) -> &'static [Way] {
        match self {
            Choice::Free => &[],
            Choice::One(ways) | Choice::AtMostOne(ways) => ways,
        }
    }
}

/// A kind: the keys that go with one value of `kind`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Value of `kind`.
    pub(super) name: &'static str,
    /// Keys beside the common ones.
    pub(super) keys: &'static [Key],
    /// One line for people.
    pub(super) doc: &'static str,
}

/// The keys of one table.
#[derive(Debug)]
pub(super) struct Keys {
    /// Keys of every such table.
    pub(super) keys: &'static [Key],
    /// Kinds; where there are any, `kind` is required.
    pub(super) kinds: &'static [Kind],
    /// Keys of the design that this build does not have.
    pub(super) later: &'static [&'static str],
    /// Keys that exclude each other.
    pub(super) choice: Choice,
}

impl Keys {
    const fn of(keys: &'static [Key]) -> Self {
        Self { keys, kinds: &[], later: &[], choice: Choice::Free }
    }

    const fn choice(mut self, choice: Choice) -> Self {
        self.choice = choice;
        self
    }

    const fn kinds(mut self, kinds: &'static [Kind]) -> Self {
        self.kinds = kinds;
        self
    }

    /// The kind of that name.
    pub(super) fn kind(&self, name: &str) -> Option<&'static Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }
}
