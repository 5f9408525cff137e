//! The edge: reads the environment, the home directory and the configuration once, and makes what the rest needs.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::{Common, Output, ci};
use crate::aws::Aws;
use crate::cluster::Clusters;
use crate::config::{self, Config, ConfigErrors};
use crate::exit::Exit;
use crate::gitlab::GitLab;
use crate::notify::{Notifier, NotifyError};
use crate::render::Helmfile;
use crate::repo::{self, Limits, Location, Repo, RepoError, Settings};
use crate::report;
use crate::run::context::{Context, Events, Signals};

/// Name of the configuration.
pub const CONFIG: &str = "datapin.toml";

/// Why the edge could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The configuration has errors.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// There is no configuration.
    #[error(
        "there is no {CONFIG} here; write one with `datapin init`, name one with --config, or name a repository that has one with --repository"
    )]
    NoConfig,
    /// It cannot be read.
    #[error("{} cannot be read, is it the right --config? {source}", path.display())]
    Unreadable {
        /// Path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The repository has none.
    #[error(
        "{repository} has no {CONFIG} at the tip of `{branch}`; write one there with `datapin init`, or name one with --config"
    )]
    NoRemoteConfig {
        /// Repository.
        repository: String,
        /// Branch.
        branch: String,
    },
    /// It is no text.
    #[error("{name} is no configuration: it is not UTF-8; name another file, or save it as UTF-8")]
    NotText {
        /// Name.
        name: String,
    },
    /// No repository is named.
    #[error(
        "which repository? Set `repository.url` in {CONFIG}, use --repository, or run in a checkout with a remote `origin`"
    )]
    NoRepository,
    /// A secret is missing.
    #[error("{0}")]
    Secret(#[from] config::SecretError),
    /// The chat cannot be set up.
    #[error("{0}")]
    Notify(#[from] NotifyError),
    /// Git.
    #[error("{0}")]
    Repo(#[from] RepoError),
}

impl EdgeError {
    /// The exit code that it stands for.
    pub fn exit(&self) -> Exit {
        match self {
            EdgeError::Config(_)
            | EdgeError::NoConfig
            | EdgeError::Unreadable { .. }
            | EdgeError::NoRemoteConfig { .. }
            | EdgeError::NotText { .. }
            | EdgeError::NoRepository
            | EdgeError::Secret(_)
            | EdgeError::Notify(_)
            | EdgeError::Repo(RepoError::BadLocation { .. }) => Exit::Usage,
            EdgeError::Repo(_) => Exit::Unreachable,
        }
    }
}

/// Reads the configuration: `--config`, else ./datapin.toml, else the tip of `--repository`.
pub fn configuration(common: &Common) -> Result<Config, EdgeError> {
    let path = common.config.clone().or_else(|| Some(PathBuf::from(CONFIG)).filter(|path| path.exists()));
    let (name, bytes) = match (path, &common.repository) {
        (Some(path), _) => {
            let bytes = std::fs::read(&path)
                .map_err(|source| EdgeError::Unreadable { path: path.clone(), source })?;
            (path.display().to_string(), bytes)
        }
        (None, Some(url)) => remote_configuration(common, url)?,
        (None, None) => return Err(EdgeError::NoConfig),
    };
    let text = String::from_utf8(bytes).map_err(|_| EdgeError::NotText { name: name.clone() })?;
    Ok(config::load(&name, &text)?)
}

/// The name of the configuration's file, without its directory.
pub fn config_name(common: &Common) -> String {
    let name = common.config.as_ref().and_then(|path| path.file_name());
    name.map_or_else(|| CONFIG.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn remote_configuration(common: &Common, url: &str) -> Result<(String, Vec<u8>), EdgeError> {
    let settings = settings(common, url, &bootstrap())?;
    let repository = settings.location.to_string();
    let repo = Repo::open(settings)?;
    let branch = repo.default_branch()?;
    let missing = || EdgeError::NoRemoteConfig { repository: repository.clone(), branch: branch.clone() };
    let tip = repo.fetch(&branch)?.ok_or_else(missing)?;
    let file = repo.read(&tip, CONFIG)?.ok_or_else(missing)?;
    Ok((format!("{repository}:{CONFIG}"), file.bytes))
}

/// Before the configuration is known, `DATAPIN_TOKEN` is the token.
fn bootstrap() -> config::Repository {
    let token = config::SecretRef::Env("DATAPIN_TOKEN".to_owned());
    let credential = match token.read() {
        Ok(_) => config::Credential::Token { username: "oauth2".to_owned(), token },
        Err(_) => config::Credential::Ambient,
    };
    config::Repository { credential, ..config::Repository::default() }
}

/// Makes the context of a run.
pub fn context(
    common: &Common,
    config: Config,
    events: Events,
    signals: Signals,
) -> Result<Context, EdgeError> {
    let url = url(common, &config)?;
    let target = Arc::new(Repo::open(settings(common, &url, &config.repository)?)?);
    let default_branch = match &config.repository.branch {
        Some(branch) => branch.clone(),
        None => target.default_branch()?,
    };
    let queues = queue_repositories(common, &config, &target)?;
    let notifier = Notifier::new(&config.notify, &|secret| secret.read().map_err(|error| error.to_string()))?;
    Ok(Context {
        identity: target.location().identity(),
        default_branch,
        target,
        queues,
        helmfile: match &config.repository.verify {
            config::Verify::Helmfile { file, pass } => Some(Helmfile::new(file.clone(), pass, variable)),
            config::Verify::ValuesOnly => None,
        },
        who: who(),
        actor: actor(common),
        ci: ci::ci(),
        notifier: Arc::new(notifier),
        words: ci::words(GitLab::from_config(&config.gitlab, variable)),
        gitlab: GitLab::from_config(&config.gitlab, variable),
        events,
        signals,
        clusters: Clusters::new(Arc::new(variable)),
        aws: Aws::new(Arc::new(variable)),
        lookup: Arc::new(variable),
        own: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("datapin")),
        spread: ci::spread(),
        config: Arc::new(config),
    })
}

fn queue_repositories(
    common: &Common,
    config: &Config,
    target: &Arc<Repo>,
) -> Result<BTreeMap<String, Arc<Repo>>, EdgeError> {
    let mut found = BTreeMap::new();
    for (name, queue) in &config.queues {
        let repo = match &queue.repository {
            Some(own) => {
                let url = own.url.clone().map_or_else(|| url(common, config), Ok)?;
                let own = config::Repository {
                    author: config.repository.author.clone(),
                    committer: config.repository.committer.clone(),
                    signing: config.repository.signing.clone(),
                    ..own.clone()
                };
                Arc::new(Repo::open(settings(common, &url, &own)?)?)
            }
            None => target.clone(),
        };
        found.insert(name.clone(), repo);
    }
    Ok(found)
}

fn url(common: &Common, config: &Config) -> Result<String, EdgeError> {
    common
        .repository
        .clone()
        .or_else(|| config.repository.url.clone())
        .or_else(origin)
        .ok_or(EdgeError::NoRepository)
}

/// URL of `origin` of the checkout that this runs in.
pub fn origin() -> Option<String> {
    let here = git2::Repository::discover(".").ok()?;
    let origin = here.find_remote("origin").ok()?;
    origin.url().ok().map(str::to_owned)
}

fn settings(common: &Common, url: &str, own: &config::Repository) -> Result<Settings, EdgeError> {
    let author = own.author.as_ref().map_or_else(
        || repo::Signature { name: "datapin".to_owned(), email: "datapin@localhost".to_owned() },
        |person| repo::Signature { name: person.name.clone(), email: person.email.clone() },
    );
    let committer = own.committer.as_ref().map_or_else(
        || author.clone(),
        |person| repo::Signature { name: person.name.clone(), email: person.email.clone() },
    );
    Ok(Settings {
        location: Location::parse(url)?,
        credential: credential(&own.credential)?,
        author,
        committer,
        signing: signing(&own.signing),
        limits: Limits {
            connect_timeout: Duration::from_secs(10),
            server_timeout: Duration::from_secs(30),
            total: Duration::from_secs(120),
        },
        cache: cache(common),
        identities: identities(),
        known_hosts: own.known_hosts.clone(),
    })
}

/// The user's own keys, in the order in which ssh tries them.
fn identities() -> Vec<PathBuf> {
    let home = dirs::home_dir().unwrap_or_default().join(".ssh");
    let names = ["id_rsa", "id_ecdsa", "id_ed25519"];
    names.iter().map(|name| home.join(name)).filter(|file| file.is_file()).collect()
}

fn credential(own: &config::Credential) -> Result<repo::Credential, EdgeError> {
    Ok(match own {
        config::Credential::Ambient => repo::Credential::Ambient,
        config::Credential::Token { username, token } => {
            repo::Credential::Token { username: username.clone(), token: token.read()? }
        }
        config::Credential::SshKey { file, passphrase } => {
            let passphrase: Option<SecretString> =
                passphrase.as_ref().map(config::SecretRef::read).transpose()?;
            repo::Credential::SshKey { file: file.clone(), passphrase }
        }
    })
}

fn signing(own: &config::Signing) -> repo::Signing {
    match own {
        config::Signing::None => repo::Signing::None,
        config::Signing::Ssh { key } => repo::Signing::Ssh { key: key.clone() },
        config::Signing::Gpg { key } => repo::Signing::Gpg { key: key.clone() },
    }
}

/// `--cache`, else the user's cache directory, else a temporary one of this user's own: there may be no home at all.
fn cache(common: &Common) -> PathBuf {
    let chosen = common.cache.clone().or_else(|| dirs::cache_dir().map(|dir| dir.join("datapin")));
    match chosen {
        Some(dir) if common.cache.is_some() || usable(&dir) => dir,
        Some(_) | None => temporary_cache(),
    }
}

/// Everybody may write to the temporary directory: one that somebody else made there is not used.
fn temporary_cache() -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    let named = std::env::temp_dir().join(format!("datapin-cache-{uid}"));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&named);
    let own = |meta: &std::fs::Metadata| meta.is_dir() && meta.uid() == uid && meta.mode() & 0o022 == 0;
    match (made, std::fs::symlink_metadata(&named)) {
        (Err(_), Ok(there)) if !own(&there) => named.with_extension(ulid::Ulid::generate().to_string()),
        (Ok(()) | Err(_), _) => named,
    }
}

fn usable(dir: &Path) -> bool {
    std::fs::create_dir_all(dir).is_ok() && tempfile::tempfile_in(dir).is_ok()
}

pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn who() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match variable("CI_JOB_URL") {
        Some(job) => job,
        None => format!("{host}:{}", std::process::id()),
    }
}

