//! Quality gates.
