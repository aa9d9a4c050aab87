//! What every store does, in one suite that each of them runs; then what tasks look like, and what only a file can do.

use super::*;
use crate::ids::{PluginName, TenantId};
use crate::limits::Limits;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const NOW: u64 = 1_764_066_600_000;
const ERROR: &str = r#"{"code":1004,"message":"the plugin failed"}"#;

fn small() -> Limits {
    Limits {
        tasks_max: 3,
        task_ttl: Duration::from_millis(900),
        output_bytes_max: 20,
        task_outcomes_bytes_max: 30,
        task_message_bytes_max: 8,
        ..Limits::default()
    }
}

fn owner(tenant: &str, subject: &str) -> Owner {
    Owner { tenant: TenantId::named(tenant), subject: subject.to_owned() }
}

/// A task that runs for at most 100 ms, and is kept for a second.
fn task(owner: &Owner, now_ms: u64) -> Task {
    let plugin = PluginName::parse("reports").unwrap();
    Task::new(owner.clone(), plugin, "reports_make".to_owned(), now_ms, Duration::from_millis(100), &small()).unwrap()
}

fn changes() -> [(Status, Change); 5] {
    [
        (Status::Working, Change::working().saying("half")),
        (Status::InputRequired, Change::input_required(r#"{"a":{}}"#.to_owned())),
        (Status::Completed, Change::completed(r#"{"content":[]}"#.to_owned())),
        (Status::Failed, Change::failed(ERROR.to_owned()).saying("broken")),
        (Status::Cancelled, Change::cancelled()),
    ]
}

/// Makes a task that stands there.
async fn task_at(store: &dyn Store, owner: &Owner, status: Status, now_ms: u64) -> Task {
    let task = task(owner, now_ms);
    store.create(task.clone()).await.unwrap();
    let (_, change) = changes().into_iter().find(|(to, _)| *to == status).unwrap();
    store.update(owner, &task.id, &[Status::Working], change, now_ms).await.unwrap().unwrap()
}

/// Everything that is asked of a store. It comes without tasks and with the limits of [`small`].
async fn check_store(store: &dyn Store) {
    tasks_are_found_by_their_owner_only(store).await;
    what_is_final_stays_and_the_rest_changes_as_expected(store).await;
    a_tenant_has_as_many_as_it_may(store).await;
    results_have_room_as_long_as_there_is_some(store).await;
    of_many_who_expect_the_same_one_wins(store).await;
}

async fn tasks_are_found_by_their_owner_only(store: &dyn Store) {
    let alice = owner("a", "alice");
    let task = task(&alice, NOW);
    store.create(task.clone()).await.unwrap();
    let unknown = TaskId::random().unwrap();
    for (who, id, at, found) in [
        (&alice, &task.id, NOW, true),
        (&alice, &task.id, NOW + 1_000, true),
        (&alice, &task.id, NOW + 1_001, false),
        (&alice, &unknown, NOW, false),
        (&owner("a", "bob"), &task.id, NOW, false),
        (&owner("a", ""), &task.id, NOW, false),
        (&owner("b", "alice"), &task.id, NOW, false),
    ] {
        let got = store.get(who, id, at).await.unwrap();
        assert_eq!(got, found.then(|| task.clone()), "{who:?} at {at}");
        if !found {
            let change = Change::cancelled();
            assert_eq!(store.update(who, id, &Status::ALL, change, at).await, Ok(None), "{who:?} at {at}");
        }
    }
    assert_eq!(store.get(&alice, &task.id, NOW).await.unwrap(), Some(task.clone()), "nobody else has changed it");
    assert_eq!(store.remove_expired(NOW + 1_000).await, Ok(0));
    assert_eq!(store.remove_expired(NOW + 1_001).await, Ok(1));
    assert_eq!(store.get(&alice, &task.id, NOW).await, Ok(None));
    assert_eq!(store.remove_expired(NOW + 1_001).await, Ok(0));
}

async fn what_is_final_stays_and_the_rest_changes_as_expected(store: &dyn Store) {
    let alice = owner("a", "alice");
    for from in Status::ALL {
        for (to, change) in changes() {
            for expected in [&[][..], &[from], &Status::ALL, &[Status::Completed, Status::Failed, Status::Cancelled]] {
                let before = task_at(store, &alice, from, NOW).await;
                assert_eq!(before.status, from);
                let given = store.update(&alice, &before.id, expected, change.clone(), NOW + 7).await.unwrap();
                let after = store.get(&alice, &before.id, NOW + 7).await.unwrap().unwrap();
                let case = format!("{from:?} to {to:?}, expected {expected:?}");
                if !from.is_terminal() && expected.contains(&from) {
                    assert_eq!(given.as_ref(), Some(&after), "{case}");
                    assert_eq!(
                        (after.status, &after.outcome, &after.status_message),
                        (to, &change.outcome, &change.status_message),
                        "{case}"
                    );
                    assert_eq!((after.created_ms, after.updated_ms, after.ttl_ms), (NOW, NOW + 7, 1_000), "{case}");
                } else {
                    assert_eq!((given, after), (None, before), "{case}");
                }
                store.remove_expired(NOW + 2_000).await.unwrap();
            }
        }
    }
    // A clock that was set back, and a message that is too long, in letters of two bytes.
    let before = task_at(store, &alice, Status::Working, NOW).await;
    let change = Change::working().saying("xäöüäöü");
    let after = store.update(&alice, &before.id, &[Status::Working], change, NOW - 5).await.unwrap().unwrap();
    assert_eq!((after.updated_ms, after.status_message.as_deref()), (NOW, Some("xäöü")));
    store.remove_expired(NOW + 2_000).await.unwrap();
}

async fn a_tenant_has_as_many_as_it_may(store: &dyn Store) {
    let subjects = [owner("a", "alice"), owner("a", "bob"), owner("a", "")];
    for subject in &subjects {
        task_at(store, subject, Status::Failed, NOW).await;
    }
    assert_eq!(store.create(task(&subjects[0], NOW + 1_000)).await, Err(StoreError::TooMany(3)), "until they have expired");
    assert_eq!(store.create(task(&owner("b", "alice"), NOW + 1_000)).await, Ok(()), "another tenant");
    assert_eq!(store.create(task(&subjects[0], NOW + 1_001)).await, Ok(()), "they have expired");
    store.remove_expired(NOW + 9_000).await.unwrap();
}

async fn results_have_room_as_long_as_there_is_some(store: &dyn Store) {
    let (alice, bob, other) = (owner("a", "alice"), owner("a", "bob"), owner("b", "alice"));
    let json = |bytes: usize| format!("{{{}}}", " ".repeat(bytes - 2));
    let (first, second) = (task(&alice, NOW), task(&bob, NOW));
    let elsewhere = task(&other, NOW);
    for task in [&first, &second, &elsewhere] {
        store.create(task.clone()).await.unwrap();
    }
    let all = &Status::ALL;
    let result = |bytes| Change::completed(json(bytes));
    let input = |bytes| Change::input_required(json(bytes));
    for (task, change, expected) in [
        (&first, result(21), Err(StoreError::TooLarge(20))),
        (&first, input(21), Err(StoreError::TooLarge(20))),
        (&first, input(20), Ok(true)),
        // What it had does not count against what it gets.
        (&first, result(20), Ok(true)),
        (&first, result(21), Ok(false)),
        (&second, result(11), Err(StoreError::NoRoom(30))),
        (&second, input(10), Ok(true)),
        (&second, Change::failed(ERROR.to_owned()), Ok(true)),
        (&elsewhere, result(20), Ok(true)),
    ] {
        let done = store.update(&task.owner, &task.id, all, change.clone(), NOW).await;
        assert_eq!(done.map(|task| task.is_some()), expected, "{change:?}");
    }
    store.remove_expired(NOW + 9_000).await.unwrap();
}

async fn of_many_who_expect_the_same_one_wins(store: &dyn Store) {
    let alice = owner("a", "alice");
    let task = task_at(store, &alice, Status::Working, NOW).await;
    let update = |change| store.update(&alice, &task.id, &[Status::Working], change, NOW);
    let (one, two, three) =
        tokio::join!(update(Change::cancelled()), update(Change::completed("{}".to_owned())), update(Change::failed(ERROR.to_owned())),);
    let won: Vec<_> = [one, two, three].into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(store.get(&alice, &task.id, NOW).await.unwrap().as_ref(), won.first());
    store.remove_expired(NOW + 9_000).await.unwrap();
}

#[tokio::test]
async fn the_store_in_memory_is_a_store() {
    check_store(&MemoryStore::new(&small())).await;
}

#[tokio::test]
async fn the_store_in_a_file_is_a_store() {
    let folder = tempfile::tempdir().unwrap();
    check_store(&SqliteStore::open(&folder.path().join("tasks.db"), &small(), NOW).unwrap()).await;
}

#[test]
fn ids_are_new_and_go_into_headers() {
    let ids: HashSet<_> = (0..100).map(|_| TaskId::random().unwrap()).collect();
    assert_eq!(ids.len(), 100);
    for id in &ids {
        assert_eq!(TaskId::parse(id.as_str()).as_ref(), Some(id));
        assert!(!format!("{id:?}").contains(id.as_str()));
    }
    let good = "abcdefghijklmnopqrstuv-_";
    assert!(TaskId::parse(good).is_some());
    for bad in [
        "",
        "abc",
        "tasks-conformance-nonexistent-12345",
        "abcdefghijklmnopqrstuv-\n",
        "abcdefghijklmnopqrstuv-ä",
        "abcdefghijklmnopqrstuv==",
    ] {
        assert_eq!(TaskId::parse(bad), None, "{bad:?}");
    }
}

#[tokio::test]
async fn members_are_those_of_the_extension() {
    let store = MemoryStore::new(&Limits::default());
    let alice = owner("a", "alice");
    for (status, message, rest) in [
        (Status::Working, r#","statusMessage":"half""#, ""),
        (Status::InputRequired, "", r#","inputRequests":{"a":{}}"#),
        (Status::Completed, "", r#","result":{"content":[]}"#),
        (Status::Failed, r#","statusMessage":"broken""#, r#","error":{"code":1004,"message":"the plugin failed"}"#),
        (Status::Cancelled, "", ""),
    ] {
        let task = task_at(&store, &alice, status, NOW).await;
        let handle = format!(
            r#""taskId":"{}","status":"{}"{message},"createdAt":"2025-11-25T10:30:00.000Z","lastUpdatedAt":"2025-11-25T10:30:00.000Z","ttlMs":1000,"pollIntervalMs":500"#,
            task.id.as_str(),
            status.as_str()
        );
        let (mut short, mut long) = (Vec::new(), Vec::new());
        task.write_handle(&mut short);
        task.write_members(&mut long);
        assert_eq!(String::from_utf8(short).unwrap(), handle);
        assert_eq!(String::from_utf8(long).unwrap(), format!("{handle}{rest}"));
    }
}

#[test]
fn records_outlive_their_tasks() {
    let limits = Limits::default();
    assert!(limits.task_wall_time_max + limits.task_ttl <= limits.task_ttl_max);
    let plugin = PluginName::parse("reports").unwrap();
    for (run_time, ttl) in [(Duration::ZERO, limits.task_ttl), (Duration::MAX, limits.task_ttl_max)] {
        let mut task = Task::new(owner("a", ""), plugin.clone(), String::new(), NOW, run_time, &limits).unwrap();
        assert_eq!(u128::from(task.ttl_ms), ttl.as_millis());
        // Times that no calendar has are not worth a panic.
        task.created_ms = u64::MAX;
        assert!(!task.is_expired(u64::MAX));
        let mut out = Vec::new();
        task.write_members(&mut out);
        assert!(String::from_utf8(out).unwrap().contains(r#""createdAt":"9999-12-30"#));
    }
}

#[tokio::test]
async fn a_file_keeps_what_is_finished_and_ends_the_rest_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state/deep/tasks.db");
    let alice = owner("a", "alice");
    let limits = Limits::default();
    let store = SqliteStore::open(&file, &limits, NOW).unwrap();
    let mut before = Vec::new();
    for status in Status::ALL {
        before.push(task_at(&store, &alice, status, NOW).await);
    }
    drop(store);
    let store = SqliteStore::open(&file, &limits, NOW + 5).unwrap();
    for before in before {
        let after = store.get(&alice, &before.id, NOW + 5).await.unwrap().unwrap();
        if before.status.is_terminal() {
            assert_eq!(after, before);
            continue;
        }
        assert_eq!((after.status, after.created_ms, after.updated_ms), (Status::Failed, NOW, NOW + 5));
        assert_eq!(after.status_message.as_deref(), Some("The host was restarted while the task was running"));
        let error: serde_json::Value = serde_json::from_str(after.outcome.unwrap().as_json()).unwrap();
        assert_eq!(error, serde_json::json!({ "code": -32603, "message": "The host was restarted while the task was running" }));
        assert_eq!(store.update(&alice, &before.id, &Status::ALL, Change::working(), NOW + 5).await, Ok(None));
    }
    drop(store);
    assert_eq!(names(file.parent().unwrap()), ["tasks.db", "tasks.db.lock"], "hosts leave nothing behind");
}

#[tokio::test]
async fn hosts_that_share_a_file_end_only_what_the_dead_were_running() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tasks.db");
    let alice = owner("a", "alice");
    let one = SqliteStore::open(&file, &small(), NOW).unwrap();
    let of_one = task_at(&one, &alice, Status::InputRequired, NOW).await;
    let two = SqliteStore::open(&file, &small(), NOW).unwrap();
    let of_two = task_at(&two, &alice, Status::Working, NOW).await;

    assert_eq!(two.remove_expired(NOW).await, Ok(0));
    for store in [&one, &two] {
        for task in [&of_one, &of_two] {
            assert_eq!(store.get(&alice, &task.id, NOW).await.unwrap().as_ref(), Some(task));
        }
    }
    one.create(task(&alice, NOW)).await.unwrap();
    assert_eq!(two.create(task(&alice, NOW)).await, Err(StoreError::TooMany(3)), "they count together");
    let cancelled = two.update(&alice, &of_one.id, &[Status::InputRequired], Change::cancelled(), NOW).await.unwrap();
    assert_eq!(cancelled.unwrap().status, Status::Cancelled);
    let late = one.update(&alice, &of_one.id, &[Status::InputRequired], Change::working(), NOW).await;
    assert_eq!(late, Ok(None), "the other has changed it");

    drop(two);
    assert_eq!(one.get(&alice, &of_two.id, NOW).await.unwrap().unwrap().status, Status::Working);
    assert_eq!(one.remove_expired(NOW + 9).await, Ok(0));
    let ended = one.get(&alice, &of_two.id, NOW).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.updated_ms), (Status::Failed, NOW + 9));
}

#[test]
fn many_hosts_can_begin_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tasks.db");
    let open = || SqliteStore::open(&file, &small(), NOW).map(drop).map_err(|error| error.to_string());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Ok(()));
        }
    });
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state/tasks.db");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    drop(SqliteStore::open(&file, &small(), NOW).unwrap());
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let store = SqliteStore::open(&file, &small(), NOW).unwrap();
    store.create(task(&owner("a", ""), NOW)).await.unwrap();
    let files = names(file.parent().unwrap());
    assert!(files.contains(&"tasks.db-wal".to_owned()) && files.len() == 5, "{files:?}");
    for name in files {
        assert_eq!(mode(&file.with_file_name(&name)), 0o600, "{name}");
    }
}

#[test]
fn files_of_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tasks.db");
    let refused = || SqliteStore::open(&file, &small(), NOW).unwrap_err().to_string();
    fs::write(&file, "not a database ".repeat(100)).unwrap();
    assert!(refused().contains("file is not a database"), "{}", refused());
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(refused().contains("unable to open"), "{}", refused());
    fs::remove_dir(&file).unwrap();
    drop(SqliteStore::open(&file, &small(), NOW).unwrap());
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 7).unwrap();
    assert_eq!(refused(), "a newer host has written it: its version is 7, the newest that is known here is 1");
    assert_eq!(names(folder.path()), ["tasks.db", "tasks.db.lock"], "nothing is left lying about");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