fn actor(common: &Common) -> String {
    let asked = common.actor.clone().filter(|name| !name.is_empty());
    let known = asked.or_else(|| variable("GITLAB_USER_LOGIN"));
    known.or_else(|| variable("USER")).unwrap_or_else(|| "somebody".to_owned())
}

/// How output looks here.
pub fn look(common: &Common) -> report::Look {
    let out = std::io::stdout();
    let terminal = out.is_terminal() && variable("TERM").as_deref() != Some("dumb");
    let in_gitlab = variable("GITLAB_CI").is_some();
    let plain = !terminal || in_gitlab || common.verbose > 0;
    report::Look {
        terminal: match plain {
            true => report::Terminal::Plain,
            false => report::Terminal::Interactive { width: size().0 },
        },
        color: match (terminal || in_gitlab) && variable("NO_COLOR").is_none() {
            true => report::Color::Always,
            false => report::Color::Never,
        },
        ci: if in_gitlab { report::Ci::Gitlab } else { report::Ci::Other },
        output: match common.output {
            Output::Text => report::Output::Text,
            Output::Json => report::Output::Json,
        },
    }
}

/// Columns and lines of the terminal; 80 × 24 where it is none.
pub fn size() -> (usize, usize) {
    rustix::termios::tcgetwinsize(std::io::stdout())
        .ok()
        .filter(|size| size.ws_col > 0)
        .map_or((80, 24), |size| (usize::from(size.ws_col), usize::from(size.ws_row)))
}
