//! Clusters: reaching them, watching them, and what they allow.

mod labels;
mod reaching;
mod rights;
mod watching;
