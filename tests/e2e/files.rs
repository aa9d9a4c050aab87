//! Folders that plugins were granted: nothing leads out of them, reading is only reading, and writing ends at the quota.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::client;
use tests::host::{Plugins, TestHost, guest};

const SECRET: &str = "the operator's secret";

fn plugins(manifest: &str) -> Plugins {
    Plugins::new().with_manifest("filer", &guest("filer"), &format!("name = \"filer\"\n{manifest}")).limits(|limits| {
        limits.cpu_time_max = Duration::from_secs(10);
        limits.wall_time_max = Duration::from_secs(100);
        limits.host_calls_max = 1_000_000;
    })
}

/// A host with the folder `docs`, granted like this.
fn host(grant: &str) -> TestHost {
    plugins(&format!("[grants.files.docs]\n{grant}")).folder("docs", true).start()
}

fn docs(host: &TestHost) -> PathBuf {
    host.scratch().join("folders/docs")
}

fn run_as(host: &TestHost, plugin: &str, steps: Value) -> Vec<Value> {
    let answer = client::call(host.address, &format!("{plugin}_run"), json!({ "steps": steps }));
    let said = answer.json()["result"]["structuredContent"]["said"].as_array().cloned();
    said.unwrap_or_else(|| panic!("{answer:?}"))
}

fn run(host: &TestHost, steps: Value) -> Vec<Value> {
    run_as(host, "filer", steps)
}

/// Every step fails, and none tells what it must not.
fn assert_refused(host: &TestHost, steps: &[Value]) {
    for (step, said) in steps.iter().zip(run(host, json!(steps))) {
        let text = said.to_string();
        assert!(said["error"].is_string(), "{step}: {text}");
        assert!(!text.contains(SECRET) && !text.contains("/tmp") && !text.contains("folders"), "{step}: {text}");
    }
}

/// Names and contents of everything in a folder.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Option<Vec<u8>>, Option<std::time::SystemTime>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        if about.is_dir() {
            found.extend(snapshot(&path));
        }
        found.push((path.clone(), about.is_file().then(|| fs::read(&path).unwrap()), about.modified().ok()));
    }
    found.sort();
    found
}

#[test]
fn files_are_read_and_written_where_they_are_granted() {
    let host = host("access = \"write\"");
    fs::create_dir(docs(&host).join("sub")).unwrap();
    fs::write(docs(&host).join("sub/a.txt"), "from outside").unwrap();
    symlink("sub/a.txt", docs(&host).join("within")).unwrap();
    let said = run(
        &host,
        json!([
            {"do": "read", "path": "/docs/sub/a.txt"},
            {"do": "read", "path": "/docs/within"},
            {"do": "write", "path": "/docs/b.txt", "text": "12345"},
            {"do": "append", "path": "/docs/b.txt", "text": "678"},
            {"do": "read", "path": "/docs/b.txt"},
            {"do": "set-len", "path": "/docs/b.txt", "bytes": 3},
            {"do": "stat", "path": "/docs/b.txt"},
            {"do": "rename", "path": "/docs/b.txt", "to": "/docs/sub/c.txt"},
            {"do": "create-dir", "path": "/docs/new"},
            {"do": "list", "path": "/docs"},
            {"do": "remove-dir", "path": "/docs/new"},
            {"do": "remove", "path": "/docs/within"},
            {"do": "fill", "path": "/docs/large", "bytes": 300_000},
            {"do": "times", "path": "/docs/large"},
        ]),
    );
    let list = json!(["new", "sub", "within"]);
    let read = json!("from outside");
    let expected = [read.clone(), read, json!(true), json!(true), json!("12345678"), json!(true), json!(3), json!(true), json!(true), list];
    assert_eq!(said[..10], expected);
    assert_eq!(said[10..], [json!(true), json!(true), json!([300_000, null]), json!(true)]);
    assert_eq!(fs::read_to_string(docs(&host).join("sub/c.txt")).unwrap(), "123");
    assert_eq!(fs::metadata(docs(&host).join("large")).unwrap().len(), 300_000);
}

