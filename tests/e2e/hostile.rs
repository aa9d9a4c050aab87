//! Guests that attack: each ends within its limit with the error of its kind, and the next call succeeds. Names and ids follow the
//! project's catalogue of attacks, group G.

use serde_json::json;
use std::time::{Duration, Instant};
use tests::client::{self, Answer};
use tests::host::{Plugins, TestHost};

const CPU: Duration = Duration::from_millis(300);
const WALL: Duration = Duration::from_millis(600);

fn host() -> TestHost {
    Plugins::new()
        .guest("hostile")
        .wat("echo-bare")
        .limits(|limits| {
            limits.cpu_time_max = CPU;
            limits.wall_time_max = WALL;
        })
        .start()
}

/// Calls an attack, checks its error, and that the host is as good as before.
fn attack(host: &TestHost, tool: &str, status: u16, code: i64) -> Answer {
    let answer = client::call(host.address, tool, json!({}));
    assert_eq!((answer.status, answer.code()), (status, code), "{tool}: {answer:?}");
    assert_good(host);
    answer
}

fn assert_good(host: &TestHost) {
    assert_eq!(client::call(host.address, "echo-bare_echo", json!({"text": "still here"})).text(), "still here");
}

#[test]
fn g01_loop_forever() {
    let host = host();
    let began = Instant::now();
    let answer = attack(&host, "hostile_loop_forever", 504, 1003);
    assert!(answer.body.contains("reference"));
    // Generous: other tests share the machine. That it ends at all is what counts here.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn g03_loop_calling_host() {
    attack(&host(), "hostile_loop_calling_host", 502, 1004);
}

#[test]
fn g04_sleep_past_deadline() {
    attack(&host(), "hostile_sleep_past_deadline", 504, 1003);
}

#[test]
fn g05_spin_on_zero_timeout_poll() {
    attack(&host(), "hostile_spin_on_zero_timeout_poll", 504, 1003);
}

#[test]
fn g06_grow_memory_until_refused() {
    let host = host();
    let answer = client::call(host.address, "hostile_grow_memory_until_refused", json!({}));
    // 64 MiB are 1,024 pages; the guest began with some of them.
    let pages: u32 = answer.text().chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
    assert!((900..=1024).contains(&pages), "{answer:?}");
    assert_good(&host);
}

#[test]
fn g09_grow_table() {
    let host = Plugins::new().wat("grow-table").start();
    assert_eq!(client::call(host.address, "grow-table_echo", json!({"text": "x"})).text(), "20000");
}

#[test]
fn g10_recurse_forever_again_and_again() {
    let host = host();
    for _ in 0..50 {
        let answer = client::call(host.address, "hostile_recurse_forever", json!({}));
        assert_eq!((answer.status, answer.code()), (502, 1004), "{answer:?}");
    }
    assert_good(&host);
}

#[test]
fn g12_return_huge() {
    let host = host();
    attack(&host, "hostile_return_huge", 502, 1004);
    // What fits the guest's memory meets the limit of what a guest may hand over, and then that of what a client gets.
    for bytes in [9 << 20, 5 << 20] {
        let answer = client::call(host.address, "hostile_return_huge", json!({ "amount": bytes }));
        assert_eq!((answer.status, answer.code()), (502, 1004), "{answer:?}");
    }
    let many = client::call(host.address, "hostile_return_many", json!({}));
    assert!(many.code() == 1004 || many.code() == 1003, "{many:?}");
    assert_good(&host);
}

#[test]
fn g15_results_that_must_not_leave() {
    let host = host();
    attack(&host, "hostile_result_not_json", 502, 1004);
    attack(&host, "hostile_breaks_output_schema", 502, 1004);
}

#[test]
fn g16_traps() {
    let host = host();
    for tool in ["hostile_unreachable", "hostile_divide_by_zero", "hostile_out_of_bounds"] {
        attack(&host, tool, 502, 1004);
    }
}

#[test]
fn g17_panic_with_secret_reaches_nobody() {
    let answer = attack(&host(), "hostile_panic_with_secret", 502, 1004);
    assert!(answer.body.contains("the plugin failed (reference ") && !answer.body.to_lowercase().contains("secret"), "{}", answer.body);
}

#[test]
fn g22_log_flood_is_cut() {
    let host = host();
    let answer = client::call(host.address, "hostile_log_flood", json!({}));
    assert!([0, 1003, 1004].contains(&answer.code()), "{answer:?}");
    assert_good(&host);
}

#[test]
fn g24_random_1_gib() {
    attack(&host(), "hostile_random_1_gib", 502, 1004);
}

