//! TLS towards upstreams: the system's authorities, and those of the operator's.

use super::error::EgressError;
use crate::manifest::Host;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// How upstreams prove who they are.
pub(super) struct Tls {
    extra: Vec<CertificateDer<'static>>,
    config: OnceLock<Result<Arc<ClientConfig>, EgressError>>,
}

impl Tls {
    /// Reads the operator's file at once, so that a wrong one is found at start. The system's authorities are read when they are needed.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, String> {
        let mut extra = Vec::new();
        if let Some(file) = ca {
            let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
            let found = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| wrong(&error))?;
                RootCertStore::empty().add(certificate.clone()).map_err(|error| wrong(&error))?;
                extra.push(certificate);
            }
            if extra.is_empty() {
                return Err(wrong(&"there is no certificate in it"));
            }
        }
        Ok(Self { extra, config: OnceLock::new() })
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, EgressError> {
        self.config.get_or_init(|| self.read()).clone()
    }

    fn read(&self) -> Result<Arc<ClientConfig>, EgressError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        if let Some(error) = native.errors.first() {
            tracing::warn!(%error, "some of the system's authorities cannot be read");
        }
        roots.add_parsable_certificates(native.certs);
        roots.add_parsable_certificates(self.extra.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|_| EgressError::Tls("this host speaks no version of it"))?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Whom the certificate has to be for.
pub(super) fn server_name(host: &Host) -> Result<ServerName<'static>, EgressError> {
    match host {
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| EgressError::Tls("the name cannot stand in a certificate")),
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
    }
}

/// In words that hold nothing of the certificate.
pub(super) fn reason(error: &std::io::Error) -> &'static str {
    use rustls::{CertificateError, Error};
    match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(why)) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "the certificate is not valid yet",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "the certificate is for another name",
            CertificateError::UnknownIssuer => "the certificate is of an authority that is not trusted",
            _ => "the certificate is not valid",
        },
        Some(Error::AlertReceived(_) | Error::PeerIncompatible(_)) => "the peer speaks no version of it that we do",
        Some(_) => "the peer does not speak it as it should",
        None => "the peer left in the middle of the handshake",
    }
}
