//! (m) Promotion of 10,000 small objects from bucket to bucket, against `aws s3 cp --recursive`.
//!
//! Both are the real programs, and take turns on one moto server. That is one process of Python, which can do one thing
//! at a time: how busy it was is told too. Requests are counted apart from what is timed, by a door before the server.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Extent;
use crate::it::moto::{Door, Moto, variables};
use crate::measure::{median, ratio, run};
use crate::queue::{runtime, store};
use crate::start::PROGRAM;
use crate::table::Table;
use crate::world::World;

/// Where the rival is, or is installed from PyPI.
const AWS_CLI: &str = "/tmp/aws-cli-venv";
const AWS_CLI_VERSION: &str = "awscli==1.46.3";
/// Version of the package that is timed, of a smaller one for a server that is far, and of one whose requests are counted.
const LARGE: &str = "2026.12.01-1";
const MIDDLE: &str = "2026.12.01-2";
const SMALL: &str = "2026.12.01-3";
/// Objects of the latter two, the marker among them.
const MANY: usize = 2000;
const FEW: usize = 500;
/// What a request takes longer where the server is far: the least that AWS names for small objects in S3 (100 to 200 ms).
const FAR: Duration = Duration::from_millis(100);

/// Runs a program; prints its time and the processor's in seconds, and its peak memory in kB.
const MEASURE: &str = "
import resource, subprocess, sys, time
begun = time.monotonic()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
took, used = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
print(took, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(code)
";

pub fn measure(extent: Extent, table: &mut Table) {
    let (Some(moto), Some(aws)) = (Moto::start(), aws_cli()) else {
        table.tell("NOT MEASURED: no Python with venv", "");
        return;
    };
    let scene = Scene::new(&moto, aws);
    let objects = extent.of(10_000, 2_000);
    scene.export(LARGE, objects);
    let (mut datapin, mut rival) = (Runs::default(), Runs::default());
    for round in 0..extent.of(2, 1) {
        scene.take_turn(&mut datapin, &format!("datapin-{round}"), Scene::datapin);
        scene.take_turn(&mut rival, &format!("aws-{round}"), Scene::aws);
    }
    tell(&datapin, &rival, objects, table);
    scene.far(table);
    scene.counts(table);
    scene.nothing_to_do("datapin-0", objects, table);
}

fn tell(datapin: &Runs, rival: &Runs, objects: usize, table: &mut Table) {
    let both = |what: fn(&Runs) -> &[f64]| (median(what(datapin)), median(what(rival)));
    let (ours, theirs) = both(|runs| &runs.took);
    table.tell("datapin / `aws s3 cp --recursive`", &format!("{ours:.1} / {theirs:.1} s"));
    let times = ratio(&rival.took, &datapin.took);
    let goal = format!("`aws` takes so many times as long, {objects} objects");
    table.goal(&goal, &format!("{times:.2} ×"), "≥ 2 ×", times >= 2.0);
    let (ours, theirs) = both(|runs| &runs.server);
    table
        .tell("the server computes, of that time", &format!("{:.0} / {:.0} %", ours * 100.0, theirs * 100.0));
    let (ours, theirs) = both(|runs| &runs.processor);
    table.tell("the programs themselves compute", &format!("{ours:.1} / {theirs:.1} s"));
    let most = datapin.memory.iter().copied().fold(0.0, f64::max);
    table.tell("peak memory of `aws`", &format!("{:.0} MB", median(&rival.memory)));
    table.goal("peak memory", &format!("{most:.0} MB"), "≤ 80 MB", most <= 80.0);
}

/// What runs of one program took.
#[derive(Default)]
struct Runs {
    /// Seconds.
    took: Vec<f64>,
    /// Seconds of processors.
    processor: Vec<f64>,
    /// MB.
    memory: Vec<f64>,
    /// Seconds that the server computed in a second.
    server: Vec<f64>,
}

struct Scene<'m> {
    moto: &'m Moto,
    aws: PathBuf,
    world: World,
    url: String,
}

impl<'m> Scene<'m> {
    fn new(moto: &'m Moto, aws: PathBuf) -> Self {
        let world = World::new();
        world.environments("env.git", 10);
        let url = world.server.url("env.git");
        runtime().block_on(async { store(&world, &url, "first").create().await }).unwrap();
        moto.bucket("preview");
        Self { moto, aws, world, url }
    }

