//! The two ways to an Application.

use super::application::Application;
use super::cluster::InCluster;
use super::rest::OnServer;
use super::window::Told;
use crate::agent::ObservationError;

/// Where an Application is read.
#[derive(Debug)]
pub enum Source {
    Cluster(InCluster),
    Server(OnServer),
}

impl Source {
    /// The Application as it is now; `None` if there is none.
    pub async fn now(&mut self) -> Result<Option<Application>, ObservationError> {
        match self {
            Source::Cluster(source) => source.now().await,
            Source::Server(source) => Ok(source.now().await?),
        }
    }

    /// Returns when the Application has changed.
    pub async fn changed(&mut self) {
        match self {
            Source::Cluster(source) => source.changed().await,
            Source::Server(source) => source.changed().await,
        }
    }

    /// Asks for a comparison; the Application as it was then.
    pub async fn refresh(&mut self) -> Result<Application, ObservationError> {
        match self {
            Source::Cluster(source) => source.refresh().await,
            Source::Server(source) => Ok(source.refresh().await?),
        }
    }

    /// Ends the sync that is under way.
    pub async fn terminate(&mut self) -> Result<(), ObservationError> {
        match self {
            Source::Cluster(source) => source.terminate().await,
            Source::Server(source) => Ok(source.terminate().await?),
        }
    }

    /// Asks for a sync of that revision.
    pub async fn sync(&mut self, revision: &str) -> Result<(), ObservationError> {
        match self {
            Source::Cluster(source) => source.sync(revision).await,
            Source::Server(source) => Ok(source.sync(revision).await?),
        }
    }

    /// The sync windows of the Application, and which of them are open; none where they can't be read.
    pub async fn windows(&mut self, app: &Application) -> Told {
        match self {
            Source::Cluster(source) => source.windows(app).await,
            Source::Server(source) => source.windows().await,
        }
    }

    /// How messages name it.
    pub fn title(&self) -> String {
        match self {
            Source::Cluster(source) => source.title(),
            Source::Server(source) => source.title(),
        }
    }

    /// What people should know of how it is read; given once.
    pub fn take_notice(&mut self) -> Option<String> {
        match self {
            Source::Cluster(source) => source.take_notice(),
            Source::Server(source) => source.take_notice(),
        }
    }
}
