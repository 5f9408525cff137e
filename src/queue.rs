//! The queue branch.
