//! The queue branch: queue, lock, journal and audit log in one.
//!
//! The rules are pure functions in [`rules`] and [`line`]: they know neither git nor a clock.
//! [`store`] applies them to the branch, one commit each.

pub mod adopted;
pub mod environment;
pub mod history;
pub mod intent;
pub mod line;
pub mod outside;
pub mod policy;
pub mod record;
pub mod refusal;
pub mod reports;
pub mod rules;
pub mod sign;
pub mod store;
pub mod ticket;
pub mod tree;
pub mod word;

pub use adopted::*;
pub use environment::*;
pub use history::*;
pub use intent::*;
pub use line::*;
pub use outside::*;
pub use policy::*;
pub use record::*;
pub use refusal::*;
pub use reports::*;
pub use rules::*;
pub use sign::*;
pub use store::*;
pub use ticket::*;
pub use tree::TreeError;
pub use word::*;
