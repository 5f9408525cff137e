use std::path::Path;
use std::time::{Duration, Instant};

use datapin::process::{self, Ended, Finished, ProcessError, Program};
use rustix::process::{Pid, Signal, kill_process};

use super::{assert_file, cases, eventually, is_gone, lookup, script, words};

const KEEP: usize = 64 * 1024;

fn program(argv: &[String]) -> Program<'_> {
    Program {
        argv,
        env: process::base_env(&[], lookup),
        stdin: None,
        timeout: Duration::from_secs(60),
        keep: KEEP,
        cwd: None,
    }
}

async fn sh(body: &str) -> Finished {
    process::run(program(&words(&["sh", "-c", body]))).await.unwrap()
}

fn message(name: &str, error: &ProcessError, folder: &Path) {
    let text = format!("{error}\n").replace(&*folder.to_string_lossy(), "DIR");
    let file = format!("fixtures/gate/messages/{name}.txt");
    assert_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file), &text);
}

#[tokio::test]
async fn says_why_a_program_cannot_be_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("plain"), "echo hello").unwrap();
    let orphan = script(at, "orphan", "");
    std::fs::write(&orphan, "#!/no/such/interpreter\n").unwrap();
    let plain = at.join("plain").to_string_lossy().into_owned();
    let missing = at.join("missing").to_string_lossy().into_owned();
    let path = vec![("PATH".to_owned(), format!("/nowhere:{}", at.display()))];
    for (name, argv, env) in [
        ("empty", vec![], path.clone()),
        ("not-in-path", words(&["no-such-program"]), path.clone()),
        ("no-path", words(&["sh"]), vec![]),
        ("no-such-file", words(&[&missing]), path.clone()),
        ("not-executable", words(&[&plain]), path.clone()),
        ("not-executable-in-path", words(&["plain"]), path.clone()),
        ("a-directory", words(&["/"]), path.clone()),
        ("no-interpreter", words(&[&orphan]), path.clone()),
        ("nul", words(&["orphan", "a\0b"]), path),
    ] {
        let error = process::run(Program { env, ..program(&argv) }).await.unwrap_err();
        message(name, &error, at);
    }
}

#[tokio::test]
async fn a_relative_program_is_looked_for_where_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "here", "pwd");
    let argv = words(&["./here"]);
    let cwd = Some(folder.path().to_owned());
    let finished = process::run(Program { cwd, ..program(&argv) }).await.unwrap();
    assert_eq!(finished.ended, Ended::Exited { code: 0 });
    let pwd = finished.stdout.last_line().unwrap();
    assert_eq!(Path::new(&pwd).canonicalize().unwrap(), folder.path().canonicalize().unwrap());
}

