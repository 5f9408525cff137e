//! EKS: AWS on the wire, and an API server that takes only tokens that AWS would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datapin::cluster::{ClusterError, Clusters, Kind};
use datapin::config::{ClusterAccess, Eks};
use serde_json::json;

use crate::kube_server::KubeServer;

const ROLE: &str = "arn:aws:iam::111111111111:role/datapin";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// EKS and STS.
struct Aws {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Address of the cluster.
    endpoint: String,
    /// How often the role was assumed: each time there is another key.
    assumed: usize,
    /// Refuses to describe clusters.
    refuse: bool,
}

impl Aws {
    fn start(endpoint: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { endpoint, assumed: 0, refuse: false }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || converse(stream, &shared));
            }
        });
        Self { address, state }
    }

    fn clusters(&self) -> Clusters {
        let url = format!("http://{}", self.address);
        Clusters::new(Arc::new(move |name| match name {
            "AWS_ENDPOINT_URL" => Some(url.clone()),
            "AWS_ACCESS_KEY_ID" => Some("AKIDOWN".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some(SECRET.to_owned()),
            _ => None,
        }))
    }
}

fn converse(mut stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let header = |name: &str| {
            let found = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
            found.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let mut body = vec![0; header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        let authorization = header("authorization").unwrap_or_default();
        let (status, answer) = answer(&head, &authorization, &String::from_utf8(body).unwrap(), state);
        let _ = write!(stream, "HTTP/1.1 {status} S\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
    }
}

/// As Signature Version 4 has it: key, day, region, service; host and date are signed.
fn is_signed(authorization: &str, key: &str, service: &str) -> bool {
    let form = regex::Regex::new(&format!(
        "^AWS4-HMAC-SHA256 Credential={key}/\\d{{8}}/eu-central-1/{service}/aws4_request, \
         SignedHeaders=[a-z0-9;-]*host;[a-z0-9;-]*x-amz-date[a-z0-9;-]*, Signature=[0-9a-f]{{64}}$"
    ));
    form.unwrap().is_match(authorization)
}

fn answer(head: &str, authorization: &str, body: &str, state: &Mutex<State>) -> (u16, String) {
    let mut state = state.lock().unwrap();
    if head.starts_with("POST / ") && body.contains("Action=AssumeRole&") {
        if !is_signed(authorization, "AKIDOWN", "sts") || !body.contains("role%2Fdatapin") {
            return (403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>".to_owned());
        }
        state.assumed += 1;
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
        return (
            200,
            format!(
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                 <Credentials><AccessKeyId>ASIAROLE{}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
                 <SessionToken>session+/=</SessionToken><Expiration>{until}</Expiration></Credentials>\
                 <AssumedRoleUser><Arn>arn:aws:sts::111111111111:assumed-role/datapin/datapin</Arn><AssumedRoleId>a</AssumedRoleId></AssumedRoleUser>\
                 </AssumeRoleResult></AssumeRoleResponse>",
                state.assumed
            ),
        );
    }
    let signed = is_signed(authorization, "(AKIDOWN|ASIAROLE\\d+)", "eks");
    if state.refuse || !signed {
        let message = "User: arn:aws:iam::1:user/ci is not authorized to perform: eks:DescribeCluster";
        return (403, json!({ "message": message }).to_string());
    }
    match head.split(' ').nth(1) {
        Some("/clusters/nonprod") => {
            let cluster =
                json!({ "endpoint": state.endpoint, "status": "ACTIVE", "certificateAuthority": {} });
            (200, json!({ "cluster": cluster }).to_string())
        }
        Some("/clusters/new") => (200, json!({ "cluster": { "status": "CREATING" } }).to_string()),
        other => (404, json!({ "message": format!("No cluster found for name: {other:?}.") }).to_string()),
    }
}

fn access(cluster: &str, role: Option<&str>) -> ClusterAccess {
    let eks = Eks {
        cluster: cluster.to_owned(),
        region: "eu-central-1".to_owned(),
        role_arn: role.map(str::to_owned),
    };
    ClusterAccess { eks: Some(eks), ..ClusterAccess::default() }
}

/// The presigned request in a token, as aws-iam-authenticator checks it: for this host and cluster only, sent
/// soon, signed not longer than 15 minutes ago. The key that signed it.
fn checked(token: &str) -> Option<String> {
    let url = URL_SAFE_NO_PAD.decode(token.strip_prefix("k8s-aws-v1.")?).ok()?;
    let url = reqwest::Url::parse(std::str::from_utf8(&url).ok()?).ok()?;
    let pairs: std::collections::BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let one = |name: &str| pairs.get(name).map(String::as_str);
    let mut known: Vec<&str> = pairs.keys().map(String::as_str).collect();
    known.retain(|name| *name != "X-Amz-Security-Token");
    let all = [
        "Action",
        "Version",
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
    ];
    let good = url.scheme() == "https"
        && url.host_str() == Some("sts.eu-central-1.amazonaws.com")
        && url.path() == "/"
        && known == all
        && one("Action") == Some("GetCallerIdentity")
        && one("X-Amz-SignedHeaders") == Some("host;x-k8s-aws-id")
        && one("X-Amz-Expires") == Some("60")
        && one("X-Amz-Signature")?.len() == 64;
    let credential = one("X-Amz-Credential")?.strip_suffix("/eu-central-1/sts/aws4_request")?;
    let (key, _) = credential.split_once('/')?;
    let session = one("X-Amz-Security-Token");
    (good && session.is_some() == key.starts_with("ASIA")).then(|| key.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_in_process_and_renewed_when_the_cluster_forgets_it() {
    let server = KubeServer::start();
    server.put(Kind::POD, "apps", json!({ "metadata": { "name": "mds" } }));
    let keys = Arc::new(Mutex::new(vec!["ASIAROLE1".to_owned()]));
    let known = Arc::clone(&keys);
    server.accept(move |token| checked(token).is_some_and(|key| known.lock().unwrap().contains(&key)));
    let aws = Aws::start(server.url());
    let cluster = aws.clusters().get(&access("nonprod", Some(ROLE))).await.unwrap();
    assert!(cluster.label().starts_with("EKS cluster `nonprod` (http://127.0.0.1"), "{}", cluster.label());
    cluster.get(Kind::POD, "apps", "mds").await.unwrap();
    // the first token is too old now
    *keys.lock().unwrap() = vec!["ASIAROLE2".to_owned()];
    cluster.get(Kind::POD, "apps", "mds").await.unwrap();
    assert_eq!(aws.state.lock().unwrap().assumed, 2);
    let statuses: Vec<u16> = server.asked().iter().map(|asked| asked.status).collect();
    assert_eq!(statuses, [200, 401, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_credentials_do_without_a_role() {
    let server = KubeServer::start();
    server.accept(|token| checked(token).as_deref() == Some("AKIDOWN"));
    let aws = Aws::start(server.url());
    let cluster = aws.clusters().get(&access("nonprod", None)).await.unwrap();
    assert!(cluster.list(Kind::POD, "apps", "").await.unwrap().is_empty());
    assert_eq!(aws.state.lock().unwrap().assumed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_says_is_said() {
    let aws = Aws::start("http://127.0.0.1:1".to_owned());
    let clusters = aws.clusters();
    let said = async |access: ClusterAccess| clusters.get(&access).await.unwrap_err().to_string();
    let missing = said(access("../other", None)).await;
    assert!(missing.contains("404 Not Found: No cluster found"), "{missing}");
    let new = said(access("new", None)).await;
    assert!(new.ends_with("it has no endpoint yet; its status is CREATING"), "{new}");
    let role = said(access("nonprod", Some("arn:aws:iam::1:role/other"))).await;
    assert!(role.contains("no AWS credentials for role arn:aws:iam::1:role/other"), "{role}");
    assert!(role.contains("sts:AssumeRole"), "{role}");
    aws.state.lock().unwrap().refuse = true;
    let refused = said(access("nonprod", None)).await;
    assert!(refused.contains("not authorized to perform: eks:DescribeCluster"), "{refused}");
    for text in [missing, new, role, refused] {
        assert!(text.starts_with("EKS cluster `") && !text.contains(SECRET), "{text}");
    }
    let away = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x".to_owned()),
        _ => None,
    };
    let error = Clusters::new(Arc::new(away)).get(&access("nonprod", None)).await.unwrap_err();
    assert!(matches!(error, ClusterError::Unreachable { .. }) && error.is_transient(), "{error}");
}