#[test]
fn d12_path_escape() {
    let host = host("access = \"write\"");
    let (docs, outside) = (docs(&host), host.scratch().join("folders/secret"));
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("s.txt"), SECRET).unwrap();
    fs::create_dir(docs.join("sub")).unwrap();
    fs::write(docs.join("a.txt"), "mine").unwrap();
    symlink(outside.join("s.txt"), docs.join("out")).unwrap();
    symlink("../secret", docs.join("out-dir")).unwrap();
    symlink("/proc/self/environ", docs.join("environ")).unwrap();
    symlink("/proc/self/cwd", docs.join("cwd")).unwrap();
    symlink("loop", docs.join("loop")).unwrap();
    let read = |path: &str| json!({"do": "read", "path": path});
    let mut steps: Vec<_> = [
        "/docs/../secret/s.txt",
        "/docs/sub/../../secret/s.txt",
        "/docs/./.././secret/s.txt",
        "../secret/s.txt",
        "/secret/s.txt",
        "/etc/passwd",
        "/docs//../secret/s.txt",
        "/docs/out",
        "/docs/out-dir/s.txt",
        "/docs/environ",
        "/docs/cwd/plugin.toml",
        "/docs/loop",
        "/proc/self/environ",
        "/docs/a.txt\u{0}",
        "/docs/\u{0}",
        "/docs/..",
        "/",
        "",
        "/docs/a.txt/..",
        "/docs/a.txt/",
    ]
    .into_iter()
    .map(read)
    .collect();
    steps.push(read(&outside.join("s.txt").display().to_string()));
    steps.extend([json!({"do": "read-long", "parts": 1, "letters": 5_000}), json!({"do": "read-long", "parts": 20_000, "letters": 1})]);
    for path in ["/docs/../secret/new", "/docs/out", "/docs/out-dir/new"] {
        steps.extend([
            json!({"do": "write", "path": path, "text": "x"}),
            json!({"do": "append", "path": path, "text": "x"}),
            json!({"do": "rename", "path": "/docs/a.txt", "to": format!("/docs/out-dir/{}", path.len())}),
            json!({"do": "hard-link", "path": path, "to": "/docs/hard"}),
        ]);
    }
    steps.extend([
        json!({"do": "rename", "path": "/docs/out-dir/s.txt", "to": "/docs/b"}),
        json!({"do": "rename", "path": "/docs/../secret/s.txt", "to": "/docs/b"}),
        json!({"do": "remove", "path": "/docs/../secret/s.txt"}),
        json!({"do": "remove", "path": "/docs/out-dir/s.txt"}),
        json!({"do": "create-dir", "path": "/docs/out-dir/new"}),
        json!({"do": "remove-dir", "path": "/docs/../secret"}),
        json!({"do": "list", "path": "/docs/.."}),
        json!({"do": "list", "path": "/docs/out-dir"}),
        json!({"do": "list", "path": "/"}),
        json!({"do": "stat", "path": "/docs/out"}),
        json!({"do": "stat", "path": "/docs/../secret/s.txt"}),
        json!({"do": "hard-link", "path": "/docs/a.txt", "to": "/docs/hard"}),
        json!({"do": "symlink", "path": "/etc/passwd", "to": "/docs/link"}),
        json!({"do": "symlink", "path": "a.txt", "to": "/docs/link"}),
    ]);
    let before = snapshot(&docs);
    assert_refused(&host, &steps);
    assert_eq!(snapshot(&docs), before);
    assert_eq!(snapshot(&outside).len(), 1);
    assert_eq!(fs::read_to_string(outside.join("s.txt")).unwrap(), SECRET);
}

#[test]
fn d12_a_link_that_is_swapped_during_open_leads_nowhere() {
    let host = host("access = \"write\"");
    let docs = docs(&host);
    let outside = host.scratch().join("folders/secret");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("s.txt"), SECRET).unwrap();
    fs::create_dir(docs.join("real")).unwrap();
    fs::write(docs.join("real/s.txt"), "mine").unwrap();
    symlink("real", docs.join("swap")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for target in ["../secret", "real"] {
                    symlink(target, docs.join("next")).unwrap();
                    fs::rename(docs.join("next"), docs.join("swap")).unwrap();
                }
            }
        });
        let steps = json!([{"do": "read-again", "path": "/docs/swap/s.txt", "times": 10_000, "expected": "mine"}]);
        let calling = scope.spawn(|| run(&host, steps)).join();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(calling.unwrap(), [json!([])], "another text than the folder's own was read");
    });
}

