//! Secrets and configuration values: who gets them, and who finds out nothing.

use cofferdam::registry::State;
use serde_json::json;
use tests::client::{self, Answer};
use tests::host::{Plugins, TestHost, guest};

const CANARY: &str = "canary-5f1d0c";

fn keeper() -> Plugins {
    Plugins::new().fixture("keeper").secret("token", CANARY, true)
}

fn ask(host: &TestHost, tool: &str, name: &str) -> Answer {
    client::call(host.address, tool, json!({ "name": name }))
}

#[test]
fn a_granted_secret_is_revealed() {
    let host = keeper().start();
    assert_eq!(ask(&host, "reveal", "token").text(), CANARY);
    let State::Loaded { grants, .. } = host.state("keeper") else { panic!("{:?}", host.state("keeper")) };
    assert_eq!(*grants, ["secret token (reveal)", "config"]);
}

#[test]
fn d17_secret_not_granted_and_missing_give_the_same_answer() {
    let host = keeper().secret("other", "canary-of-others", true).secret("closed", "canary-closed", false).start();
    let missing = ask(&host, "reveal", "missing");
    assert!(missing.body.contains("no secret of that name is granted") && !missing.body.contains("token"), "{missing:?}");
    for name in ["other", "closed", "", "TOKEN", "token ", "../token", "\u{1b}[31m"] {
        let answer = ask(&host, "reveal", name);
        assert_eq!((answer.status, answer.json()["result"].clone()), (missing.status, missing.json()["result"].clone()), "{name}");
    }
    // Whoever asks without end gets the answer without end, and the host's log has the first of them.
    assert_eq!(ask(&host, "reveal_often", "other").text(), "0");
}

#[test]
fn d17_a_manifest_finds_out_no_names() {
    let asks = |name: &str| {
        let manifest = format!("name = \"keeper\"\n[config]\n[grants.secrets]\nreveal = [\"token\", \"{name}\"]\n");
        let host = keeper().secret("closed", CANARY, false).with_manifest("keeper", &guest("keeper"), &manifest).start();
        let (_, reason) = host.refusal("keeper").split_once("keeper/plugin.toml").unwrap();
        reason.replace(name, "NAME")
    };
    assert_eq!(asks("closed"), asks("missing"));
    let reason = asks("closed");
    assert!(reason.starts_with(":4:20: [grants.secrets] asks") && reason.contains("[secrets.NAME] with reveal = true"), "{reason}");
}

#[test]
fn d18_secret_rotated_is_new_for_the_next_call() {
    let plugins = keeper();
    let file = plugins.secret_file("token");
    let host = plugins.start();
    assert_eq!(ask(&host, "reveal", "token").text(), CANARY);
    std::fs::write(&file, "another one\n").unwrap();
    assert_eq!(ask(&host, "reveal", "token").text(), "another one");
    std::fs::remove_file(&file).unwrap();
    // Nothing of where it is, nor of what it was.
    assert_eq!(ask(&host, "reveal", "token").text(), "the secret cannot be read now");
}

#[test]
fn what_was_not_granted_does_not_load_and_says_what_to_write() {
    for (manifest, interface, lines) in [
        ("name = \"keeper\"\n[config]\na = \"b\"\n", "cofferdam:mcp/secrets@0.1.0", "[grants.secrets]\nreveal = ["),
        ("name = \"keeper\"\n[grants.secrets]\nreveal = [\"token\"]\n", "wasi:config/store@0.2.0", "[config]\nlanguage = "),
    ] {
        let host = keeper().with_manifest("keeper", &guest("keeper"), manifest).start();
        let reason = host.refusal("keeper");
        assert!(reason.contains(interface) && reason.contains(lines) && reason.contains("plugin.toml"), "{reason}");
    }
}

#[test]
fn m11_a_plugin_is_told_its_values_as_they_are_written() {
    let host = keeper().start();
    assert_eq!(ask(&host, "told", "greeting").text(), "Hello ${AWS_SECRET} $HOME");
    assert_eq!(ask(&host, "told", "token").text(), "nothing");
    assert_eq!(client::call(host.address, "told_all", json!({})).text(), "greeting=Hello ${AWS_SECRET} $HOME;language=en;");
    assert_eq!(ask(&host, "told_by_draft", "language").text(), "en");
}

#[test]
fn the_operator_replaces_values_that_are_there() {
    let told = |plugin: &'static str, key: &'static str| {
        keeper().operator(move |config| {
            config.config.entry(plugin.to_owned()).or_default().insert(key.to_owned(), "de ${secret:token}".to_owned());
        })
    };
    let host = told("keeper", "language").start();
    assert_eq!(ask(&host, "told", "language").text(), "de ${secret:token}");
    assert_eq!(ask(&host, "told", "greeting").text(), "Hello ${AWS_SECRET} $HOME");
    let host = told("other", "language").start();
    assert_eq!(ask(&host, "told", "language").text(), "en");
    let host = told("keeper", "langauge").start();
    let reason = host.refusal("keeper");
    assert!(
        reason.contains("[config.keeper]") && reason.contains("\"langauge\"") && reason.contains("did you mean \"language\"?"),
        "{reason}"
    );
}
