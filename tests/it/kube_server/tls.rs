//! Certificates of its own for a server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate and the authority that it is from.
#[derive(Clone)]
pub struct Tls {
    /// File of the authority's certificate.
    pub ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// A new authority in `dir`, and a certificate for `names` (`IP:127.0.0.1`).
    pub fn new(dir: &Path, name: &str, names: &str) -> Self {
        let file = |end: &str| dir.join(format!("{name}.{end}")).display().to_string();
        let (ca, ca_key, certificate, key, request, ext) =
            (file("ca.crt"), file("ca.key"), file("crt"), file("key"), file("csr"), file("ext"));
        std::fs::write(&ext, format!("subjectAltName={names}\n")).unwrap();
        let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let subject = format!("/CN=datapin test {name}");
        let root = ["req", "-x509", "-keyout", &ca_key, "-out", &ca, "-subj", &subject, "-days", "2"];
        openssl(&[&root[..], &ec].concat());
        openssl(&[&["req", "-keyout", &key, "-out", &request, "-subj", "/CN=server"][..], &ec].concat());
        let sign = ["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"];
        openssl(&[&sign[..], &["-out", &certificate, "-days", "2", "-extfile", &ext]].concat());
        Self { ca: ca.into(), certificate: certificate.into(), key: key.into() }
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let chain = CertificateDer::pem_file_iter(&self.certificate).unwrap();
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(&self.key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
    }
}

fn openssl(args: &[&str]) {
    let output = Command::new("openssl").args(args).output();
    let output = output.unwrap_or_else(|error| panic!("openssl: {error}; apt-get install -y openssl"));
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
