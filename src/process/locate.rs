//! Finding a program, so that "not found" can say where it was looked for.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::ProcessError;

/// Whether a program can be found in the environment that it will get.
///
/// # Errors
/// There is no such program, or it is no executable file.
pub fn findable(program: &str, env: &[(String, String)]) -> Result<(), ProcessError> {
    locate(program, env, None).map(|_| ())
}

/// The file of a program: its path if its name has a slash, else the first executable one in the `PATH` of
/// the environment that it will get.
pub(super) fn locate(
    program: &str,
    env: &[(String, String)],
    cwd: Option<&Path>,
) -> Result<PathBuf, ProcessError> {
    let within = |path: &str| cwd.map_or_else(|| PathBuf::from(path), |cwd| cwd.join(path));
    if program.contains('/') {
        let path = within(program);
        return match kind(&path) {
            Found::Executable => Ok(path),
            Found::Other => Err(ProcessError::NotExecutable { program: program.to_owned(), path }),
            Found::Nothing => Err(not_found(program, folder_of(&path))),
        };
    }
    let Some((_, search)) = env.iter().find(|(name, _)| name == "PATH") else {
        return Err(not_found(program, "PATH, which is not set".to_owned()));
    };
    let mut other = None;
    for directory in search.split(':') {
        let path = within(if directory.is_empty() { "." } else { directory }).join(program);
        match kind(&path) {
            Found::Executable => return Ok(path),
            Found::Other => other = other.or(Some(path)),
            Found::Nothing => {}
        }
    }
    Err(match other {
        Some(path) => ProcessError::NotExecutable { program: program.to_owned(), path },
        None => not_found(program, format!("PATH ({search})")),
    })
}

fn folder_of(path: &Path) -> String {
    path.parent().unwrap_or(path).display().to_string()
}

fn not_found(program: &str, searched: String) -> ProcessError {
    ProcessError::NotFound { program: program.to_owned(), searched }
}

enum Found {
    Executable,
    Other,
    Nothing,
}

fn kind(path: &Path) -> Found {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() && access(path, Access::EXEC_OK).is_ok() => Found::Executable,
        Ok(_) => Found::Other,
        Err(_) => Found::Nothing,
    }
}