    fn export(&self, version: &str, objects: usize) {
        let tile = |number: usize| {
            let key = format!("timetable/{version}/tiles/{:02}/{number:05}.bin", number % 100);
            (key, format!("tile {number} of {version}\n").repeat(10).into_bytes())
        };
        let tiles: Vec<_> = (1..objects).map(tile).collect();
        self.moto.put("preview", &tiles);
        self.moto.put("preview", &[(format!("timetable/{version}/_SUCCESS"), Vec::new())]);
    }

    /// Into a bucket of its own, which is as empty as the other's.
    fn take_turn(&self, runs: &mut Runs, live: &str, program: fn(&Self, &str, &str) -> Command) {
        self.moto.bucket(live);
        let server = Server::at(self.moto.port());
        let before = server.computed();
        let [took, processor, kilobytes] = self.run(&program(self, live, LARGE), &self.moto.url());
        let computed = server.computed() - before;
        runs.took.push(took);
        runs.processor.push(processor);
        runs.memory.push(kilobytes / 1024.0);
        runs.server.push(computed / took);
        assert_eq!(self.moto.keys(live).len(), self.moto_has(LARGE), "{live}");
        if live != "datapin-0" {
            self.empty(live);
        }
    }

    fn moto_has(&self, version: &str) -> usize {
        let prefix = format!("timetable/{version}/");
        self.moto.keys("preview").iter().filter(|key| key.starts_with(&prefix)).count()
    }

    /// What a server keeps makes it slower: the next one finds it as this one did.
    fn empty(&self, bucket: &str) {
        use aws_sdk_s3::types::{Delete, ObjectIdentifier};
        let client = self.moto.s3();
        let keys = self.moto.keys(bucket);
        let named = |key: &String| ObjectIdentifier::builder().key(key).build().unwrap();
        for keys in keys.chunks(1000) {
            let delete =
                Delete::builder().set_objects(Some(keys.iter().map(named).collect())).build().unwrap();
            self.moto.wait(client.delete_objects().bucket(bucket).delete(delete).send()).unwrap();
        }
    }

    fn datapin(&self, live: &str, version: &str) -> Command {
        let config = self.world.path(&format!("{live}.toml"));
        std::fs::write(&config, self.config(live)).unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(config).arg("--cache").arg(self.world.path("cache"));
        command.args(["--actor", "bench", "promote", "live", version, "--from", "int"]);
        command
    }

    fn aws(&self, live: &str, version: &str) -> Command {
        let place = |bucket: &str| format!("s3://{bucket}/timetable/{version}/");
        let mut command = Command::new(&self.aws);
        command.args(["s3", "cp", "--recursive", "--only-show-errors"]);
        command.args([place("preview"), place(live)]);
        command
    }

    fn config(&self, live: &str) -> String {
        let url = &self.url;
        let mut text = format!(
            "[repository]\nurl = \"{url}\"\nbranch = \"main\"\n\n[dataset.timetable]\nservices = [\"mds\"]\n\
             pin = {{ file = \"values/{{environment}}/{{service}}.yaml\", path = \"data.timetable.version\" }}\n"
        );
        for (environment, bucket) in [("int", "preview"), ("live", live)] {
            text += &format!(
                "\n[environment.{environment}]\npurpose = \"{environment}\"\n\
                 agent = {{ kind = \"command\", command = [\"false\"] }}\n\
                 bucket = {{ url = \"s3://{bucket}/{{dataset}}/{{version}}/\", marker = \"_SUCCESS\" }}\n"
            );
        }
        text + "\n[pipeline.int]\nstages = [{ environment = \"int\" }]\n"
    }

    /// Seconds that it took, seconds of processors, and most memory in kB.
    fn run(&self, program: &Command, url: &str) -> [f64; 3] {
        let output = run(&mut self.measured(program, url));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    }

    fn measured(&self, of: &Command, url: &str) -> Command {
        let mut command = Command::new("python3");
        command.args(["-c", MEASURE]).arg(of.get_program()).args(of.get_args());
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", self.world.path("."));
        command.envs(variables(url)).env("AWS_DEFAULT_REGION", crate::it::moto::REGION);
        command
    }

