//! stub
/// stub
pub struct Found;
/// stub
pub struct Starter;
/// stub
pub fn starter() {}
