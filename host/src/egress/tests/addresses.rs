//! Where connections may go.

use super::{Names, egress};
use super::{lookups, slot};
use crate::egress::{EgressError, Resolve as _, SystemResolver};
use crate::grants::http::{Host, Origin, Scheme};
use crate::limits::Limits;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;

const EVERYTHING_PRIVATE: [&str; 6] = ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/8", "100.0.0.0/8", "fd00::/8"];

fn origin(host: &str, port: u16) -> Origin {
    Origin { scheme: Scheme::Http, host: Host::parse(host).unwrap(), port }
}

async fn dialled(names: &Arc<Names>, private: &[&str], host: &str, port: u16) -> Result<(), EgressError> {
    let egress = egress(names, private, None, &Arc::new(Limits::default()));
    egress.dial(&origin(host, port), Duration::MAX, &lookups()).await.map(drop)
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn s05_a_name_for_a_private_address_is_refused_whatever_its_kind() {
    let (names, (listener, port)) = (Arc::<Names>::default(), listener().await);
    for address in
        ["127.0.0.1", "10.1.2.3", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "0.0.0.0", "fe80::1", "224.0.0.1"]
    {
        names.set("a.example", &[&[address]]);
        assert_eq!(dialled(&names, &[], "a.example", port).await, Err(EgressError::Refused), "{address}");
    }
    names.set("a.example", &[&["127.0.0.1"]]);
    assert_eq!(dialled(&names, &["127.0.0.1/32"], "a.example", port).await, Ok(()));
    assert_eq!(dialled(&names, &["127.0.0.2/32", "10.0.0.0/8"], "a.example", port).await, Err(EgressError::Refused));
    drop(listener);
}

#[tokio::test]
async fn s06_of_mixed_answers_only_those_that_may_be_are_dialled() {
    let (names, (listener, port)) = (Arc::<Names>::default(), listener().await);
    // Nobody listens at the others; if they were tried, they would come first.
    names.set("a.example", &[&["169.254.169.254", "10.9.9.9", "127.0.0.1", "::1"]]);
    assert_eq!(dialled(&names, &["127.0.0.1/32"], "a.example", port).await, Ok(()));
    assert!(listener.accept().await.is_ok());
}

#[tokio::test]
async fn s03_metadata_services_are_refused_even_when_their_range_is_offered() {
    let names = Arc::<Names>::default();
    for address in ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"] {
        names.set("a.example", &[&[address]]);
        assert_eq!(dialled(&names, &EVERYTHING_PRIVATE, "a.example", 80).await, Err(EgressError::Refused), "{address}");
        let literal = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        assert_eq!(dialled(&names, &EVERYTHING_PRIVATE, &literal, 80).await, Err(EgressError::Refused), "{address}");
    }
}

#[tokio::test]
async fn s07_a_second_answer_is_never_asked_for() {
    let (names, (listener, port)) = (Arc::<Names>::default(), listener().await);
    names.set("a.example", &[&["127.0.0.1"], &["10.6.6.6"]]);
    assert_eq!(dialled(&names, &["127.0.0.1/32"], "a.example", port).await, Ok(()));
    assert_eq!(names.asked.load(Ordering::Relaxed), 1, "one lookup for one connection, and what was checked was dialled");
    // The next connection looks anew, and checks anew.
    assert_eq!(dialled(&names, &["127.0.0.1/32"], "a.example", port).await, Err(EgressError::Refused));
    drop(listener);
}

#[tokio::test]
async fn s09_our_own_listeners_are_refused_also_when_loopback_is_offered() {
    let (names, (listener, port)) = (Arc::<Names>::default(), listener().await);
    names.set("a.example", &[&["127.0.0.1"]]);
    let (_other, other_port) = self::listener().await;
    for own in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"), format!("[::]:{port}"), format!("[::ffff:127.0.0.1]:{port}")] {
        let egress = egress(&names, &["127.0.0.0/8"], None, &Arc::new(Limits::default()));
        egress.keep_out_of(own.parse::<SocketAddr>().unwrap());
        for host in ["a.example", "127.0.0.1"] {
            let refused = egress.dial(&origin(host, port), Duration::MAX, &lookups()).await.map(drop);
            assert_eq!(refused, Err(EgressError::Refused), "{own} {host}");
        }
        assert!(egress.dial(&origin("a.example", other_port), Duration::MAX, &lookups()).await.is_ok(), "another port is another's");
    }
    drop(listener);
}

#[tokio::test]
async fn s16_connecting_ends_at_its_deadline() {
    let names = Arc::<Names>::default();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts: when the queue is full, the kernel answers no more.
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await {
        queue.push(stream);
    }
    names.set("a.example", &[&["127.0.0.1", "127.0.0.1"]]);
    let limits = Limits { http_connect_time_max: Duration::from_millis(100), ..Limits::default() };
    let egress = egress(&names, &["127.0.0.1/32"], None, &Arc::new(limits));
    // The guest wants to wait for ten minutes.
    let late = egress.dial(&origin("a.example", address.port()), Duration::from_secs(600), &lookups()).await.map(drop);
    assert_eq!(late, Err(EgressError::Timeout("connecting", Duration::from_millis(100))));
    assert_eq!(Limits::default().http_connect_time_max, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn s22_a_resolver_that_is_silent_wrong_or_talkative_costs_two_seconds_at_most() {
    let (names, begun) = (Arc::<Names>::default(), Instant::now());
    let silent = dialled(&names, &[], "silent.example", 80).await;
    assert!(matches!(silent, Err(EgressError::Timeout("looking up the name", _))), "{silent:?}");
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!(dialled(&names, &[], "unknown.example", 80).await, Err(EgressError::NoAddress));
    names.set("a.example", &[&[]]);
    assert_eq!(dialled(&names, &[], "a.example", 80).await, Err(EgressError::NoAddress));
    let mut many = vec!["10.0.0.1"; 500];
    many.push("127.0.0.1");
    names.set("a.example", &[&many]);
    assert_eq!(dialled(&names, &["127.0.0.1/32"], "a.example", 80).await, Err(EgressError::Refused), "the last one is not looked at");
}

#[tokio::test]
async fn the_systems_resolver_knows_this_machine_and_gives_its_slot_back() {
    let resolver = SystemResolver::new(1);
    for _ in 0..2 {
        let found = resolver.resolve("localhost", 80, slot().await).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 80), "{found:?}");
    }
    assert!(resolver.resolve("name.invalid", 80, slot().await).await.is_err());
}