    /// No goal: the one above is on the bare server, where no request waits for anything but its processor.
    fn far(&self, table: &mut Table) {
        self.export(MIDDLE, MANY);
        let took = |live: &str, program: fn(&Self, &str, &str) -> Command| {
            self.moto.bucket(live);
            let [took, ..] = self.run(&program(self, live, MIDDLE), &far(self.moto.port()));
            assert_eq!(self.moto.keys(live).len(), MANY, "{live}");
            took
        };
        let (ours, theirs) = (took("far-datapin", Self::datapin), took("far-aws", Self::aws));
        let what = format!("each request {} ms later, {MANY} objects: datapin / `aws`", FAR.as_millis());
        table.tell(&what, &format!("{ours:.1} / {theirs:.1} s, {:.2} ×", theirs / ours));
    }

    /// Requests for each object.
    fn counts(&self, table: &mut Table) {
        self.export(SMALL, FEW);
        let count = |live: &str, program: fn(&Self, &str, &str) -> Command| {
            self.moto.bucket(live);
            let door = Door::before(self.moto.port());
            run(&mut self.measured(&program(self, live, SMALL), &door.url()));
            let seen = door.seen();
            let lists = seen.iter().filter(|line| line.contains("list-type=2")).count();
            ((seen.len() - lists) as f64 / FEW as f64, lists)
        };
        let (ours, our_lists) = count("counted-datapin", Self::datapin);
        let (theirs, their_lists) = count("counted-aws", Self::aws);
        table.tell("requests an object", &format!("{ours:.2} / {theirs:.2}"));
        table.tell("and listings, which prove the result", &format!("{our_lists} / {their_lists}"));
    }

    /// Every page of a listing is a request; the first page of each side counts it.
    fn nothing_to_do(&self, live: &str, objects: usize, table: &mut Table) {
        let door = Door::before(self.moto.port());
        let [seconds, ..] = self.run(&self.datapin(live, LARGE), &door.url());
        let seen = door.seen();
        let listings = |bucket: &str| {
            let of = |line: &&String| line.starts_with(&format!("GET /{bucket}/?list-type=2"));
            let begins = seen.iter().filter(of).filter(|line| !line.contains("continuation-token")).count();
            (begins, seen.iter().filter(of).count())
        };
        let (from, to) = (listings("preview"), listings(live));
        let others = seen.len() - from.1 - to.1;
        table.tell("a second run, which copies nothing", &format!("{seconds:.1} s, {} requests", seen.len()));
        let measured = format!("{} + {}, {others} other requests", from.0, to.0);
        let pages = objects.div_ceil(1000);
        let met = (from, to, others) == ((1, pages), (1, pages), 0);
        table.goal("its listings: Preview + Live", &measured, "1 + 1, no other", met);
    }
}

/// A line to a port of this machine on which what is asked arrives [`FAR`] later.
fn far(port: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            server.set_nodelay(true).and_then(|()| client.set_nodelay(true)).unwrap();
            let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            std::thread::spawn(move || {
                let mut bytes = [0; 16 * 1024]; // requests are small: each comes as one piece
                while let Ok(read @ 1..) = client.read(&mut bytes) {
                    std::thread::sleep(FAR);
                    if server.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                let _ = server.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    url
}

/// The server's process.
struct Server {
    stat: PathBuf,
}

impl Server {
    fn at(port: u16) -> Self {
        let port = port.to_string();
        let is_it = |dir: &Path| {
            let line = std::fs::read(dir.join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("moto_server") && line.split('\0').any(|word| word == port)
        };
        let mut all = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        Self { stat: all.find(|dir| is_it(dir)).unwrap().join("stat") }
    }

    /// Seconds of processors that it used so far; the kernel counts hundredths.
    fn computed(&self) -> f64 {
        let text = std::fs::read_to_string(&self.stat).unwrap();
        let (_, after) = text.rsplit_once(')').unwrap();
        let ticks = |at: usize| after.split_whitespace().nth(at).unwrap().parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / 100.0
    }
}

/// The rival's program, installed once for this machine.
fn aws_cli() -> Option<PathBuf> {
    let program = Path::new(AWS_CLI).join("bin/aws");
    if program.exists() {
        return Some(program);
    }
    let made = Command::new("python3").args(["-m", "venv", AWS_CLI]).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("\n!!! NOT MEASURED: no Python with venv, so there is no `aws` to be compared with !!!\n");
        return None;
    }
    run(Command::new(Path::new(AWS_CLI).join("bin/pip")).args(["install", "--quiet", AWS_CLI_VERSION]));
    Some(program)
}
