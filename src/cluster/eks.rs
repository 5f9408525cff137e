//! EKS: where the cluster is, asked of AWS, and a token made of AWS credentials. No program is needed.
//!
//! The token is a presigned `GetCallerIdentity` of STS, as aws-iam-authenticator documents it: whoever checks it
//! sends the request and learns who signed it. The cluster takes it for 15 minutes.

use std::time::{Duration, Instant, SystemTime};

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kube::config::{KubeConfigOptions, Kubeconfig};
use reqwest::Url;
use serde_json::{Value, json};

use super::{ClusterError, Lookup};
use crate::causes::chain;
use crate::config::Eks;

/// How long a token is used: a minute less than the cluster takes it.
const LIFE: Duration = Duration::from_mins(14);
/// How long the presigned request may be sent; the cluster adds its own 15 minutes.
const EXPIRES: Duration = Duration::from_secs(60);
/// How long AWS may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How the cluster is reached, and until when.
pub(super) async fn config(eks: &Eks, lookup: &Lookup) -> Result<(kube::Config, Instant), ClusterError> {
    let credentials = credentials(eks, lookup).await?;
    let until = Instant::now() + LIFE;
    let found = describe(eks, lookup, &credentials).await?;
    let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let server = text("/cluster/endpoint").ok_or_else(|| {
        let status = text("/cluster/status").unwrap_or("unknown");
        failed(eks, format!("it has no endpoint yet; its status is {status}"))
    })?;
    let token = token(eks, &credentials)?;
    let mut cluster = json!({ "server": server });
    if let Some(authority) = text("/cluster/certificateAuthority/data") {
        cluster["certificate-authority-data"] = json!(authority);
    }
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "eks",
        "clusters": [{ "name": "eks", "cluster": cluster }],
        "users": [{ "name": "eks", "user": { "token": token } }],
        "contexts": [{ "name": "eks", "context": { "cluster": "eks", "user": "eks" } }],
    });
    let unusable = |_| failed(eks, "AWS's answer has no usable endpoint or certificate".to_owned());
    let kubeconfig: Kubeconfig =
        serde_json::from_value(config).map_err(|error| failed(eks, error.to_string()))?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Ok((config.map_err(unusable)?, until))
}

/// Those of the variables, else of AWS's own chain; then those of the role.
async fn credentials(eks: &Eks, lookup: &Lookup) -> Result<Credentials, ClusterError> {
    let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let mut loader =
        aws_config::defaults(BehaviorVersion::v2026_01_12()).region(Region::new(eks.region.clone()));
    if let (Some(id), Some(key)) = (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
        let own = Credentials::new(id, key, set("AWS_SESSION_TOKEN"), None, "environment");
        loader = loader.credentials_provider(own);
    }
    if let Some(url) = set("AWS_ENDPOINT_URL_STS").or_else(|| set("AWS_ENDPOINT_URL")) {
        loader = loader.endpoint_url(url);
    }
    let aws = loader.load().await;
    let provided = match (&eks.role_arn, aws.credentials_provider()) {
        (Some(role), _) => {
            let role =
                AssumeRoleProvider::builder(role).session_name("datapin").configure(&aws).build().await;
            role.provide_credentials().await
        }
        (None, Some(own)) => own.provide_credentials().await,
        (None, None) => return Err(failed(eks, "there are no AWS credentials".to_owned())),
    };
    provided.map_err(|error| {
        let role = eks.role_arn.as_ref().map(|role| format!(" for role {role}")).unwrap_or_default();
        let reason = format!("no AWS credentials{role}: {}", chain(&error));
        match reason.contains("dispatch failure")
            || reason.contains("timeout")
            || reason.contains("timed out")
        {
            true => unreachable(eks, reason),
            false => failed(eks, reason),
        }
    })
}

/// What AWS says of the cluster.
async fn describe(eks: &Eks, lookup: &Lookup, credentials: &Credentials) -> Result<Value, ClusterError> {
    let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let base = set("AWS_ENDPOINT_URL_EKS").or_else(|| set("AWS_ENDPOINT_URL"));
    let base = base.unwrap_or_else(|| format!("https://eks.{}.{}", eks.region, suffix(&eks.region)));
    let mut url = Url::parse(&base).map_err(|error| failed(eks, format!("endpoint {base}: {error}")))?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push("clusters").push(&eks.cluster);
    }
    let request = signed(eks, credentials, "eks", url.as_str(), &[], SigningSettings::default())?;
    let answer = async {
        let client = reqwest::Client::builder().connect_timeout(LIMIT).build()?;
        let mut asked = client.get(url);
        for (name, value) in &request.headers {
            asked = asked.header(name, value);
        }
        let answer = asked.send().await?;
        Ok::<_, reqwest::Error>((answer.status(), answer.bytes().await?))
    };
    let (status, body) = match tokio::time::timeout(LIMIT, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(unreachable(eks, chain(&error.without_url()))),
        Err(_) => return Err(unreachable(eks, format!("no answer within {LIMIT:?}"))),
    };
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    let said = answer["message"].as_str().or_else(|| answer["Message"].as_str()).unwrap_or_default();
    let reason = format!("DescribeCluster: {status}: {}", crate::process::one_line(said, 300));
    Err(if status.is_server_error() || status.as_u16() == 429 {
        unreachable(eks, reason)
    } else {
        failed(eks, reason)
    })
}

/// The token that the cluster takes.
fn token(eks: &Eks, credentials: &Credentials) -> Result<String, ClusterError> {
    let url = format!(
        "https://sts.{}.{}/?Action=GetCallerIdentity&Version=2011-06-15",
        eks.region,
        suffix(&eks.region)
    );
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES);
    let header = ("x-k8s-aws-id", eks.cluster.as_str());
    let request = signed(eks, credentials, "sts", &url, &[header], settings)?;
    let mut url = Url::parse(&url).map_err(|error| failed(eks, error.to_string()))?;
    url.query_pairs_mut().extend_pairs(&request.query);
    Ok(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url.as_str())))
}

/// What signing adds to a GET.
struct Signed {
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

fn signed(
    eks: &Eks,
    credentials: &Credentials,
    service: &str,
    url: &str,
    headers: &[(&str, &str)],
    settings: SigningSettings,
) -> Result<Signed, ClusterError> {
    let unsigned = |error: &dyn std::error::Error| failed(eks, format!("cannot sign: {}", chain(error)));
    let identity = credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&eks.region)
        .name(service)
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .map_err(|error| unsigned(&error))?
        .into();
    let request = SignableRequest::new("GET", url, headers.iter().copied(), SignableBody::Bytes(&[]))
        .map_err(|error| unsigned(&error))?;
    let (added, _) = sign(request, &params).map_err(|error| unsigned(&error))?.into_parts();
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(Signed {
        headers: added.headers().map(owned).collect(),
        query: added.params().iter().map(|(name, value)| owned((name, value))).collect(),
    })
}

fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

fn failed(eks: &Eks, reason: String) -> ClusterError {
    ClusterError::Eks { cluster: eks.cluster.clone(), region: eks.region.clone(), reason }
}

/// It may be there a moment later.
fn unreachable(eks: &Eks, reason: String) -> ClusterError {
    ClusterError::Unreachable { cluster: format!("EKS cluster `{}` in {}", eks.cluster, eks.region), reason }
}
