//! Announcements: against a Rocket.Chat on the wire, and their texts against files.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use datapin::config::{Notify, RocketChat, SecretRef};
use datapin::event::{Finished, StageSummary, Standing, Summary};
use datapin::notify::{Announcement, Asked, Bounds, Notifier, NotifyError, Posted};
use datapin::queue::{Cause, CauseKind, Outcome, RunId};
use secrecy::SecretString;

use crate::chat::{Chat, Mood, TOKEN, USER_ID};

mod messages;

const SHORT: Bounds = Bounds {
    connect: Duration::from_millis(300),
    request: Duration::from_millis(400),
    total: Duration::from_secs(1),
};

/// Enough for a loaded machine; what is measured stays well apart from it.
const ROOMY: Bounds = Bounds {
    connect: Duration::from_secs(3),
    request: Duration::from_secs(10),
    total: Duration::from_secs(20),
};

/// What these tests need of a run; the texts have cases of their own in `messages`.
struct Run {
    id: RunId,
    finished: Finished,
}

impl Run {
    fn new(outcome: Outcome) -> Self {
        let exit = outcome.exit().code();
        let finished = Finished {
            summary: summary(),
            outcome,
            exit,
            standing: Vec::new(),
            warnings: Vec::new(),
            seconds: 252,
        };
        Self { id: RunId("01KBC3W8Q4N7YV2M5H6J9XTR0D".to_owned()), finished }
    }

    fn start(&self) -> Announcement<'_> {
        Announcement::Started { run: &self.id, number: 17, summary: &self.finished.summary }
    }

    fn finish(&self) -> Announcement<'_> {
        Announcement::Finished { run: &self.id, number: 17, finished: &self.finished }
    }
}

fn summary() -> Summary {
    let services = ["mds", "fbv", "kv", "remo"].map(str::to_owned).to_vec();
    Summary {
        pipeline: "int".to_owned(),
        dataset: "timetable".to_owned(),
        version: "2026.11.23-1".to_owned(),
        actor: "Ada Lovelace".to_owned(),
        url: "https://gitlab.example.org/data/env/-/pipelines/4711".to_owned(),
        stages: vec![StageSummary {
            environments: vec![("int".to_owned(), services)],
            gates: vec!["int-test".to_owned()],
        }],
    }
}

fn cause(kind: CauseKind, text: &str) -> Cause {
    Cause { kind, text: text.to_owned() }
}

fn variable(name: &str) -> SecretRef {
    SecretRef::Env(name.to_owned())
}

fn webhook(url: &str, channel: Option<&str>, bounds: Bounds) -> Notifier {
    let chat =
        RocketChat::Webhook { url: variable("ROCKETCHAT_WEBHOOK"), channel: channel.map(str::to_owned) };
    let read = |_: &SecretRef| Ok(SecretString::from(url.to_owned()));
    Notifier::with_bounds(&Notify { rocketchat: Some(chat) }, &read, bounds).unwrap()
}

fn api_config(server: &str, channel: &str) -> Notify {
    Notify {
        rocketchat: Some(RocketChat::Api {
            server: server.to_owned(),
            channel: channel.to_owned(),
            user_id: variable("USER"),
            token: variable("TOKEN"),
        }),
    }
}

fn api(chat: &Chat, channel: &str, token: &str) -> Notifier {
    let read = |from: &SecretRef| {
        let user = *from == variable("USER");
        Ok(SecretString::from(if user { USER_ID } else { token }.to_owned()))
    };
    Notifier::with_bounds(&api_config(&chat.url(), channel), &read, ROOMY).unwrap()
}

/// What an error says, with the port taken out; never the secret parts.
fn told(chat: &Chat, error: &NotifyError) -> String {
    let text = format!("{error}");
    let webhook = chat.webhook_url();
    for secret in webhook.rsplit('/').take(2).chain([webhook.as_str(), TOKEN, USER_ID]) {
        assert!(
            !text.contains(secret) && !format!("{error:?}").contains(secret),
            "shows a secret: {error:?}"
        );
    }
    text.replace(chat.url().trim_start_matches("http://"), "HOST")
}

#[tokio::test]
async fn webhook_posts_and_cannot_thread() {
    let chat = Chat::start();
    let run = Run::new(Outcome::Verified);
    let notifier = webhook(&chat.webhook_url(), None, ROOMY);
    assert_eq!(notifier.announce(&run.start(), None).await.unwrap(), Posted { thread: None });
    assert_eq!(
        notifier.announce(&run.finish(), Some("from-elsewhere")).await.unwrap(),
        Posted { thread: None }
    );
    let messages = chat.messages();
    assert_eq!(messages[0].room, "#of-the-webhook");
    assert!(messages[0].text.contains("*started*"), "{}", messages[0].text);
    assert!(messages[1].text.contains("*verified*"), "{}", messages[1].text);
    assert_eq!(messages[1].thread, None);
    assert_eq!(messages[1].attachments.len(), 1);
    assert_eq!(chat.requests(), 2);
}

