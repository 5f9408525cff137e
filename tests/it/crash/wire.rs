//! The wires that a test holds: everything that a bot does to the outside crosses one of them.
//!
//! Git, chat and AWS go through a proxy; agents and gates are started through a script that asks the test before it runs
//! the program, and again before it gives the answer back. A [`Blow`] falls on a process at one chosen request.

mod plan;
mod request;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub use plan::{Blow, Kind, Plan, Point, Side};
use request::Request;

/// How long a request is held at most: longer than any takeover.
const HELD: Duration = Duration::from_secs(120);

/// All wires of one world.
pub struct Wire {
    shared: Arc<Shared>,
    git: u16,
    chat: u16,
    aws: Option<u16>,
}

struct Shared {
    dir: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    armed: bool,
    plan: Option<Plan>,
    victim: Option<Pid>,
    counts: BTreeMap<Kind, usize>,
    seen: Vec<Point>,
    fell: bool,
    released: bool,
    /// Requests to servers that came and are not answered yet.
    open: usize,
}

impl State {
    fn pushes(&self) -> usize {
        self.counts.get(&Kind::Queue).copied().unwrap_or_default()
    }
}

/// Whether a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    /// Nobody is there to hear the answer.
    Cut,
}

impl Wire {
    /// Wires to the git server, the chat and AWS on these ports, and for the programs of the world in `root`.
    pub fn new(root: &Path, git: u16, chat: u16, aws: Option<u16>) -> Self {
        let dir = root.join("wire");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(root.join("wire.sh"), SCRIPT).unwrap();
        let made = std::process::Command::new("mkfifo").arg(dir.join("asks")).status();
        assert!(made.unwrap().success(), "mkfifo");
        let shared = Arc::new(Shared { dir, state: Mutex::default(), changed: Condvar::new() });
        shared.clone().hear_programs();
        let git = shared.clone().proxy(git);
        let chat = shared.clone().proxy(chat);
        let aws = aws.map(|aws| shared.clone().proxy(aws));
        Self { shared, git, chat, aws }
    }

    /// Port of the git proxy.
    pub fn git(&self) -> u16 {
        self.git
    }

    /// Port of the chat proxy.
    pub fn chat(&self) -> u16 {
        self.chat
    }

    /// Port of the proxy to AWS.
    pub fn aws(&self) -> Option<u16> {
        self.aws
    }

    /// Counts from now on, and lets a blow fall on the [`Wire::victim`].
    pub fn arm(&self, plan: Option<Plan>) {
        *self.shared.lock() = State { armed: true, plan, ..State::default() };
        std::fs::write(self.shared.dir.join("armed"), "").unwrap();
    }

    /// The process that the blow falls on.
    pub fn victim(&self, pid: u32) {
        self.shared.lock().victim = Pid::from_raw(i32::try_from(pid).unwrap());
        self.shared.changed.notify_all();
    }

    /// Whether the blow fell.
    pub fn fell(&self) -> bool {
        self.shared.lock().fell
    }

    /// Counts no more; the requests that were seen, in order.
    pub fn disarm(&self) -> Vec<Point> {
        let _ = std::fs::remove_file(self.shared.dir.join("armed"));
        let mut state = self.shared.lock();
        state.armed = false;
        state.seen.clone()
    }

    /// Lets go what is held, and waits until it was answered.
    pub fn release(&self) {
        let mut state = self.shared.lock();
        state.released = true;
        self.shared.changed.notify_all();
        let limit = Instant::now() + Duration::from_secs(20);
        while state.open > 0 && Instant::now() < limit {
            state = self.shared.changed.wait_timeout(state, Duration::from_millis(50)).unwrap().0;
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.lock().released = true;
        self.shared.changed.notify_all();
        let _ = std::fs::OpenOptions::new()
            .write(true)
            .custom_flags(nonblocking())
            .open(self.shared.dir.join("asks"))
            .and_then(|mut asks| asks.write_all(b"end\n"));
        for port in [Some(self.git), Some(self.chat), self.aws].into_iter().flatten() {
            let _ = TcpStream::connect(("127.0.0.1", port))
                .and_then(|mut stream| stream.write_all(b"END\r\n\r\n"));
        }
    }
}

/// Arguments: `agent` or `gate`, then the program. While nothing is armed it only starts the program.
const SCRIPT: &str = r#"#!/bin/sh
wire=$(dirname "$0")/wire
kind=$1
shift
[ -e "$wire/armed" ] || exec "$@"
ask() {
  [ -p "$wire/$$" ] || mkfifo "$wire/$$"
  echo "$1 $kind $$" > "$wire/asks"
  read -r _ < "$wire/$$"
}
ask before
out=$("$@")
code=$?
ask after
rm -f "$wire/$$"
printf '%s\n' "$out"
exit $code
"#;

fn nonblocking() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap()
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A request comes. `None` if nothing is counted.
    fn comes(&self, kind: Kind) -> (Option<Point>, Go) {
        let mut state = self.lock();
        if !state.armed || state.fell {
            return (None, Go::On);
        }
        let count = state.counts.entry(kind).or_default();
        *count += 1;
        let point = Point { kind, nth: *count };
        state.seen.push(point);
        self.changed.notify_all();
        let go = match state.plan.filter(|plan| plan.point == point) {
            Some(plan) if plan.side == Side::Before => self.strike(state, plan, Go::Cut),
            Some(plan) if plan.side == Side::Late => self.strike(state, plan, Go::On),
            _ => Go::On,
        };
        (Some(point), go)
    }

