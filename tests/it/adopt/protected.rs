//! A target branch that is protected against the bot: GitLab is asked before anything is written, and names the setting.

use toml_edit::value;

use super::*;
use crate::gitlab_server::{GitLabServer, Role};
use crate::transport::hook;
use crate::world::{Bot, QUEUE, Transport};

struct Place {
    world: World,
    server: GitLabServer,
    project: u64,
    token: String,
}

/// int is on [`OLD`]; git signs in with the token of GitLab's API, and only `petra` may push main.
fn place() -> Place {
    // as its web server has it
    place_of(GitLabServer::start(), "git/environments")
}

fn place_of(server: GitLabServer, path: &str) -> Place {
    let world = World::over(Transport::Http);
    world.verified("int", OLD);
    let project = server.project_of(path, &world.bare());
    let token = server.token("datapin-bot", Role::Developer, &["api"]);
    server.state().project(project).protected.insert("main".to_owned(), vec!["petra".to_owned()]);
    world.config(|text| text["repository"]["token"]["env"] = value("TOKEN"));
    Place { world, server, project, token }
}

impl Place {
    fn bot(&self, args: &[&str]) -> Bot {
        let bot = self.world.datapin(args).env("CI_SERVER_URL", &self.server.url()).env("TOKEN", &self.token);
        let bot =
            bot.env("CI_PROJECT_ID", &self.project.to_string()).env("CI_PROJECT_PATH", "git/environments");
        bot.env("DATAPIN_GITLAB_TOKEN", &self.token)
    }
}

const SETTING: &str = "branch `main` of ";

#[test]
fn nothing_is_pinned_and_the_setting_is_named() {
    let place = place();
    let tip = place.world.tip("main");
    let done = place.bot(&["deploy", "int", NEW]).run().code(15).says(SETTING);
    done.says("in Settings → Repository → Protected branches, add that user");
    assert_eq!((place.world.tip("main"), place.world.queue().tickets.len()), (tip, 0));
    place.bot(&["check"]).run().code(0).says("warning: branch `main` of ");
    place.bot(&["deploy", "int", NEW, "--dry-run"]).run().code(15).says(SETTING);
    // once it may, it does
    place.server.state().project(place.project).protected.clear();
    let done = place.bot(&["check"]).run().code(0);
    assert!(!done.stdout.contains(SETTING), "{}", done.stdout);
    place.bot(&["deploy", "int", NEW]).run().code(0);
}

/// A GitLab below `/git`: the path of the repository begins with that, the project's does not.
#[test]
fn a_server_with_a_relative_url_is_asked_too() {
    let place = place_of(GitLabServer::below("/git"), "environments");
    let bot = || place.bot(&["deploy", "int", NEW]).env("CI_PROJECT_PATH", "environments");
    bot().run().code(15).says(SETTING);
    place.server.state().project(place.project).protected.clear();
    let project = place.project.to_string();
    let job = bot().in_ci("501", "1").env("CI_SERVER_HOST", "127.0.0.1").env("CI_PROJECT_ID", &project);
    let job = job.env("CI_COMMIT_REF_NAME", "main").env("CI_COMMIT_SHA", &place.world.tip("main"));
    job.run().code(0);
    let shown = place.server.state().project(place.project).deployments.clone();
    assert_eq!(shown.iter().map(|shown| shown.status.as_str()).collect::<Vec<_>>(), ["success"]);
}

#[test]
fn a_member_without_the_right_to_push_is_told_so() {
    let place = place();
    place.server.state().project(place.project).protected.clear();
    let reporter = place.server.token("datapin-bot", Role::Reporter, &["api"]);
    let bot = place.bot(&["deploy", "int", NEW]).env("TOKEN", &reporter);
    bot.env("DATAPIN_GITLAB_TOKEN", &reporter).run().code(15).says("at least the role Developer");
}

/// Only the login that git uses counts: a deploy key or another token may push what this one may not.
#[test]
fn another_login_of_git_is_not_judged_by_it() {
    let place = place();
    let other = place.server.token("deploy-bot", Role::Maintainer, &["api"]);
    place.bot(&["deploy", "int", NEW]).env("TOKEN", &other).run().code(0);
    assert!(!place.server.requests().iter().any(|line| line.contains("/branches/")));
}

/// GitLab that does not answer, or another project, holds up nobody.
#[test]
fn what_is_not_known_is_no_obstacle() {
    let place = place();
    place.bot(&["deploy", "int", NEW]).env("CI_PROJECT_PATH", "git/other").run().code(0);
    let gone = place.bot(&["deploy", "int", LATER]).env("CI_SERVER_URL", "http://127.0.0.1:1");
    gone.run().code(0);
}

/// The pin of a merge is on the branch already: it is gated all the same, and needs no push if it is good.
#[test]
fn what_people_merged_needs_no_right() {
    let place = place();
    let sha = bump(&place.world, "int", OLD, NEW);
    place.bot(&["adopt", &sha, "--before", ZEROS]).run().code(0);
    assert_eq!(place.world.verified_on("int").as_deref(), Some(NEW));
}

/// So is the queue: its branch is never pushed to find out.
#[test]
fn a_queue_branch_that_is_protected_is_3_with_the_servers_words() {
    let world = World::over(Transport::Http);
    let tips = (world.tip("main"), world.tip(QUEUE));
    hook(
        &world.bare(),
        "pre-receive",
        "echo 'GitLab: You are not allowed to push code to protected branches on this project.' >&2; exit 1",
    );
    world.datapin(&["deploy", "int", NEW]).run().code(3).says("protected branches").says(QUEUE);
    assert_eq!((world.tip("main"), world.tip(QUEUE)), tips);
}
