//! What people decide about environments: freezes, rejected versions. Pure, like [`super::rules`].

use super::*;

impl Queue {
    /// A person freezes an environment.
    pub fn freeze(&mut self, identity: &Identity, freeze: Freeze) -> Result<(), Refusal> {
        self.same_identity(identity)?;
        let file = self
            .environments
            .entry(identity.name.clone())
            .or_insert_with(|| EnvironmentFile::new(identity.clone()));
        if let Some(old) = &file.freeze {
            return Err(Refusal::AlreadyFrozen {
                name: identity.name.clone(),
                owner: old.owner.clone(),
                reason: old.reason.clone(),
            });
        }
        file.freeze = Some(freeze);
        Ok(())
    }

    /// A person lifts a freeze. One that carries open work yields only to `force`.
    pub fn thaw(&mut self, name: &str, force: Force) -> Result<Freeze, Refusal> {
        let file = self.environment_mut(name)?;
        match &file.freeze {
            None => Err(Refusal::NotFrozen { name: name.to_owned() }),
            Some(freeze) if freeze.origin.carried().is_some() && force == Force::No => {
                Err(Refusal::WorkIsLeft { name: name.to_owned(), reason: freeze.reason.clone() })
            }
            Some(freeze) => {
                let freeze = freeze.clone();
                file.freeze = None;
                Ok(freeze)
            }
        }
    }

    /// Keeps a version out of an environment.
    pub fn reject(&mut self, name: &str, dataset: &str, rejected: Rejected) -> Result<(), Refusal> {
        let file = self.environment_mut(name)?.datasets.entry(dataset.to_owned()).or_default();
        file.rejected.retain(|old| old.version != rejected.version);
        file.rejected.push(rejected);
        Ok(())
    }

    /// Lets a version in again. Whether it was kept out.
    pub fn allow(&mut self, name: &str, dataset: &str, version: &str) -> Result<bool, Refusal> {
        let file = self.environment_mut(name)?.datasets.entry(dataset.to_owned()).or_default();
        let before = file.rejected.len();
        file.rejected.retain(|old| old.version != version);
        Ok(file.rejected.len() < before)
    }
}

/// Whether a person insists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// No.
    No,
    /// `--force`.
    Yes,
}
