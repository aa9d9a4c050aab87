//! What plugins call: an upstream on loopback that answers what a test writes, and a resolver that leads there.

use cofferdam::egress::Resolve;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::future::{Future, ready};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use tokio::sync::OwnedSemaphorePermit;

/// Leads every name to loopback, except those that begin with `inside.`, which lead to a private network.
pub struct Loopback;

impl Resolve for Loopback {
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        port: u16,
        _slot: OwnedSemaphorePermit,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        let address = if name.starts_with("inside.") { Ipv4Addr::new(10, 0, 0, 1) } else { Ipv4Addr::LOCALHOST };
        Box::pin(ready(Ok(vec![(address, port).into()])))
    }
}

/// An upstream that serves until the test's process ends.
pub struct Upstream {
    /// Its port on 127.0.0.1.
    pub port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

/// What stands for a response that never comes.
pub const SILENCE: &str = "";

impl Upstream {
    /// Starts one with TLS, for a name. Its authority is written to `ca`. `answer` gets the text of a request and gives that of its
    /// response, or [`SILENCE`].
    #[must_use]
    pub fn start(name: &str, ca: &Path, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        std::fs::write(ca, authority.pem()).expect("the authority's file");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec![name.to_owned()]).and_then(|params| params.signed_by(&key, &authority));
        let certificate = certificate.expect("a certificate").der().clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a good certificate"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (seen, answer) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(answer));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, log, answer) = (Arc::clone(&config), Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let connection = ServerConnection::new(config).expect("a connection");
                    serve(StreamOwned::new(connection, stream), &log, &*answer)
                });
            }
        });
        Self { port, seen }
    }

    /// The requests that it has seen, heads and bodies.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("the log").clone()
    }
}

/// A response with a body.
#[must_use]
pub fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Answers the requests of one connection, until it goes away.
fn serve(mut stream: impl Read + Write, log: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> String) -> Option<()> {
    loop {
        let request = request(&mut stream)?;
        log.lock().ok()?.push(request.clone());
        let text = answer(&request);
        if text == SILENCE {
            // Until the other end has had enough.
            return stream.read_to_end(&mut Vec::new()).ok().map(drop);
        }
        stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).ok()?;
    }
}

fn request(stream: &mut impl Read) -> Option<String> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 << 10]);
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            let chunked = head.contains("transfer-encoding: chunked");
            if if chunked { bytes.ends_with(b"0\r\n\r\n") } else { bytes.len() >= end + 4 + length } {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}
