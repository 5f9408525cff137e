//! Events of a run.