#[tokio::test]
async fn webhook_may_have_another_channel() {
    let chat = Chat::start();
    let run = Run::new(Outcome::Verified);
    webhook(&chat.webhook_url(), Some("#deployments"), ROOMY).announce(&run.start(), None).await.unwrap();
    assert_eq!(chat.messages()[0].room, "#deployments");
}

#[tokio::test]
async fn finish_replies_in_the_thread_of_start() {
    let chat = Chat::start();
    let run = Run::new(Outcome::Verified);
    let notifier = api(&chat, "#deployments", TOKEN);
    let begun = notifier.announce(&run.start(), None).await.unwrap();
    let ended = notifier.announce(&run.finish(), begun.thread.as_deref()).await.unwrap();
    let messages = chat.messages();
    assert_eq!(begun.thread.as_deref(), Some(messages[0].id.as_str()));
    assert_eq!(messages[0].thread, None);
    assert_eq!(messages[1].thread, begun.thread);
    assert_eq!(ended.thread, begun.thread, "the thread of the run stays the same");
}

#[tokio::test]
async fn a_room_is_named_or_has_an_id() {
    let chat = Chat::start();
    let run = Run::new(Outcome::Verified);
    for room in ["#deployments", "@ada", "GENERAL"] {
        api(&chat, room, TOKEN).announce(&run.start(), None).await.unwrap();
        assert_eq!(chat.messages().last().unwrap().room, room);
    }
}

#[tokio::test]
async fn nobody_is_told_without_a_configuration() {
    let run = Run::new(Outcome::Verified);
    let notifier = Notifier::new(&Notify::default(), &|_| Err("not asked for".to_owned())).unwrap();
    assert_eq!(notifier.announce(&run.start(), None).await.unwrap(), Posted { thread: None });
}

#[tokio::test]
async fn a_wrong_token_is_final() {
    let chat = Chat::start();
    let run = Run::new(Outcome::Verified);
    let error = api(&chat, "#deployments", "wrong").announce(&run.start(), None).await.unwrap_err();
    assert_eq!(chat.requests(), 1);
    messages::same_as_file("errors/wrong-token.txt", &told(&chat, &error));
}

#[tokio::test]
async fn what_does_not_get_better_is_not_repeated() {
    let run = Run::new(Outcome::Verified);
    for (mood, file) in [
        (Mood::Unsuccessful, "errors/unsuccessful.txt"),
        (Mood::LoginPage, "errors/login-page.txt"),
        (Mood::Moved, "errors/moved.txt"),
    ] {
        let chat = Chat::start();
        chat.behave(mood);
        let error = webhook(&chat.webhook_url(), None, ROOMY).announce(&run.start(), None).await.unwrap_err();
        assert_eq!(chat.requests(), 1, "{mood:?}");
        messages::same_as_file(file, &told(&chat, &error));
    }
    let chat = Chat::start();
    let gone = format!("{}x", chat.webhook_url());
    let error = webhook(&gone, None, ROOMY).announce(&run.start(), None).await.unwrap_err();
    messages::same_as_file("errors/gone.txt", &told(&chat, &error));
}

#[tokio::test]
async fn a_short_limit_is_waited_for() {
    let chat = Chat::start();
    let window = Duration::from_millis(1500);
    chat.limit(1, window);
    let run = Run::new(Outcome::Verified);
    let notifier = webhook(&chat.webhook_url(), None, ROOMY);
    let begin = Instant::now();
    notifier.announce(&run.start(), None).await.unwrap();
    notifier.announce(&run.finish(), None).await.unwrap();
    assert!(begin.elapsed() >= window, "came back before the server wanted it: {:?}", begin.elapsed());
    assert_eq!(chat.requests(), 3, "one refused try, and one when the limit was over");
    assert_eq!(chat.messages().len(), 2);
}

#[tokio::test]
async fn a_long_limit_is_given_up_at_once() {
    let chat = Chat::start();
    chat.limit(0, Duration::from_secs(60));
    let run = Run::new(Outcome::Verified);
    let begin = Instant::now();
    let error = webhook(&chat.webhook_url(), None, ROOMY).announce(&run.start(), None).await.unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(10), "waited for what it cannot have");
    assert!(matches!(error, NotifyError::RateLimited { wait: Some(_), .. }), "{error:?}");
    let text = told(&chat, &error).replace("for 61 s", "for 60 s");
    messages::same_as_file("errors/rate-limited.txt", &text);
}

#[tokio::test]
async fn a_passing_fault_is_repeated() {
    for mood in [Mood::FailingOnce, Mood::LosingAnAnswer] {
        let chat = Chat::start();
        chat.behave(mood);
        let run = Run::new(Outcome::Verified);
        api(&chat, "#deployments", TOKEN).announce(&run.start(), None).await.unwrap();
        assert_eq!(chat.requests(), 2, "{mood:?}");
        let posted = if mood == Mood::LosingAnAnswer { 2 } else { 1 };
        assert_eq!(chat.messages().len(), posted, "{mood:?}: at least once");
    }
}

