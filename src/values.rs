//! Pins in values files.