#[test]
fn d13_read_only_dir() {
    let host = host("access = \"read\"");
    let docs = docs(&host);
    fs::create_dir(docs.join("sub")).unwrap();
    fs::write(docs.join("a.txt"), "stays").unwrap();
    fs::write(docs.join("sub/b.txt"), "stays").unwrap();
    let before = snapshot(&docs);
    assert_refused(
        &host,
        &[
            json!({"do": "truncate", "path": "/docs/a.txt"}),
            json!({"do": "truncate", "path": "/docs/sub/b.txt"}),
            json!({"do": "write", "path": "/docs/a.txt", "text": "x"}),
            json!({"do": "write", "path": "/docs/new", "text": "x"}),
            json!({"do": "append", "path": "/docs/a.txt", "text": "x"}),
            json!({"do": "set-len", "path": "/docs/a.txt", "bytes": 0}),
            json!({"do": "sparse", "path": "/docs/a.txt", "at": 100}),
            json!({"do": "times", "path": "/docs/a.txt"}),
            json!({"do": "times", "path": "/docs/sub"}),
            json!({"do": "rename", "path": "/docs/a.txt", "to": "/docs/c.txt"}),
            json!({"do": "rename", "path": "/docs/a.txt", "to": "/docs/sub/b.txt"}),
            json!({"do": "hard-link", "path": "/docs/a.txt", "to": "/docs/c.txt"}),
            json!({"do": "symlink", "path": "a.txt", "to": "/docs/c.txt"}),
            json!({"do": "remove", "path": "/docs/a.txt"}),
            json!({"do": "remove-open", "path": "/docs/a.txt", "bytes": 1}),
            json!({"do": "create-dir", "path": "/docs/new"}),
            json!({"do": "remove-dir", "path": "/docs/sub"}),
        ],
    );
    assert_eq!(snapshot(&docs), before);
    assert_eq!(run(&host, json!([{"do": "read", "path": "/docs/sub/b.txt"}])), ["stays"]);
}

