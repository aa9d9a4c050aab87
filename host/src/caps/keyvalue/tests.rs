//! What both stores do alike, and what only a file can.

use super::rules::{Change, Changed, Entry, Quota, Space};
use super::{KvError, MemoryStore, OpenError, SqliteStore, Store};
use crate::clock::Clock;
use crate::ids::{PluginName, TenantId};
use crate::limits::Limits;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// A clock that stands still until it is told the time.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn clock(&self) -> Clock {
        let ms = Arc::clone(&self.0);
        Clock::from_fn(move || UNIX_EPOCH + Duration::from_millis(ms.load(Ordering::Relaxed)))
    }

    fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::Relaxed);
    }
}

fn space(tenant: &str, plugin: &str) -> Space {
    Space { tenant: TenantId::named(tenant), plugin: PluginName::parse(plugin).unwrap() }
}

fn quota() -> Quota {
    Quota { bytes_max: 100_000, entries_max: 1_000, tenant_bytes_max: 1_000_000, tenant_entries_max: 10_000 }
}

fn file(folder: &Path, limits: &Limits, clock: Clock) -> SqliteStore {
    SqliteStore::open(&folder.join("keyvalue.db"), limits, clock).unwrap()
}

/// Runs a test on both stores, each with a clock in hand.
fn on_both<F: Future<Output = ()>>(limits: &Limits, test: impl Fn(Arc<dyn Store>, Hand) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let hand = Hand::default();
    runtime.block_on(test(Arc::new(MemoryStore::new(limits, hand.clock())), hand));
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::default());
    runtime.block_on(test(Arc::new(file(folder.path(), limits, hand.clock())), hand));
}

async fn set(store: &dyn Store, space: &Space, key: &str, value: &[u8], expires_ms: Option<u64>, quota: Quota) -> Result<(), KvError> {
    store.change(space, key.to_owned(), Change::Set(Entry { value: value.into(), expires_ms }), quota).await.map(|_| ())
}

