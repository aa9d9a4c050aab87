//! Servers that are down, silent or hang.

use super::*;
use std::io::Write as _;
use std::net::TcpListener;
use std::time::Instant;
use tests::postgres::PgServer;

#[test]
fn f10_a_database_that_is_down_is_unavailable_and_heals() {
    let server = PgServer::new();
    let host = plugins("read").postgres("main", server.address()).start();
    for _ in 0..3 {
        let begun = Instant::now();
        let text = refusal(&query(&host, json!({"sql": "SELECT 1 AS one"})));
        assert!(text.contains("unavailable") && begun.elapsed() < Duration::from_secs(1), "{text}: {:?}", begun.elapsed());
    }
    server.start();
    assert_eq!(rows(&host, "SELECT 1 AS one"), json!([{"one": 1}]));
    // In flight.
    let address = host.address;
    let slow = std::thread::spawn(move || client::call(address, "database_query", json!({"sql": "SELECT pg_sleep(0.4), 1 AS one"})));
    server.wait_until("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'", "1");
    server.stop();
    let text = refusal(&slow.join().unwrap());
    assert!(text.contains("unavailable"), "{text}");
    assert!(refusal(&query(&host, json!({"sql": "SELECT 1"}))).contains("unavailable"));
    server.start();
    assert_eq!(rows(&host, "SELECT 1 AS one"), json!([{"one": 1}]));
}

/// It takes connections and says nothing. Another plugin, with another database, does not notice.
#[test]
fn f11_a_database_that_never_answers_costs_only_its_own_calls() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let database = shop();
    let mut server = database.server();
    server.host = cofferdam::config::ServerHost::Name("127.0.0.1".to_owned());
    server.port = silent.local_addr().unwrap().port();
    let manifest = "name = \"other\"\n[grants.sql.good]\naccess = \"read\"\n";
    let host = plugins("read")
        .with_manifest("other", &guest("database"), manifest)
        .limits(|limits| limits.sql_wait_max = Duration::from_secs(1))
        .postgres("main", server)
        .postgres("good", database.server())
        .start();
    let address = host.address;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let begun = Instant::now();
                (client::call(address, "database_query", json!({"sql": "SELECT 1"})), begun.elapsed())
            })
        })
        .collect();
    let begun = Instant::now();
    for _ in 0..20 {
        let answer = client::call(address, "other_query", json!({"sql": "SELECT 1 AS one"}));
        assert_eq!(result(&answer)["rows"], json!([{"one": 1}]));
    }
    let others = begun.elapsed();
    for call in calls {
        let (answer, time) = call.join().unwrap();
        let text = refusal(&answer);
        assert!(text.contains("unavailable") && time < Duration::from_millis(2_500), "{text}: {time:?}");
    }
    assert!(others < Duration::from_secs(2), "{others:?}");
}

#[test]
fn a_client_that_leaves_interrupts_its_statement() {
    let database = shop();
    let host = plugins("read")
        .limits(|limits| limits.sql_statement_time_max = Duration::from_secs(60))
        .postgres("main", database.server())
        .start();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'SELECT pg_sleep(55)%'";
    let mut connection = client::connect(host.address);
    let call = json!({"name": "database_query", "arguments": {"sql": "SELECT pg_sleep(55)"}});
    connection.write_all(client::modern_text(&json!(1), "tools/call", call).as_bytes()).unwrap();
    while database.psql(running) != "1" {}
    drop(connection);
    while database.psql(running) != "0" {}
    assert_eq!(rows(&host, "SELECT 1 AS one"), json!([{"one": 1}]));
}
