//! `datapin step graph`: the GitLab child pipeline of a pipeline. Reads the configuration alone, writes nothing.

use clap::Args;

use super::edge::EdgeError;
use super::output::emit;
use super::stage::CommandError;
use super::{Common, ci, edge};
use crate::config::{Config, Pipeline};
use crate::exit::Exit;
use crate::graph::{self, Settings};
use crate::repo::Location;

/// Prints the GitLab child pipeline of a pipeline.
#[derive(Debug, Clone, Args)]
pub struct Graph {
    /// Pipeline of datapin.toml.
    #[arg(env = "DATAPIN_PIPELINE")]
    pub pipeline: String,
    /// Data version; without it the jobs are told by DATAPIN_VERSION.
    #[arg(env = "DATAPIN_VERSION", allow_hyphen_values = true)]
    pub version: Option<String>,
    /// Changes a settable value in the same commit.
    #[arg(long = "set", env = "DATAPIN_SET", value_name = "SERVICE:PATH=VALUE", value_delimiter = ';')]
    pub set: Vec<String>,
    /// Image of the jobs.
    #[arg(long, env = "DATAPIN_IMAGE")]
    pub image: Option<String>,
    /// Tag of the runners; may be repeated.
    #[arg(long = "tag", env = "DATAPIN_TAGS", value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// File of the repository with settings that all jobs need, such as `default: id_tokens:`.
    #[arg(long, env = "DATAPIN_INCLUDE", value_name = "FILE")]
    pub include: Option<String>,
}

/// `datapin step graph`. Version and changes are checked here, before GitLab makes a pipeline of them.
pub fn graph(common: &Common, args: &Graph) -> Result<Exit, CommandError> {
    let config = edge::configuration(common)?;
    let pipeline = config.pipeline(&args.pipeline)?;
    let settings = Settings {
        image: args.image.clone(),
        tags: args.tags.iter().filter(|tag| !tag.is_empty()).cloned().collect(),
        include: args.include.clone(),
        variables: variables(common, &config, pipeline, args)?,
    };
    emit(&graph::graph(&config, pipeline).yaml(&config.source, &settings)?);
    Ok(Exit::Ok)
}

/// The graph is a file that people download: no password gets into it. A variable of the project is there in the jobs of
/// the child pipeline anyway.
fn repository(common: &Common) -> Result<Option<String>, CommandError> {
    let Some(text) = &common.repository else { return Ok(None) };
    if !Location::parse(text).map_err(EdgeError::from)?.has_password() {
        return Ok(Some(text.clone()));
    }
    if edge::variable("DATAPIN_REPOSITORY").as_ref() == Some(text) {
        return Ok(None);
    }
    Err(CommandError::Usage(
        "the URL of `--repository` has a password, and everybody who sees the pipeline could read it in the graph: write \
         the URL without it, put it into a CI variable, and name that in datapin.toml: `[repository] token = { env = \"…\" }` \
         (`repository.token`)"
            .to_owned(),
    ))
}

/// What the jobs are told: what this command was told.
fn variables(
    common: &Common,
    config: &Config,
    pipeline: &Pipeline,
    args: &Graph,
) -> Result<Vec<(String, String)>, CommandError> {
    let set: Vec<&str> = args.set.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    for text in &set {
        config.parse_set(&pipeline.dataset, text)?;
    }
    if let Some(version) = &args.version {
        config.check_version(&pipeline.dataset, version).map_err(CommandError::Usage)?;
    }
    let file = common.config.as_ref().map(|path| path.display().to_string());
    let parent = ci::own().and_then(|own| match own {
        ci::Own::Listed(id) => Some(id.to_string()),
        ci::Own::Child(_) => None,
    });
    let said = [
        ("DATAPIN_PIPELINE", Some(args.pipeline.clone())),
        ("DATAPIN_VERSION", args.version.clone()),
        ("DATAPIN_SET", (!set.is_empty()).then(|| set.join(";"))),
        ("DATAPIN_CONFIG", file),
        ("DATAPIN_REPOSITORY", repository(common)?),
        ("DATAPIN_ACTOR", common.actor.clone()),
        // where the commit statuses of the child's jobs are shown
        (ci::PARENT, parent),
    ];
    let given = said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Ok(given.collect())
}
