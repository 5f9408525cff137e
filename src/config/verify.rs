//! How a commit is proven beyond its values.

/// How a commit is proven before it is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Verify {
    /// By the two parsers of the values alone.
    #[default]
    ValuesOnly,
    /// By what Helmfile renders before and after.
    Helmfile {
        /// State file or folder in the repository; `None` means what helmfile takes by itself.
        file: Option<String>,
        /// Names of environment variables that it gets beside `PATH`, `HOME`, `LANG` and `XDG_*`.
        pass: Vec<String>,
    },
}
