//! A real moto server: S3, SSM and STS, as AWS answers. Its packages come from PyPI, into a place under /tmp of their
//! own. Without Python the tests that need it say so loudly and pass.

pub mod door;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use datapin::aws::Aws;
use datapin::config::AwsAccess;

pub use door::{Door, Says};

/// The account of the job itself.
pub const REGION: &str = "eu-central-1";
/// A role in an account of its own.
pub const ROLE: &str = "arn:aws:iam::222222222222:role/datapin";
/// Longest start of a server on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A server; it ends with this value.
pub struct Moto {
    child: Child,
    port: u16,
    runtime: tokio::runtime::Runtime,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    /// A server that nothing is in, or nothing (loudly) where there is no Python.
    pub fn start() -> Option<Self> {
        let program = program()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut moto = Self { child, port, runtime };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(moto.child.try_wait().unwrap().is_none(), "moto ended at once");
            assert!(begun.elapsed() < START, "moto did not start within {START:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(moto)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits for an answer.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Access as the product has it.
    pub fn aws(&self) -> Aws {
        aws_at(&self.url())
    }

    /// A client of S3 in the job's own account.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        self.wait(self.aws().s3(&AwsAccess::default())).unwrap()
    }

    /// A client of SSM.
    pub fn ssm(&self) -> aws_sdk_ssm::Client {
        self.wait(self.aws().ssm(&AwsAccess::default())).unwrap()
    }

    /// Makes a bucket.
    pub fn bucket(&self, name: &str) {
        self.bucket_by(&self.s3(), name);
    }

    /// Makes a bucket in the account of a role.
    pub fn bucket_of(&self, role: &str, name: &str) {
        let access = AwsAccess { role_arn: Some(role.to_owned()), ..AwsAccess::default() };
        self.bucket_by(&self.wait(self.aws().s3(&access)).unwrap(), name);
    }

    fn bucket_by(&self, client: &aws_sdk_s3::Client, name: &str) {
        use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
        let region = BucketLocationConstraint::from(REGION);
        let place = CreateBucketConfiguration::builder().location_constraint(region).build();
        self.wait(client.create_bucket().bucket(name).create_bucket_configuration(place).send()).unwrap();
    }

    /// Writes objects, many at once.
    pub fn put(&self, bucket: &str, objects: &[(String, Vec<u8>)]) {
        use futures_util::StreamExt as _;
        let client = self.s3();
        let puts = objects.iter().map(|(key, bytes)| {
            let put =
                client.put_object().bucket(bucket).key(key).body(ByteStream::from(bytes.clone())).send();
            async move { put.await.map(|_| ()) }
        });
        self.wait(async {
            let mut puts = futures_util::stream::iter(puts).buffer_unordered(16);
            while let Some(put) = puts.next().await {
                put.unwrap();
            }
        });
    }

    /// Exports a small package, its marker last.
    pub fn export(&self, bucket: &str, prefix: &str) {
        let object = |key: &str| (format!("{prefix}{key}"), format!("data of {key}").into_bytes());
        self.put(bucket, &[object("stops.bin"), object("lines/1 a+b.bin"), object("lines/größe.bin")]);
        self.put(bucket, &[(format!("{prefix}_SUCCESS"), Vec::new())]);
    }

    /// Keys of a bucket, sorted.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let client = self.s3();
        let mut keys = Vec::new();
        let mut next = None;
        loop {
            let page = client.list_objects_v2().bucket(bucket).set_continuation_token(next).send();
            let page = self.wait(page).unwrap();
            keys.extend(page.contents().iter().filter_map(|found| found.key()).map(str::to_owned));
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return keys;
            }
        }
    }

    /// Forgets everything.
    pub fn reset(&self) {
        use std::io::{Read as _, Write as _};
        let mut line = std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        line.write_all(
            b"POST /moto-api/reset HTTP/1.1\r\nHost: moto\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// An object's bytes.
    pub fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        let client = self.s3();
        self.wait(async {
            let got = client.get_object().bucket(bucket).key(key).send().await.unwrap();
            got.body.collect().await.unwrap().to_vec()
        })
    }

    /// What a parameter says, in the job's own account.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let client = self.ssm();
        let got = self.wait(client.get_parameter().name(name).with_decryption(true).send()).ok()?;
        got.parameter()?.value().map(str::to_owned)
    }
}

impl Moto {
    /// All that a parameter ever said, the oldest first.
    pub fn parameter_history(&self, name: &str) -> Vec<String> {
        let client = self.ssm();
        let got = self.wait(client.get_parameter_history().name(name).with_decryption(true).send());
        let all = got.map(|got| got.parameters.unwrap_or_default()).unwrap_or_default();
        all.into_iter().filter_map(|one| one.value).collect()
    }
}

/// Access as the product has it, at an address.
pub fn aws_at(url: &str) -> Aws {
    let url = url.to_owned();
    Aws::new(Arc::new(move |name| {
        variables(&url).into_iter().find(|(known, _)| *known == name).map(|(_, v)| v)
    }))
}

/// The variables that lead the product to an address.
pub fn variables(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
    ]
}

/// What no output may show.
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The server's program, installed once for all tests of this machine.
fn program() -> Option<PathBuf> {
    let root = Path::new("/tmp/datapin-moto-venv");
    let program = root.join("bin/moto_server");
    let lock = std::fs::File::create("/tmp/datapin-moto-venv.lock").unwrap();
    lock.lock().unwrap();
    if program.exists() {
        return Some(program);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(root).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("\n\n!!! SKIPPED: no Python with venv, so nothing was tested against S3 and SSM !!!\n\n");
        return None;
    }
    let installed =
        Command::new(root.join("bin/pip")).args(["install", "--quiet", "moto[server]"]).status().unwrap();
    assert!(installed.success(), "moto[server] cannot be installed from PyPI");
    Some(program)
}
