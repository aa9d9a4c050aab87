//! Identical queries in flight: one runs, and the others wait for its answer. When the one that came first goes away, the others still get
//! it; when all are gone, it ends.

use futures_util::FutureExt as _;
use futures_util::future::{Shared, WeakShared};
use std::collections::HashMap;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An answer that several wait for.
pub(super) type Joined<T> = Shared<Pin<Box<dyn Future<Output = T> + Send>>>;

/// Answers that others can wait for.
pub(super) struct Joins<K, T: Clone> {
    most: usize,
    leaders: Mutex<Leaders<K, T>>,
}

struct Leaders<K, T: Clone> {
    last: u64,
    by_key: HashMap<K, Leader<T>>,
}

struct Leader<T: Clone> {
    number: u64,
    /// How much had been changed when it began.
    writes: u64,
    answer: WeakShared<Pin<Box<dyn Future<Output = T> + Send>>>,
}

/// Takes its leader out when it ends, however that is.
struct Leaving<K: Eq + Hash, T: Clone> {
    joins: Arc<Joins<K, T>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, T: Clone> Drop for Leaving<K, T> {
    fn drop(&mut self) {
        let mut leaders = self.joins.leaders();
        if leaders.by_key.get(&self.key).is_some_and(|leader| leader.number == self.number) {
            leaders.by_key.remove(&self.key);
        }
    }
}

impl<K: Eq + Hash, T: Clone> Joins<K, T> {
    fn leaders(&self) -> MutexGuard<'_, Leaders<K, T>> {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, T> Joins<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, leaders: Mutex::new(Leaders { last: 0, by_key: HashMap::new() }) })
    }

    /// The answer of whoever asked the same and is still waiting, if nothing was changed since it began; otherwise this one runs.
    pub(super) fn join<F>(self: &Arc<Self>, key: &K, writes: u64, run: impl FnOnce() -> F) -> Joined<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut leaders = self.leaders();
        let leader = leaders.by_key.get(key).filter(|leader| leader.writes == writes);
        if let Some(answer) = leader.and_then(|leader| leader.answer.upgrade()) {
            return answer;
        }
        if leaders.by_key.len() >= self.most && !leaders.by_key.contains_key(key) {
            return run().boxed().shared();
        }
        leaders.last += 1;
        let number = leaders.last;
        let leaving = Leaving { joins: Arc::clone(self), key: key.clone(), number };
        let run = run();
        let answer = async move {
            let _leaving = leaving;
            run.await
        };
        let answer = answer.boxed().shared();
        if let Some(weak) = answer.downgrade() {
            leaders.by_key.insert(key.clone(), Leader { number, writes, answer: weak });
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::Notify;

    struct Bench {
        joins: Arc<Joins<u32, u32>>,
        runs: Arc<AtomicU32>,
        go: Arc<Notify>,
    }

    impl Bench {
        fn new(most: usize) -> Self {
            Self { joins: Joins::new(most), runs: Arc::default(), go: Arc::default() }
        }

        fn ask(&self, key: u32, writes: u64) -> Joined<u32> {
            let (runs, go) = (Arc::clone(&self.runs), Arc::clone(&self.go));
            self.joins.join(&key, writes, || async move {
                let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
                go.notified().await;
                run
            })
        }

        fn open(&self) -> usize {
            self.joins.leaders().by_key.len()
        }
    }

    #[tokio::test]
    async fn the_same_at_the_same_time_runs_once() {
        let bench = Bench::new(10);
        let all: Vec<_> = (0..100).map(|_| bench.ask(1, 0)).collect();
        let waiting = tokio::spawn(futures_util::future::join_all(all));
        tokio::task::yield_now().await;
        bench.go.notify_one();
        assert_eq!(waiting.await.unwrap(), vec![1; 100]);
        assert_eq!(bench.open(), 0);
        // Later is another time.
        let later = bench.ask(1, 0);
        bench.go.notify_one();
        assert_eq!(later.await, 2);
    }

    #[tokio::test]
    async fn nobody_waits_for_an_answer_from_before_a_change() {
        let bench = Bench::new(10);
        let (before, after, again) = (bench.ask(1, 0), bench.ask(1, 2), bench.ask(1, 2));
        let (before, after, again) = (tokio::spawn(before), tokio::spawn(after), tokio::spawn(again));
        tokio::task::yield_now().await;
        bench.go.notify_waiters();
        let answers = [before.await.unwrap(), after.await.unwrap(), again.await.unwrap()];
        assert!(answers[0] != answers[1] && answers[1] == answers[2], "{answers:?}");
        assert_eq!((bench.runs.load(Ordering::SeqCst), bench.open()), (2, 0));
    }

    #[tokio::test]
    async fn who_came_first_may_leave_and_when_all_have_it_ends() {
        let bench = Bench::new(10);
        let mut first = bench.ask(1, 0);
        assert!(futures_util::poll!(&mut first).is_pending());
        let second = tokio::spawn(bench.ask(1, 0));
        tokio::task::yield_now().await;
        drop(first);
        bench.go.notify_one();
        assert_eq!(second.await.unwrap(), 1);
        let mut all = [bench.ask(1, 0), bench.ask(1, 0)];
        for one in &mut all {
            assert!(futures_util::poll!(one).is_pending());
        }
        assert_eq!(bench.open(), 1);
        drop(all);
        assert_eq!(bench.open(), 0);
    }

    #[tokio::test]
    async fn beyond_the_bound_everybody_runs_alone() {
        let bench = Bench::new(1);
        let all = [bench.ask(1, 0), bench.ask(2, 0), bench.ask(2, 0), bench.ask(1, 0)];
        assert_eq!(bench.open(), 1);
        let waiting = tokio::spawn(futures_util::future::join_all(all));
        tokio::task::yield_now().await;
        bench.go.notify_waiters();
        waiting.await.unwrap();
        assert_eq!(bench.runs.load(Ordering::SeqCst), 3);
    }
}