#[test]
fn g31_fine_clock_ticks_in_milliseconds() {
    // It computes for a while, and other tests share the machine: here the limits are not what counts.
    let patient = Plugins::new().guest("hostile").limits(|limits| {
        limits.cpu_time_max = Duration::from_secs(10);
        limits.wall_time_max = Duration::from_secs(60);
    });
    let answer = client::call(patient.start().address, "hostile_fine_clock", json!({}));
    let steps = answer.json()["result"]["structuredContent"].as_object().unwrap_or_else(|| panic!("{answer:?}")).clone();
    for (clock, step) in steps {
        assert!(step.as_f64().is_some_and(|step| step >= 0.99), "{clock}: {step}");
    }
}

#[test]
fn g32_look_around_finds_nothing() {
    let found = client::call(host().address, "hostile_look_around", json!({}));
    let text = found.text();
    for hint in ["root:", "PATH", "HOME", "/etc", "passwd:"] {
        assert!(!text.contains(hint), "{hint}: {text}");
    }
    assert_eq!(found.status, 200);
}

#[test]
fn t06_state_in_globals_begins_anew_in_every_call() {
    let host = host();
    for _ in 0..3 {
        assert_eq!(client::call(host.address, "hostile_state_in_globals", json!({})).text(), "1");
    }
}

#[test]
fn every_attack_has_a_test() {
    let tools = client::modern(host().address, "tools/list", json!({})).json();
    for tool in tools["result"]["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        assert!(include_str!("hostile.rs").contains(&format!("\"{name}\"")), "no test calls {name}");
    }
}

#[test]
fn attacks_in_wat() {
    check_attacks(&["loop-forever", "memory-copy-loop"], 1003, CPU);
    // With time enough to get as far as they can, also on a machine that does other things.
    let fixtures =
        ["invalid-utf8", "invalid-utf8-log", "pointer-out-of-bounds", "same-string-list", "same-string-sizes", "trap-in-post-return"];
    check_attacks(&fixtures, 1004, Duration::from_secs(10));
}

/// Every tool of the fixtures fails with this code, and costs nobody else anything.
fn check_attacks(fixtures: &[&str], code: i64, cpu_time_max: Duration) {
    let plugins = fixtures.iter().fold(Plugins::new().wat("echo-bare"), |plugins, name| plugins.wat(name));
    let host = plugins.limits(|limits| limits.cpu_time_max = cpu_time_max).start();
    for name in fixtures {
        let tools = client::modern(host.address, "tools/list", json!({})).json();
        let tools = tools["result"]["tools"].as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned));
        let mine: Vec<_> = tools.filter(|tool| tool.starts_with(&format!("{name}_"))).collect();
        assert!(!mine.is_empty(), "{name} offers nothing: {:?}", host.state(name));
        for tool in mine {
            let answer = client::call(host.address, &tool, json!({}));
            assert_eq!(answer.code(), code, "{tool}: {answer:?}");
        }
    }
    assert_good(&host);
}

#[test]
fn a_loop_does_not_stop_the_others() {
    let host = host();
    let address = host.address;
    let loops: Vec<_> =
        (0..4).map(|_| std::thread::spawn(move || client::call(address, "hostile_loop_forever", json!({})).code())).collect();
    for _ in 0..20 {
        assert_good(&host);
    }
    for looping in loops {
        assert_eq!(looping.join().unwrap(), 1003);
    }
}

#[test]
fn c40_leaving_gives_the_slot_back() {
    let host = Plugins::new()
        .guest("hostile")
        .limits(|limits| {
            limits.plugin_calls_max = 1;
            limits.queue_wait_max = Duration::from_secs(30);
            limits.cpu_time_max = Duration::from_secs(30);
            limits.wall_time_max = Duration::from_secs(60);
        })
        .start();
    for _ in 0..5 {
        let mut stream = client::connect(host.address);
        let request = client::modern_text(&json!(1), "tools/call", json!({"name": "hostile_loop_forever", "arguments": {}}));
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        drop(stream);
    }
    // The only slot is free again long before a loop's own limits.
    assert_eq!(client::call(host.address, "hostile_ok", json!({})).text(), "ok");
}

#[test]
fn busy_is_said_as_such() {
    let host = Plugins::new()
        .guest("hostile")
        .limits(|limits| {
            limits.plugin_calls_max = 1;
            limits.queue_wait_max = Duration::from_millis(10);
            limits.cpu_time_max = Duration::from_secs(2);
            limits.wall_time_max = Duration::from_secs(4);
        })
        .start();
    let address = host.address;
    let looping = std::thread::spawn(move || client::call(address, "hostile_loop_forever", json!({})));
    // Until the loop has the slot, calls are served.
    let busy = loop {
        let answer = client::call(address, "hostile_ok", json!({}));
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!((busy.status, busy.code(), busy.header("retry-after")), (429, 1001, Some("1")));
    looping.join().unwrap();
}
