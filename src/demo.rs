//! The embedded demonstration.