    /// Its answer is there.
    fn answers(&self, point: Option<Point>) -> Go {
        let mut state = self.lock();
        let mine = state.plan.filter(|plan| Some(plan.point) == point && !state.fell);
        match mine {
            Some(plan) if plan.side == Side::After => self.strike(state, plan, Go::Cut),
            Some(plan) if plan.side == Side::AfterBeat => {
                let before = state.pushes();
                state = self.until(state, |state| state.pushes() > before);
                state = self.until(state, |state| state.open == 0);
                self.strike(state, plan, Go::Cut)
            }
            _ => Go::On,
        }
    }

    fn until<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        here: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let limit = Duration::from_secs(10);
        self.changed.wait_timeout_while(state, limit, |state| !here(state)).unwrap().0
    }

    fn over(&self) {
        let mut state = self.lock();
        state.open = state.open.saturating_sub(1);
        self.changed.notify_all();
    }

    /// The blow falls; what is held goes on when it is released.
    fn strike(&self, state: MutexGuard<'_, State>, plan: Plan, then: Go) -> Go {
        let mut state = self.until(state, |state| state.victim.is_some());
        state.fell = true;
        let signal = match plan.blow {
            Blow::Kill => Signal::KILL,
            Blow::Stop => Signal::STOP,
        };
        let _ = kill_process(state.victim.unwrap(), signal);
        self.changed.notify_all();
        if plan.blow == Blow::Kill && then == Go::Cut {
            return Go::Cut;
        }
        let held = |state: &mut State| !state.released;
        drop(self.changed.wait_timeout_while(state, HELD, held).unwrap());
        Go::On
    }

    /// Threads that pass requests on to a server; the port where they listen.
    fn proxy(self: Arc<Self>, to: u16) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Some(request) = Request::read(&client) else { continue };
                if request.head.starts_with("END") {
                    return;
                }
                let this = self.clone();
                std::thread::spawn(move || this.pass_on(client, &request, to));
            }
        });
        port
    }

    /// One request a connection.
    fn pass_on(&self, mut client: TcpStream, request: &Request, to: u16) {
        self.lock().open += 1;
        let (point, go) = self.comes(request.kind());
        if go == Go::On {
            let answer = request.pass_on(to).unwrap_or_default();
            if self.answers(point) == Go::On {
                let _ = client.write_all(&answer);
            }
        }
        self.over();
    }

    /// Hears what the scripts ask.
    fn hear_programs(self: Arc<Self>) {
        let path = self.dir.join("asks");
        let asks = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        std::thread::spawn(move || {
            let mut points: BTreeMap<String, Option<Point>> = BTreeMap::new();
            for line in BufReader::new(asks).lines().map_while(Result::ok) {
                let mut words = line.split(' ');
                let (Some(when), Some(kind), Some(pid)) = (words.next(), words.next(), words.next()) else {
                    return;
                };
                let (this, pid) = (self.clone(), pid.to_owned());
                let kind = if kind == "gate" { Kind::Gate } else { Kind::Agent };
                if when == "before" {
                    // Counted here, so that no other thread comes between.
                    let (to, from) = std::sync::mpsc::channel();
                    let asked = pid.clone();
                    std::thread::spawn(move || {
                        let (point, _) = this.comes(kind);
                        let _ = to.send(point);
                        this.reply(&asked);
                    });
                    points.insert(pid, from.recv_timeout(Duration::from_millis(200)).ok().flatten());
                } else {
                    let point = points.remove(&pid).flatten();
                    std::thread::spawn(move || {
                        this.answers(point);
                        this.reply(&pid);
                    });
                }
            }
        });
    }

    /// Whatever became of the bot, its program is not left waiting.
    fn reply(&self, pid: &str) {
        let limit = Instant::now() + Duration::from_secs(5);
        let path = self.dir.join(pid);
        while Instant::now() < limit {
            let opened = std::fs::OpenOptions::new().write(true).custom_flags(nonblocking()).open(&path);
            if opened.is_ok_and(|mut pipe| pipe.write_all(b"go\n").is_ok()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
