//! Clusters: reaching them, watching them, and what they allow.

mod eks;
mod labels;
mod reaching;
mod rights;
mod watching;
