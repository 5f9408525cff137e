//! A graph as the YAML of a child pipeline.

use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;

use super::{Graph, GraphError, Job, Leaves, Settings, When};
use crate::config::Source;

const TEMPLATE: &str = include_str!("child.yml.j2");

/// What the template reads.
#[derive(Serialize)]
struct Page<'g> {
    pipeline: &'g str,
    file: String,
    blob: &'g str,
    #[serde(flatten)]
    settings: &'g Settings,
    stages: Vec<&'g str>,
    jobs: Vec<Node<'g>>,
}

/// A job as the template reads it.
#[derive(Serialize)]
struct Node<'g> {
    name: &'g str,
    stage: &'g str,
    when: Option<&'static str>,
    warns_with: Option<u8>,
    timeout: String,
    protected_by: Option<&'g str>,
    script: String,
    reports: bool,
}

impl Graph {
    /// The text of a `.gitlab-ci.yml` that runs this graph. Every text in it is quoted, so that no version can be read
    /// as a number, a date or a boolean.
    ///
    /// # Errors
    ///
    /// A bug in the template.
    pub fn yaml(&self, source: &Source, settings: &Settings) -> Result<String, GraphError> {
        let broken =
            |error| GraphError::Template { pipeline: self.pipeline.clone(), source: Box::new(error) };
        let mut environment = Environment::new();
        environment.set_syntax(plain_lines().map_err(broken)?);
        let nodes: Vec<Node<'_>> = self
            .stages
            .iter()
            .flat_map(|stage| stage.jobs.iter().map(|job| Node::new(&stage.name, job)))
            .collect();
        let page = Page {
            pipeline: &self.pipeline,
            file: source.name.replace(char::is_control, " "),
            blob: &source.blob,
            settings,
            // GitLab has that one by itself
            stages: self
                .stages
                .iter()
                .map(|stage| stage.name.as_str())
                .filter(|name| *name != ".pre")
                .collect(),
            jobs: nodes,
        };
        environment.render_str(TEMPLATE, Serde(&page)).map_err(broken)
    }
}

/// A line with nothing but a block leaves no line.
fn plain_lines() -> Result<SyntaxConfig, minijinja::Error> {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()
}

impl<'g> Node<'g> {
    fn new(stage: &'g str, job: &'g Job) -> Self {
        Self {
            name: &job.name,
            stage,
            when: match job.when {
                When::Success => None,
                When::Failure => Some("on_failure"),
                When::Manual => Some("manual"),
            },
            warns_with: job.warns_with,
            timeout: format!("{} minutes", job.timeout.as_secs().div_ceil(60)),
            protected_by: job.protected_by.as_deref(),
            script: format!("datapin step {}", job.step.join(" ")),
            reports: job.leaves == Leaves::Reports,
        }
    }
}
