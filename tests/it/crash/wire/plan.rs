//! What falls on a process, and where.

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A push to the queue branch.
    Queue,
    /// A push to a target branch.
    Target,
    /// Anything that only reads from git.
    Read,
    /// A message to the chat.
    Chat,
    /// A question to the agent.
    Agent,
    /// A gate.
    Gate,
    /// A write of a parameter.
    Parameter,
    /// A copy of an object.
    Copy,
    /// Anything that only reads from AWS.
    Look,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Queue => "queue push",
            Kind::Target => "target push",
            Kind::Read => "read",
            Kind::Chat => "chat post",
            Kind::Agent => "agent call",
            Kind::Gate => "gate",
            Kind::Parameter => "parameter write",
            Kind::Copy => "copy",
            Kind::Look => "look at AWS",
        }
    }
}

/// The n-th request of a kind, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Kind.
    pub kind: Kind,
    /// Which one.
    pub nth: usize,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.nth)
    }
}

/// When at a request the blow falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Before it is passed on.
    Before,
    /// After the answer came, before it is passed back.
    After,
    /// As `After`, and only once the bot gave another sign of life: so its record is not older than what it does.
    AfterBeat,
    /// Before it is passed on; and it is passed on when everything is over, as a slow network does.
    Late,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Side::Before => "before",
            Side::After => "after",
            Side::AfterBeat => "after, later",
            Side::Late => "late",
        })
    }
}

/// What happens to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL.
    Kill,
    /// SIGSTOP; the request waits until [`Wire::release`].
    Stop,
}

/// What falls where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Where.
    pub point: Point,
    /// When.
    pub side: Side,
    /// What.
    pub blow: Blow,
}