#[test]
fn d14_special_files() {
    let host = host("access = \"write\"");
    let docs = docs(&host);
    assert!(Command::new("mkfifo").arg(docs.join("fifo")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(docs.join("socket")).unwrap();
    fs::create_dir(docs.join("folder")).unwrap();
    // Only the superuser makes a device.
    let device = Command::new("mknod").arg(docs.join("device")).args(["c", "1", "3"]).output().is_ok_and(|made| made.status.success());
    let mut steps = Vec::new();
    for name in ["fifo", "socket", "folder", "device"].into_iter().filter(|name| device || *name != "device") {
        let path = format!("/docs/{name}");
        steps.extend([
            json!({"do": "read", "path": path}),
            json!({"do": "append", "path": path, "text": "x"}),
            json!({"do": "truncate", "path": path}),
            json!({"do": "write", "path": path, "text": "x"}),
        ]);
    }
    // More of them than a process has threads for such work, if one were held by each.
    for _ in 0..10 {
        assert_refused(&host, &steps);
    }
    assert_eq!(run(&host, json!([{"do": "write", "path": "/docs/a", "text": "still here"}])), [true]);
}

#[test]
fn d15_disk_quota() {
    let quota = "access = \"write\"\nbytes = \"1MiB\"\nentries = 200\n";
    let second = format!("name = \"second\"\n[grants.files.more]\n{quota}");
    let host = plugins(&format!("[grants.files.docs]\n{quota}"))
        .with_manifest("second", &guest("filer"), &second)
        .folder("docs", true)
        .folder("more", true)
        .start();
    let used = || -> u64 { fs::read_dir(docs(&host)).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum() };
    let error = |said: &Value| said["error"].as_str().map(str::to_owned);
    // Until it is full. (The C library behind Rust's makes EIO of every error of a stream, whatever is behind it.)
    let said = run(&host, json!([{"do": "fill", "path": "/docs/full", "bytes": 8 << 20}]));
    assert_eq!((&said[0][0], error(&said[0][1]).is_some()), (&json!(1 << 20), true), "{said:?}");
    assert_eq!(used(), 1 << 20);
    // A hole takes room as well, however it is made; what is cut off, or removed, gives it back.
    let said = run(
        &host,
        json!([
            {"do": "append", "path": "/docs/full", "text": "x"},
            {"do": "write", "path": "/docs/full", "text": "short"},
            {"do": "sparse", "path": "/docs/hole", "at": 1_u64 << 40},
            {"do": "sparse", "path": "/docs/hole", "at": (1 << 20) - 6},
            {"do": "append", "path": "/docs/hole", "text": "x"},
            {"do": "set-len", "path": "/docs/full", "bytes": 6},
            {"do": "remove", "path": "/docs/hole"},
            {"do": "set-len", "path": "/docs/full", "bytes": 1 << 20},
            {"do": "set-len", "path": "/docs/full", "bytes": (1 << 20) + 1},
            {"do": "remove-open", "path": "/docs/full", "bytes": (1 << 20) + 1},
            {"do": "fill", "path": "/docs/new", "bytes": 1 << 20},
            {"do": "write", "path": "/docs/other", "text": "x"},
            {"do": "rename", "path": "/docs/other", "to": "/docs/new"},
            {"do": "write", "path": "/docs/other", "text": "y"},
        ]),
    );
    let refused: Vec<_> = said.iter().map(|said| error(said).is_some()).collect();
    let t = true;
    assert_eq!(refused, [t, false, t, false, t, t, false, false, t, t, false, t, false, false], "{said:?}");
    // A million tiny files: the quota's number of them, and no more.
    let said = run(&host, json!([{"do": "create-dir", "path": "/docs/d"}, {"do": "tiny", "path": "/docs/d", "most": 1_000_000}]));
    assert_eq!((&said[1][0], error(&said[1][1]).as_deref()), (&json!(200 - 3), Some("QuotaExceeded")), "{said:?}");
    assert_eq!(error(&run(&host, json!([{"do": "create-dir", "path": "/docs/e"}]))[0]).as_deref(), Some("QuotaExceeded"));
    assert_eq!(run(&host, json!([{"do": "remove", "path": "/docs/d/7"}, {"do": "create-dir", "path": "/docs/e"}])), [true, true]);
    // Others write on.
    assert_eq!(run_as(&host, "second", json!([{"do": "fill", "path": "/more/full", "bytes": 1 << 20}]))[0], json!([1 << 20, null]));
}

#[test]
fn a_folder_is_counted_when_it_is_granted() {
    let plugins = plugins("[grants.files.docs]\naccess = \"write\"\nbytes = \"10B\"\nentries = 3\n").folder("docs", true);
    let docs = plugins.scratch().join("folders/docs");
    fs::create_dir(docs.join("sub")).unwrap();
    fs::write(docs.join("sub/a"), "12345678").unwrap();
    let host = plugins.start();
    let said = run(
        &host,
        json!([
            {"do": "write", "path": "/docs/b", "text": "123"},
            {"do": "write", "path": "/docs/b", "text": "12"},
            {"do": "create-dir", "path": "/docs/c"},
            {"do": "remove", "path": "/docs/sub/a"},
            {"do": "append", "path": "/docs/b", "text": "34567890"},
        ]),
    );
    let refused: Vec<_> = said.iter().map(|said| said["error"].is_string()).collect();
    assert_eq!(refused, [true, false, true, false, false], "{said:?}");
}

#[test]
fn folders_that_cannot_be_granted_are_refused_when_the_plugin_loads() {
    let plugins = plugins("[grants.files.docs]\naccess = \"read\"\n").folder("docs", false);
    let docs = plugins.scratch().join("folders/docs");
    fs::remove_dir(&docs).unwrap();
    let host = plugins.start();
    assert!(
        host.refusal("filer").contains("the folder \"docs\"") && host.refusal("filer").contains("cannot be opened"),
        "{}",
        host.refusal("filer")
    );
    for (target, why) in [("/proc/self", "has no files in it"), ("/", "is the root"), ("../plugins", "overlaps what the host keeps")] {
        let plugins = self::plugins("[grants.files.docs]\naccess = \"read\"\n").folder("docs", false);
        let docs = plugins.scratch().join("folders/docs");
        fs::remove_dir(&docs).unwrap();
        let target = if target.starts_with('/') { target.into() } else { plugins.scratch().join("plugins") };
        symlink(target, &docs).unwrap();
        let host = plugins.start();
        assert!(host.refusal("filer").contains(why), "{}", host.refusal("filer"));
    }
    let host = self::plugins("[grants.files.docs]\naccess = \"write\"\n").folder("docs", false).start();
    assert!(host.refusal("filer").contains("to read only"), "{}", host.refusal("filer"));
    // Without any grant it loads, and sees nothing.
    let host = self::plugins("").folder("docs", true).start();
    assert_refused(&host, &[json!({"do": "read", "path": "/docs/a"}), json!({"do": "list", "path": "/"})]);
}
