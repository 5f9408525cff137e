//! The embedded demonstration.

use crate::cli::runs::CommandError;
use crate::cli::{Demo, DemoPart};
use crate::exit::Exit;

/// Runs a scenario.
pub async fn demo(_args: &Demo) -> Result<Exit, CommandError> {
    Err(CommandError::Missing("the demo is not built yet".to_owned()))
}

/// Runs a part of the demo.
pub async fn part(_part: &DemoPart) -> Result<Exit, CommandError> {
    Err(CommandError::Missing("the demo is not built yet".to_owned()))
}
