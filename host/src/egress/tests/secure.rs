//! TLS towards upstreams.

use super::lookups;
use super::upstream::{Seen, response, serve};
use super::{Names, egress};
use crate::egress::{Egress, EgressError};
use crate::grants::http::{Host, Origin, Scheme};
use crate::limits::Limits;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsAcceptor;

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn egress(&self, names: &Arc<Names>) -> Arc<Egress> {
        egress(names, &["127.0.0.1/32"], Some(&self.folder.path().join("ca.pem")), &Arc::new(Limits::default()))
    }

    fn certificate(&self, name: &str, expired: bool) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        config(certificate.der().clone(), &key)
    }
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()
}

/// An upstream with TLS, and the names that clients asked for.
async fn upstream(config: ServerConfig) -> (u16, UnboundedReceiver<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, (log, asked)) = (listener.local_addr().unwrap().port(), unbounded_channel());
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let _ = log.send(stream.get_ref().1.server_name().map(str::to_owned));
            tokio::spawn(async move { serve(stream, 0, &|_, _| response("200 OK", "", "secure"), &Seen::default()).await });
        }
    });
    (port, asked)
}

fn origin(port: u16) -> Origin {
    Origin { scheme: Scheme::Https, host: Host::parse("api.example.com").unwrap(), port }
}

#[tokio::test]
async fn s15_the_certificate_has_to_be_good_and_for_the_name() {
    let (authority, names) = (Authority::new(), Arc::<Names>::default());
    names.set("api.example.com", &[&["127.0.0.1"]]);
    let egress = authority.egress(&names);
    let (port, mut asked) = upstream(authority.certificate("api.example.com", false)).await;
    let connected = egress.dial(&origin(port), Duration::MAX, &lookups()).await;
    assert_eq!(asked.recv().await.unwrap().as_deref(), Some("api.example.com"), "SNI is the name");
    assert!(connected.is_ok());

    let own = rcgen::generate_simple_self_signed(vec!["api.example.com".to_owned()]).unwrap();
    for (config, why) in [
        (authority.certificate("other.example.com", false), "the certificate is for another name"),
        (authority.certificate("api.example.com", true), "the certificate has expired"),
        // Of an authority of the same name, whose key is another.
        (Authority::new().certificate("api.example.com", false), "the certificate is "),
        (config(own.cert.der().clone(), &own.signing_key), "the certificate is "),
    ] {
        let (port, _) = upstream(config).await;
        let refused = egress.dial(&origin(port), Duration::MAX, &lookups()).await.map(drop);
        assert!(matches!(refused, Err(EgressError::Tls(told)) if told.starts_with(why)), "{why}: {refused:?}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let leaves = listener.local_addr().unwrap().port();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    assert!(matches!(egress.dial(&origin(leaves), Duration::MAX, &lookups()).await.map(drop), Err(EgressError::Tls(_))));
}

#[tokio::test]
async fn s16_a_handshake_ends_at_its_deadline() {
    let names = Arc::<Names>::default();
    names.set("api.example.com", &[&["127.0.0.1"]]);
    let limits = Limits { http_tls_time_max: Duration::from_millis(100), ..Limits::default() };
    let egress = egress(&names, &["127.0.0.1/32"], None, &Arc::new(limits));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let late = egress.dial(&origin(port), Duration::MAX, &lookups()).await.map(drop);
    assert_eq!(late, Err(EgressError::Timeout("the TLS handshake", Duration::from_millis(100))));
    assert_eq!(Limits::default().http_tls_time_max, Duration::from_secs(5));
    drop(listener);
}

#[test]
fn a_file_of_authorities_that_has_none_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let limits = Arc::new(Limits::default());
    let open = || Egress::new(Vec::new(), Some(&file), Arc::<Names>::default(), Arc::clone(&limits)).map(drop).unwrap_err();
    assert!(open().contains("ca.pem"));
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, text).unwrap();
        assert!(open().contains("ca.pem: "), "{text}");
    }
}
