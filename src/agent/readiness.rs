//! What stands in the way of a deployment, found before anything is written.

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The configuration and the cluster do not fit together.
    Wrong(String),
    /// It is not allowed now, by a decision of somebody: suspended, not synced automatically.
    Held(String),
    /// It could not be found out.
    Unreachable(String),
    /// It goes on, but people should know.
    Warning(String),
}

impl Finding {
    /// The words.
    pub fn text(&self) -> &str {
        match self {
            Finding::Wrong(text)
            | Finding::Held(text)
            | Finding::Unreachable(text)
            | Finding::Warning(text) => text,
        }
    }

    /// The same, said of an environment.
    #[must_use]
    pub fn within(self, environment: &str) -> Self {
        let said = |text: String| format!("the agent of environment `{environment}`: {text}");
        match self {
            Finding::Wrong(text) => Finding::Wrong(said(text)),
            Finding::Held(text) => Finding::Held(said(text)),
            Finding::Unreachable(text) => Finding::Unreachable(said(text)),
            Finding::Warning(text) => Finding::Warning(said(text)),
        }
    }
}