async fn get(store: &dyn Store, space: &Space, key: &str) -> Option<String> {
    store.get(space, key).await.unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[test]
fn a_key_belongs_to_one_plugin_of_one_tenant() {
    on_both(&Limits::default(), |store, _| async move {
        let spaces = [space("a", "notes"), space("a", "other"), space("b", "notes")];
        for (n, space) in spaces.iter().enumerate() {
            set(&*store, space, "key", format!("{n}").as_bytes(), None, quota()).await.unwrap();
        }
        for (n, space) in spaces.iter().enumerate() {
            assert_eq!(get(&*store, space, "key").await, Some(n.to_string()));
            assert_eq!(store.list(space, String::new(), None, 10).await.unwrap().keys, ["key"]);
        }
        store.change(&spaces[0], "key".to_owned(), Change::Delete, quota()).await.unwrap();
        assert_eq!((get(&*store, &spaces[0], "key").await, get(&*store, &spaces[2], "key").await), (None, Some("2".to_owned())));
    });
}

#[test]
fn pages_have_every_key_once_in_the_order_of_their_bytes() {
    on_both(&Limits::default(), |store, _| async move {
        let space = space("a", "notes");
        for key in ["b/2", "b/10", "a", "b", "ä", "c", "b/1", "b0", "%", "_"] {
            set(&*store, &space, key, b"x", None, quota()).await.unwrap();
        }
        let page = |prefix: &str, after: Option<&str>| store.list(&space, prefix.to_owned(), after.map(str::to_owned), 2);
        let first = page("b/", None).await.unwrap();
        assert_eq!((first.keys, first.cursor.as_deref()), (vec!["b/1".to_owned(), "b/10".to_owned()], Some("b/10")));
        let second = page("b/", Some("b/10")).await.unwrap();
        assert_eq!((second.keys, second.cursor), (vec!["b/2".to_owned()], None));
        // A cursor of somebody's own making leads nowhere else.
        assert_eq!(page("b/", Some("a")).await.unwrap().keys, ["b/1", "b/10"]);
        assert_eq!(page("b/", Some("z")).await.unwrap().keys, [""; 0]);
        assert_eq!(page("%", None).await.unwrap().keys, ["%"]);
        assert_eq!(store.list(&space, String::new(), None, 100).await.unwrap().keys.len(), 10);
    });
}

#[test]
fn what_has_expired_is_not_there_and_gives_its_room_back() {
    on_both(&Limits::default(), |store, hand| async move {
        let (space, two) = (space("a", "notes"), Quota { entries_max: 2, ..quota() });
        set(&*store, &space, "short", b"1", Some(10), two).await.unwrap();
        set(&*store, &space, "long", b"2", Some(1_000_000), two).await.unwrap();
        assert!(matches!(set(&*store, &space, "more", b"", None, two).await, Err(KvError::Quota(_))));
        hand.set(9);
        assert_eq!(get(&*store, &space, "short").await.as_deref(), Some("1"));
        hand.set(10);
        assert_eq!(get(&*store, &space, "short").await, None);
        assert_eq!(store.list(&space, String::new(), None, 10).await.unwrap().keys, ["long"]);
        assert_eq!(store.change(&space, "short".to_owned(), Change::Delete, two).await, Ok(Changed::Done(false)));
        let swap = Change::Swap(Some(b"1".to_vec()), Entry { value: (*b"9").into(), expires_ms: None });
        assert_eq!(store.change(&space, "short".to_owned(), swap, two).await, Ok(Changed::Done(false)));
        set(&*store, &space, "more", b"3", None, two).await.unwrap();
        // A counter keeps the time that it began with, and begins anew after it.
        let add = |expires_ms| store.change(&space, "more-2".to_owned(), Change::Increment(1, expires_ms), quota());
        assert_eq!([add(Some(20)).await, add(Some(900)).await], [Ok(Changed::Sum(1)), Ok(Changed::Sum(2))]);
        hand.set(20);
        assert_eq!(add(None).await, Ok(Changed::Sum(1)));
        // A sweep, which comes with a change once in a while, forgets nothing else.
        hand.set(100_000);
        set(&*store, &space, "last", b"", None, quota()).await.unwrap();
        assert_eq!(store.list(&space, String::new(), None, 10).await.unwrap().keys, ["last", "long", "more", "more-2"]);
    });
}

#[test]
fn quotas_hold_for_a_plugin_and_for_its_tenant() {
    on_both(&Limits::default(), |store, _| async move {
        let (one, two, other) = (space("a", "one"), space("a", "two"), space("b", "one"));
        let small = Quota { bytes_max: 10, entries_max: 3, tenant_bytes_max: 15, tenant_entries_max: 4 };
        let put = async |space: &Space, key: &str, bytes: usize| set(&*store, space, key, &vec![b'x'; bytes], None, small).await.is_ok();
        assert!(put(&one, "a", 9).await && !put(&one, "b", 0).await, "keys count as well");
        // What gets smaller, or stays, always fits, and what is refused changes nothing.
        assert!(!put(&one, "a", 10).await && put(&one, "a", 9).await && put(&one, "a", 4).await);
        assert!(put(&one, "b", 0).await && put(&one, "c", 0).await && !put(&one, "d", 0).await, "three keys");
        assert_eq!(store.list(&one, String::new(), None, 10).await.unwrap().keys, ["a", "b", "c"]);
        assert!(put(&two, "a", 6).await && !put(&two, "a", 9).await, "the tenant has room for 15");
        assert!(!put(&two, "b", 0).await, "and for four keys");
        assert!(put(&other, "a", 9).await, "another tenant has its own room");
        store.change(&one, "a".to_owned(), Change::Delete, small).await.unwrap();
        assert!(put(&two, "b", 0).await);
    });
}

/// Adds one by compare-and-swap, as often as it takes.
async fn add_by_swap(store: &dyn Store, space: &Space, rounds: usize, mut patience: usize) {
    for _ in 0..rounds {
        loop {
            let old = store.get(space, "n").await.unwrap();
            let number: u64 = old.as_ref().map_or(0, |value| str::from_utf8(value).unwrap().parse().unwrap());
            let new = Entry { value: (number + 1).to_string().into_bytes().into(), expires_ms: None };
            let swap = Change::Swap(old.map(|value| value.to_vec()), new);
            if store.change(space, "n".to_owned(), swap, quota()).await.unwrap() == Changed::Done(true) {
                break;
            }
            // Another was faster. Others get to run first, some of them for longer, or all would meet again.
            patience = patience * 5 % 63 + 1;
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[test]
fn d11_kv_cas_race() {
    const WRITERS: usize = 64;
    const ROUNDS: usize = 1_000;
    let limits = Limits::default();
    let folder = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(MemoryStore::new(&limits, Clock::system())), Arc::new(file(folder.path(), &limits, Clock::system()))];
    for store in stores {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                let store = Arc::clone(&store);
                runtime.spawn(async move {
                    let space = space("a", "notes");
                    add_by_swap(&*store, &space, ROUNDS, n).await;
                    for _ in 0..ROUNDS {
                        store.change(&space, "sum".to_owned(), Change::Increment(1, None), quota()).await.unwrap();
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for writer in writers {
                writer.await.unwrap();
            }
            let space = space("a", "notes");
            assert_eq!(get(&*store, &space, "n").await.as_deref(), Some("64000"));
            assert_eq!(get(&*store, &space, "sum").await.as_deref(), Some("64000"));
        });
    }
}

#[tokio::test]
async fn a_file_keeps_everything_and_counts_it_again() {
    let (folder, limits, space) = (tempfile::tempdir().unwrap(), Limits::default(), space("a", "notes"));
    let two = Quota { entries_max: 2, ..quota() };
    let hand = Hand::default();
    let store = file(folder.path(), &limits, hand.clock());
    set(&store, &space, "a", b"\0\xff", None, two).await.unwrap();
    set(&store, &space, "b", b"2", Some(50), two).await.unwrap();
    let impatient = Limits { keyvalue_open_wait_max: Duration::ZERO, ..Limits::default() };
    let second = SqliteStore::open(&folder.path().join("keyvalue.db"), &impatient, hand.clock());
    assert!(matches!(second.err(), Some(OpenError::InUse)));
    drop(store);
    let store = file(folder.path(), &limits, hand.clock());
    assert_eq!(store.get(&space, "a").await.unwrap().as_deref(), Some(&b"\0\xff"[..]));
    assert!(matches!(set(&store, &space, "c", b"", None, two).await, Err(KvError::Quota(_))));
    hand.set(50);
    assert_eq!(get(&store, &space, "b").await, None);
    set(&store, &space, "c", b"", None, two).await.unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(folder.path().join("keyvalue.db")).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "nobody else reads it");
}

#[tokio::test]
async fn f08_disk_full_is_unavailable_and_reading_goes_on() {
    let (folder, space) = (tempfile::tempdir().unwrap(), space("a", "notes"));
    let limits = Limits { keyvalue_store_bytes_max: 256 << 10, ..Limits::default() };
    let room = Quota { bytes_max: 1 << 30, tenant_bytes_max: 1 << 30, ..quota() };
    let store = file(folder.path(), &limits, Clock::system());
    let mut kept = 0;
    let full = loop {
        match set(&store, &space, &format!("k{kept}"), &[b'x'; 10_000], None, room).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 100, "256 KiB hold no megabyte");
    };
    assert_eq!(full, KvError::Unavailable("the store is full".to_owned()));
    assert!(kept > 10, "{kept}");
    // Nothing of what was refused is there; everything else is, can be read, and can be deleted to make room.
    assert_eq!(get(&store, &space, &format!("k{kept}")).await, None);
    assert_eq!(store.list(&space, String::new(), None, 100).await.unwrap().keys.len(), kept);
    for n in 0..4 {
        store.change(&space, format!("k{n}"), Change::Delete, room).await.unwrap();
    }
    set(&store, &space, "again", &[b'x'; 10_000], None, room).await.unwrap();
    drop(store);
    let store = file(folder.path(), &limits, Clock::system());
    assert_eq!(store.list(&space, String::new(), None, 100).await.unwrap().keys.len(), kept - 3);
    // Memory has the same bound.
    let memory = MemoryStore::new(&Limits { keyvalue_store_bytes_max: 1_000, ..Limits::default() }, Clock::system());
    assert_eq!(set(&memory, &space, "k", &[0; 1_000], None, room).await, Err(KvError::Unavailable("the store is full".to_owned())));
}