#[tokio::test]
async fn a_flood_of_output_is_read_to_its_end_and_costs_no_memory() {
    let finished = sh("echo first; head -c 100000000 /dev/zero | tr '\\0' 'x'; echo; echo last").await;
    assert_eq!(finished.ended, Ended::Exited { code: 0 });
    let all = 100_000_000 + "first\n".len() + "\nlast\n".len();
    assert_eq!(finished.stdout.dropped(), (all - KEEP) as u64);
    assert_eq!(finished.stdout.whole(), None);
    assert_eq!(finished.stdout.first_line().unwrap(), "first");
    assert_eq!(finished.stdout.last_line().unwrap(), "last");
    let lines = finished.stdout.lines();
    assert!(lines.iter().any(|line| line == "… 99934476 bytes left out …"), "{lines:?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 501));
}

#[tokio::test]
async fn keeps_exactly_the_two_ends() {
    let argv = words(&["sh", "-c", "for i in 0 1 2 3 4 5 6 7 8 9; do printf $i$i; sleep 0.01; done"]);
    for (keep, expected) in
        [(20, vec!["00112233445566778899"]), (8, vec!["00", "… 12 bytes left out …", "778899"])]
    {
        let finished = process::run(Program { keep, ..program(&argv) }).await.unwrap();
        assert_eq!(finished.stdout.lines(), expected);
    }
    let finished = process::run(Program { keep: 0, ..program(&argv) }).await.unwrap();
    assert_eq!(finished.stdout.lines(), ["… 20 bytes left out …"]);
}

#[tokio::test]
async fn one_that_never_ends_is_ended() {
    let begun = Instant::now();
    let argv = words(&["sh", "-c", "echo $$; sleep 300 & echo $!; wait"]);
    let timeout = Duration::from_millis(300);
    let finished = process::run(Program { timeout, ..program(&argv) }).await.unwrap();
    assert_eq!(finished.ended, Ended::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(15), "SIGTERM was enough: {:?}", begun.elapsed());
    let pids = finished.stdout.lines();
    assert_eq!(pids.len(), 2, "{pids:?}");
    assert!(pids.iter().all(|pid| is_gone(pid)), "{pids:?}");
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed() {
    // Without the mark, so that only the group leads to it.
    let argv = words(&["env", "-i", "/bin/sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1; done"]);
    let timeout = Duration::from_millis(300);
    let finished = process::run(Program { timeout, ..program(&argv) }).await.unwrap();
    assert_eq!(finished.ended, Ended::TimedOut);
    assert!(is_gone(&finished.stdout.first_line().unwrap()));
}

#[tokio::test]
async fn one_that_is_asked_to_end_may_still_speak() {
    let argv = words(&["sh", "-c", "trap 'echo cleaned up; exit 3' TERM; while :; do sleep 0.05; done"]);
    let timeout = Duration::from_millis(300);
    let finished = process::run(Program { timeout, ..program(&argv) }).await.unwrap();
    assert_eq!(finished.ended, Ended::TimedOut);
    assert_eq!(finished.stdout.lines(), ["cleaned up"]);
}

#[tokio::test]
async fn children_left_behind_are_ended() {
    let begun = Instant::now();
    let finished = sh("sleep 300 & echo $!; nohup sleep 300 2>&1 & echo $!").await;
    assert_eq!(finished.ended, Ended::Exited { code: 0 });
    let pids = finished.stdout.lines();
    assert_eq!(pids.len(), 2, "{pids:?}");
    assert!(pids.iter().all(|pid| is_gone(pid)), "{pids:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn one_that_left_the_group_is_ended_too() {
    let begun = Instant::now();
    let finished = sh("setsid sh -c 'echo $$; exec sleep 300' & sleep 0.2; echo done").await;
    assert_eq!(finished.ended, Ended::Exited { code: 0 });
    let pid = finished.stdout.first_line().unwrap();
    eventually("it is gone", || is_gone(&pid)).await;
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn one_that_escaped_without_a_trace_does_not_hold_us() {
    let begun = Instant::now();
    let finished =
        sh("env -i PATH=\"$PATH\" setsid sh -c 'echo $$; exec sleep 60' & sleep 0.2; echo done").await;
    assert_eq!(finished.ended, Ended::Exited { code: 0 });
    assert!(begun.elapsed() < Duration::from_secs(20));
    let pid = finished.stdout.first_line().unwrap();
    assert!(!is_gone(&pid), "nothing finds it; if this fails, say so in the documentation");
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn dropping_the_future_ends_the_group() {
    let folder = tempfile::tempdir().unwrap();
    for (name, body) in [("obeys", ""), ("refuses", "trap '' TERM;"), ("leaves", "setsid")] {
        let file = folder.path().join(name);
        let body = format!(
            "{body} sleep 300 & echo $$ $! > {0}.new; mv {0}.new {0}; wait; sleep 300",
            file.display()
        );
        let running = tokio::spawn(async move { sh(&body).await });
        eventually("it begins", || file.exists()).await;
        running.abort();
        let pids = std::fs::read_to_string(&file).unwrap();
        assert_eq!(pids.split_whitespace().count(), 2);
        eventually("they are gone", || pids.split_whitespace().all(is_gone)).await;
    }
}

#[tokio::test]
async fn a_signal_is_no_exit_code() {
    assert_eq!(sh("kill -9 $$").await.ended, Ended::Signalled { signal: 9 });
    assert_eq!(sh("exit 255").await.ended, Ended::Exited { code: 255 });
}

#[tokio::test]
async fn the_environment_is_what_was_passed_and_nothing_else() {
    assert!(std::env::vars().count() > 3, "the parent has variables of its own");
    let known = |name: &str| match name {
        "PATH" => lookup(name),
        "LANG" => Some("C.UTF-8".to_owned()),
        "WANTED" => Some("a b\nc".to_owned()),
        "CI_JOB_TOKEN" => Some("secret".to_owned()),
        _ => None,
    };
    let pass = words(&["WANTED", "NOT_SET", "PATH"]);
    let env = process::base_env(&pass, known);
    let names: Vec<_> = env.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PATH", "LANG", "WANTED"]);
    let argv = words(&["env", "-0"]);
    let finished = process::run(Program { env, ..program(&argv) }).await.unwrap();
    let printed = String::from_utf8(finished.stdout.whole().unwrap()).unwrap();
    let mut printed: Vec<_> = printed.trim_end_matches('\0').split('\0').collect();
    printed.sort_unstable();
    let mark = printed.remove(0);
    assert!(mark.starts_with("DATAPIN_CHILD="), "{mark}");
    let path = format!("PATH={}", lookup("PATH").unwrap());
    assert_eq!(printed, ["LANG=C.UTF-8", &*path, "WANTED=a b\nc"]);
}

#[tokio::test]
async fn what_is_not_read_is_no_error() {
    let argv = words(&["true"]);
    let stdin = Some(vec![b'x'; 1 << 20]);
    let finished = process::run(Program { stdin, ..program(&argv) }).await.unwrap();
    assert_eq!(finished.ended, Ended::Exited { code: 0 });
    let argv = words(&["wc", "-c"]);
    let stdin = Some(vec![b'x'; 1 << 20]);
    let finished = process::run(Program { stdin, ..program(&argv) }).await.unwrap();
    assert_eq!(finished.stdout.lines(), ["1048576"]);
}

#[test]
fn foreign_output_is_made_plain() {
    for input in cases("gate/plain", "in") {
        let lines = process::plain(&std::fs::read(&input).unwrap());
        assert!(lines.iter().all(|line| !line.chars().any(|c| c.is_control() && c != '\t')));
        assert_file(
            &input.with_extension("out"),
            &lines.iter().map(|line| format!("{line}\n")).collect::<String>(),
        );
    }
}

#[test]
fn placeholders_are_filled_once_and_an_argument_stays_one() {
    let facts = [("version", "1; rm -rf {dataset} $(id) \"'"), ("dataset", "t t")];
    let own = Path::new("/opt/data pin");
    let argv = process::fill_all(
        &words(&["datapin", "--v={version}", "{dataset}{dataset}", "{a}{", "{}"]),
        &facts,
        own,
    );
    let expected = ["/opt/data pin", "--v=1; rm -rf {dataset} $(id) \"'", "t tt t", "{a}{", "{}"];
    assert_eq!(argv, expected);
    assert_eq!(process::fill_all(&words(&["./datapin", "datapin"]), &facts, own), ["./datapin", "datapin"]);
}
