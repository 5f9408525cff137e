//! Clusters: reaching them, watching them, and what they allow.

mod eks;
mod labels;
mod live;
mod reaching;
mod rights;
mod watching;
