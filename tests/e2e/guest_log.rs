//! What guests write to the host's log: whatever it is, it is lines of text, and not too many of them.

use serde_json::json;
use std::path::PathBuf;
use tests::client;
use tests::host::Plugins;
use tests::process::Process;

/// The guest with its secret, for a host in a process of its own.
fn keeper(secret: &str) -> (Plugins, PathBuf) {
    let plugins = Plugins::new().fixture("keeper").secret("token", secret, true);
    let file = plugins.write_config();
    let more = format!("[secrets.token]\nfile = {:?}\nreveal = true\n", plugins.secret_file("token"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + &more).unwrap();
    (plugins, file)
}

#[test]
fn text_of_a_guest_stays_one_escaped_line_of_its_own() {
    let (_plugins, config) = keeper("unused");
    let host = Process::start(&config, "info", &[]);
    let text = "a\r\n2026-01-01T00:00:00Z ERROR cofferdam: fake\u{1b}[2J\u{7}\u{202e}\u{2028}\u{9b}31m {tenant} %s";
    for tool in ["note", "print"] {
        let answer = client::call(host.address, tool, json!({ "text": text }));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // A line break of standard output ends a record; one in a record does not.
    // What a guest printed comes when its call has ended, standard error last.
    let log = host.log_with("from=\"stderr\"");
    drop(host);
    let of_guest: Vec<_> = log.lines().filter(|line| line.contains("fake")).collect();
    assert_eq!(of_guest.len(), 4, "{log}");
    for line in &of_guest {
        assert!(line.contains("cofferdam::guest") && line.contains("tenant=local plugin=keeper call="), "{line}");
        assert!(line.contains("fake\\u{1b}[2J\\u{7}\\u{202e}\\u{2028}\\u{9b}31m {tenant} %s"), "{line}");
    }
    assert!(of_guest.iter().any(|line| line.contains("ERROR") && line.contains("keeper: a\\r\\n2026")), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01")), "{log}");
    assert!(!log.chars().any(|c| c != '\n' && c.is_control()), "{log:?}");
}

#[test]
fn a_flood_is_cut_to_the_rate_of_its_tenant() {
    let (_plugins, config) = keeper("unused");
    let host = Process::start(&config, "info", &[]);
    let began = std::time::Instant::now();
    for _ in 0..4 {
        let answer = client::call(host.address, "note", json!({"text": "flood", "times": 1_000}));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let log = host.log_with("log_records_per_second_max");
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let (written, said) = (log.matches("keeper: flood").count(), log.matches("log_records_per_second_max").count());
    // A whole second's worth at once, and then as fast as the rate.
    assert!(written >= 200 && written <= 200 * (seconds + 1), "{written} records in {seconds} s");
    assert!(said <= seconds + 1, "said {said} times in {seconds} s");
    assert!(written < 4_000 || seconds > 15, "{written} records in {seconds} s");
}

#[test]
fn a_secret_that_a_guest_has_read_stays_out_of_the_log() {
    let secret = "canary-b7e2";
    let (_plugins, config) = keeper(secret);
    let host = Process::start(&config, "info", &[]);
    let answer = client::call(host.address, "spill", json!({"name": "token"}));
    assert!(answer.body.contains("the plugin failed") && !answer.body.contains(secret), "{answer:?}");
    let log = host.log_with("is no secret any more");
    assert!(log.contains("the secret is ***") && log.contains("*** is no secret any more"), "{log}");
    assert!(!host.end().contains("canary"), "{log}");
}
