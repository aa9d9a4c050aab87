//! Secrets from real files and real programs.

use super::{SecretError, SecretSource, Secrets};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn one(source: SecretSource) -> Secrets {
    Secrets::new(&BTreeMap::from([("token".to_owned(), source)]))
}

fn printed(script: &str, folder: &Path) -> Secrets {
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    one(SecretSource::Command { argv, folder: folder.to_owned(), refresh: Duration::from_secs(300) })
}

async fn text(secrets: &Secrets) -> Result<String, SecretError> {
    secrets.get("token").await.map(|secret| secret.expose().to_owned())
}

fn unreadable() -> Result<String, SecretError> {
    Err(SecretError::Unreadable("token".to_owned()))
}

/// A new file in the place of the old one, as deployments do it.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, file).unwrap();
}

#[tokio::test]
async fn a_file_is_read_again_when_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let secrets = one(SecretSource::File(file.clone()));
    assert_eq!(text(&secrets).await.as_deref(), Ok("first"));
    replace(&file, "other");
    assert_eq!(text(&secrets).await.as_deref(), Ok("other"));
    replace(&file, "a line\r\nand another\r\n");
    assert_eq!(text(&secrets.clone()).await.as_deref(), Ok("a line\r\nand another"));
}

#[tokio::test]
async fn changes_in_place_and_in_quick_succession_are_all_seen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let secrets = one(SecretSource::File(file.clone()));
    for number in 100..200 {
        std::fs::write(&file, number.to_string()).unwrap();
        assert_eq!(text(&secrets).await, Ok(number.to_string()));
    }
}

#[tokio::test]
async fn d18_secret_rotated_mid_call_keeps_the_old_value_for_this_call() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let secrets = one(SecretSource::File(file.clone()));
    let (call, later) = (secrets.for_call(), secrets.for_call());
    assert_eq!(call.get("token").await.unwrap().expose(), "old");
    replace(&file, "new!");
    assert_eq!(call.clone().get("token").await.unwrap().expose(), "old");
    assert_eq!(later.get("token").await.unwrap().expose(), "new!");
    assert_eq!(secrets.for_call().get("token").await.unwrap().expose(), "new!");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_an_error_that_tells_nothing_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let secrets = one(SecretSource::File(file.clone()));
    assert_eq!(text(&secrets).await, unreadable());
    assert_eq!(secrets.unreadable().await, ["token"]);
    assert!(!text(&secrets).await.unwrap_err().to_string().contains(&*folder.path().to_string_lossy()));
    assert_eq!(secrets.get("other").await.unwrap_err(), SecretError::Unknown("other".to_owned()));
    for bad in [&b""[..], b"\n", b"\xff\xfe", &[b'x'; (64 << 10) + 1]] {
        std::fs::write(&file, bad).unwrap();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(text(&secrets).await, unreadable());
    }
    std::fs::write(&file, [b'x'; 64 << 10]).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(text(&secrets).await.unwrap().len(), 64 << 10);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(text(&secrets).await, unreadable());
    assert_eq!(text(&one(SecretSource::File(PathBuf::from("/dev/zero")))).await, unreadable(), "not a file");
    assert_eq!(text(&one(SecretSource::File(folder.path().to_owned()))).await, unreadable(), "a folder");
}

#[tokio::test]
async fn a_variable_is_the_one_of_the_start() {
    let sources = BTreeMap::from(["A", "B", "C"].map(|name| (name.to_lowercase(), SecretSource::Environment(name.to_owned()))));
    let secrets = Secrets::with_environment(&sources, |name| match name {
        "A" => Some("canary".to_owned()),
        "B" => Some(String::new()),
        _ => None,
    });
    assert_eq!(secrets.get("a").await.unwrap().expose(), "canary");
    assert_eq!(secrets.unreadable().await, ["b", "c"]);
    assert_eq!(format!("{secrets:?} {:?}", secrets.for_call()).matches("canary").count(), 0);
}

#[tokio::test]
async fn a_command_runs_again_when_what_it_printed_is_old() {
    let folder = tempfile::tempdir().unwrap();
    // Counts its own runs; the third one fails.
    let script = "echo >> runs; [ $(wc -l < runs) -ne 3 ] && echo run $(wc -l < runs) \"$0\"";
    let secrets = printed(script, folder.path());
    for (after, expected) in [(0, "run 1 sh"), (299, "run 1 sh"), (1, "run 2 sh"), (300, "run 2 sh"), (2, "run 4 sh")] {
        // Runs on while a program does, or it would jump over the time that the program may take.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(after)).await;
        tokio::time::resume();
        assert_eq!(text(&secrets).await.as_deref(), Ok(expected));
    }
}

#[tokio::test]
async fn many_calls_at_once_run_a_command_once() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = printed("echo >> runs; wc -l < runs", folder.path());
    let all = futures_util::future::join_all((0..20).map(|_| text(&secrets))).await;
    assert!(all.iter().all(|text| text.as_deref().is_ok_and(|text| text.trim() == "1")), "{all:?}");
}

#[tokio::test]
async fn a_command_that_fails_or_prints_too_much_gives_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for script in ["echo canary; exit 1", "kill $$", "true", "printf '\\377'", "yes", "echo canary >&2"] {
        assert_eq!(text(&printed(script, folder.path())).await, unreadable(), "{script}");
    }
    let source = SecretSource::Command { argv: vec!["no-such-program".to_owned()], folder: PathBuf::new(), refresh: Duration::ZERO };
    assert_eq!(text(&one(source)).await, unreadable());
    // Arguments are no shell's business.
    let argv = ["echo", "$HOME;", "id"].map(str::to_owned).to_vec();
    let source = SecretSource::Command { argv, folder: PathBuf::new(), refresh: Duration::ZERO };
    assert_eq!(text(&one(source)).await.as_deref(), Ok("$HOME; id"));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_hangs_is_ended() {
    // The clock jumps ahead when nothing but time is waited for.
    let started = tokio::time::Instant::now();
    assert_eq!(text(&printed("exec sleep 600", Path::new("/"))).await, unreadable());
    assert_eq!(started.elapsed().as_secs(), 5);
}