#[tokio::test]
async fn a_disabled_server_costs_bounded_time() {
    let chat = Chat::start();
    chat.behave(Mood::Disabled);
    let run = Run::new(Outcome::Verified);
    let begin = Instant::now();
    let error = webhook(&chat.webhook_url(), None, SHORT).announce(&run.start(), None).await.unwrap_err();
    assert!(begin.elapsed() <= SHORT.total * 2, "{:?}", begin.elapsed());
    let NotifyError::Unavailable { tries, .. } = error else { panic!("{error:?}") };
    assert!(tries > 1, "503 may pass: {tries}");
    messages::same_as_file(
        "errors/disabled.txt",
        &told(&chat, &error).replace(&format!("{tries} tries"), "N tries"),
    );
}

#[tokio::test]
async fn a_hanging_server_costs_bounded_time() {
    let chat = Chat::start();
    chat.behave(Mood::Hanging);
    let run = Run::new(Outcome::Verified);
    let begin = Instant::now();
    let error = webhook(&chat.webhook_url(), None, SHORT).announce(&run.start(), None).await.unwrap_err();
    assert!(begin.elapsed() <= SHORT.total * 2, "{:?}", begin.elapsed());
    assert!(
        matches!(&error, NotifyError::Unavailable { reason, .. } if reason.contains("too long")),
        "{error:?}"
    );
    told(&chat, &error);
}

#[tokio::test]
async fn nobody_listening_costs_bounded_time() {
    let chat = Chat::start();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let url = chat.webhook_url().replace(&chat.url(), &format!("http://{free}"));
    let run = Run::new(Outcome::Verified);
    let error = webhook(&url, None, SHORT).announce(&run.start(), None).await.unwrap_err();
    let text = told(&chat, &error);
    assert!(text.contains("onnection refused") && text.contains(&free.to_string()), "{text}");
}

#[test]
fn bad_secrets_are_named_and_not_shown() {
    let hook = Notify { rocketchat: Some(RocketChat::Webhook { url: variable("HOOK"), channel: None }) };
    let api = |server| api_config(server, "#deployments");
    let value = |text: &'static str| move |_: &SecretRef| Ok(SecretString::from(text));
    let errors = [
        Notifier::new(&hook, &|_| Err("it is not set".to_owned())).unwrap_err(),
        Notifier::new(&hook, &value("hooks/s3cr3t")).unwrap_err(),
        Notifier::new(&hook, &value("ftp://s3cr3t/x")).unwrap_err(),
        Notifier::new(&api("https://chat"), &value("s3cr3t\nvalue")).unwrap_err(),
        Notifier::new(&api("https://chat"), &value(" ")).unwrap_err(),
        Notifier::new(&api("chat.example.org"), &value("s3cr3t")).unwrap_err(),
    ];
    let text: String = errors.iter().map(|error| format!("{error}\n")).collect();
    assert!(!text.contains("s3cr3t"), "{text}");
    messages::same_as_file("errors/configuration.txt", text.trim_end());
}

/// Usable where a test has no runtime and starts the real binary.
#[test]
fn the_fake_serves_a_plain_test() {
    let chat = Chat::start();
    let url = chat.webhook_url();
    let announced = std::thread::spawn(move || {
        let run = Run::new(Outcome::NothingToDo);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(webhook(&url, None, ROOMY).announce(&run.finish(), None)).unwrap();
    });
    assert_eq!(chat.wait_for(1, Duration::from_secs(10)).len(), 1);
    announced.join().unwrap();
}

/// The fake has to refuse what the real one refuses, or the tests above prove nothing.
#[tokio::test]
async fn the_fake_keeps_the_rules() {
    let chat = Chat::start();
    chat.limit(100, Duration::from_secs(60));
    let client = reqwest::Client::new();
    let post = async |body: &str| {
        let request = client.post(format!("{}/api/v1/chat.postMessage", chat.url()));
        let request = request.header("X-User-Id", USER_ID).header("X-Auth-Token", TOKEN);
        request.body(body.to_owned()).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post(r##"{"channel":"#a","text":"x","mood":"fine"}"##).await, 400, "unknown property");
    assert_eq!(post(r##"{"channel":"#a","roomId":"b","text":"x"}"##).await, 400, "both");
    assert_eq!(post(r#"{"text":"x"}"#).await, 400, "neither");
    assert_eq!(post(r##"{"channel":"#a","text":"x","tmid":null}"##).await, 400, "null thread");
    assert_eq!(
        post(&format!(r##"{{"channel":"#a","text":"{}"}}"##, "x".repeat(5001))).await,
        400,
        "too long"
    );
    let empty = client.post(chat.webhook_url()).body("{}").send().await.unwrap();
    assert_eq!(
        (empty.status().as_u16(), chat.messages().len()),
        (200, 0),
        "empty body succeeds, posts nothing"
    );
    let anonymous =
        client.post(format!("{}/api/v1/chat.postMessage", chat.url())).body("{}").send().await.unwrap();
    assert_eq!(anonymous.status().as_u16(), 401);
    assert_eq!(post(r##"{"channel":"#a","text":"x"}"##).await, 200);
    chat.limit(0, Duration::from_secs(60));
    assert_eq!(post(r##"{"channel":"#a","text":"x"}"##).await, 429);
}
