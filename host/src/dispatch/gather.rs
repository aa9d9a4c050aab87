//! Queries of one operation and one caller that a plugin takes together. The first of an idle operation runs at once; what comes while it
//! runs is gathered, until it ends, or until there is enough, or until it has waited long enough.

use super::joined::Joined;
use futures_util::FutureExt as _;
use futures_util::future::WeakShared;
use std::collections::HashMap;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The answers of queries that ran together, in their order.
pub(super) type Together<T> = Joined<Arc<Vec<T>>>;
type WeakTogether<T> = WeakShared<Pin<Box<dyn Future<Output = Arc<Vec<T>>> + Send>>>;

/// Queries that wait to run together, by what they have in common.
pub(super) struct Gatherings<K, T> {
    most: usize,
    wait_max: Duration,
    groups: Mutex<HashMap<K, Group<T>>>,
}

struct Group<T> {
    running: usize,
    open: Option<Open<T>>,
}

/// What others can still be added to.
struct Open<T> {
    gathering: Arc<Gathering>,
    together: WeakTogether<T>,
}

struct Gathering {
    parameters: Mutex<Vec<String>>,
    go: Notify,
}

/// How a query runs.
pub(super) enum Place<K: Clone + Eq + Hash, T> {
    /// Now, on its own. While this is held, others gather.
    Alone(Running<K, T>),
    /// With others: its answer is the one at this index.
    Together(Together<T>, usize),
}

/// A run in progress.
pub(super) struct Running<K: Clone + Eq + Hash, T> {
    gatherings: Arc<Gatherings<K, T>>,
    key: K,
}

/// A gathering that waits. When all have left it, nothing is left of it.
struct Waiting<K: Clone + Eq + Hash, T> {
    gatherings: Arc<Gatherings<K, T>>,
    key: K,
    gathering: Arc<Gathering>,
}

impl<K: Clone + Eq + Hash, T> Gatherings<K, T> {
    fn groups(&self) -> MutexGuard<'_, HashMap<K, Group<T>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathering {
    fn parameters(&self) -> MutexGuard<'_, Vec<String>> {
        self.parameters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Group<T> {
    fn is_over(&self) -> bool {
        self.running == 0 && self.open.is_none()
    }

    fn close(&mut self, gathering: &Arc<Gathering>) {
        if self.open.as_ref().is_some_and(|open| Arc::ptr_eq(&open.gathering, gathering)) {
            self.open = None;
        }
    }
}

impl<K: Clone + Eq + Hash, T> Drop for Running<K, T> {
    fn drop(&mut self) {
        let mut groups = self.gatherings.groups();
        let Some(group) = groups.get_mut(&self.key) else { return };
        group.running = group.running.saturating_sub(1);
        if let Some(open) = &group.open {
            open.gathering.go.notify_one();
        }
        if group.is_over() {
            groups.remove(&self.key);
        }
    }
}

impl<K: Clone + Eq + Hash, T> Drop for Waiting<K, T> {
    fn drop(&mut self) {
        let mut groups = self.gatherings.groups();
        let Some(group) = groups.get_mut(&self.key) else { return };
        group.close(&self.gathering);
        if group.is_over() {
            groups.remove(&self.key);
        }
    }
}

impl<K, T> Gatherings<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Send + Sync + 'static,
{
    pub(super) fn new(most: usize, wait_max: Duration) -> Arc<Self> {
        Arc::new(Self { most, wait_max, groups: Mutex::default() })
    }

    /// Finds a place for a query. `run` answers several, as many answers as parameters.
    pub(super) fn enter<F>(
        self: &Arc<Self>,
        key: &K,
        parameters: String,
        run: impl FnOnce(Vec<String>) -> F + Send + 'static,
    ) -> Place<K, T>
    where
        F: Future<Output = Vec<T>> + Send + 'static,
    {
        let mut groups = self.groups();
        let group = groups.entry(key.clone()).or_insert_with(|| Group { running: 0, open: None });
        if let Some((gathering, together)) =
            group.open.as_ref().and_then(|open| Some((Arc::clone(&open.gathering), open.together.upgrade()?)))
        {
            let mut waiting = gathering.parameters();
            waiting.push(parameters);
            let index = waiting.len() - 1;
            if waiting.len() >= self.most {
                group.open = None;
                gathering.go.notify_one();
            }
            return Place::Together(together, index);
        }
        if group.running == 0 {
            group.running = 1;
            return Place::Alone(Running { gatherings: Arc::clone(self), key: key.clone() });
        }
        let gathering = Arc::new(Gathering { parameters: Mutex::new(vec![parameters]), go: Notify::new() });
        let waiting = Waiting { gatherings: Arc::clone(self), key: key.clone(), gathering: Arc::clone(&gathering) };
        let together = waiting.together(run).boxed().shared();
        group.open = together.downgrade().map(|together| Open { gathering, together });
        Place::Together(together, 0)
    }
}

impl<K, T> Waiting<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Send + Sync + 'static,
{
    async fn together<F: Future<Output = Vec<T>> + Send>(self, run: impl FnOnce(Vec<String>) -> F + Send) -> Arc<Vec<T>> {
        // Whichever comes first.
        let _ = tokio::time::timeout(self.gatherings.wait_max, self.gathering.go.notified()).await;
        let running = {
            let mut groups = self.gatherings.groups();
            let group = groups.entry(self.key.clone()).or_insert_with(|| Group { running: 0, open: None });
            group.close(&self.gathering);
            group.running += 1;
            Running { gatherings: Arc::clone(&self.gatherings), key: self.key.clone() }
        };
        // Nobody is added once it is closed.
        let parameters = std::mem::take(&mut *self.gathering.parameters());
        let answers = run(parameters).await;
        drop(running);
        Arc::new(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Bench = Arc<Gatherings<u32, String>>;

    fn bench() -> Bench {
        Gatherings::new(3, Duration::from_millis(50))
    }

    fn enter(bench: &Bench, key: u32, parameters: &str) -> Place<u32, String> {
        let run = |all: Vec<String>| async move {
            let count = all.len();
            all.into_iter().map(|one| format!("{one} of {count}")).collect()
        };
        bench.enter(&key, parameters.to_owned(), run)
    }

    fn together(place: Place<u32, String>) -> (Together<String>, usize) {
        match place {
            Place::Together(together, index) => (together, index),
            Place::Alone(_) => panic!("alone"),
        }
    }

    async fn answer((together, index): (Together<String>, usize)) -> String {
        together.await[index].clone()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_runs_at_once_and_the_others_together_when_it_has_ended() {
        let bench = bench();
        let Place::Alone(first) = enter(&bench, 1, "a") else { panic!("it waits") };
        let Place::Alone(_other) = enter(&bench, 2, "x") else { panic!("it waits for others") };
        let (b, c) = (together(enter(&bench, 1, "b")), together(enter(&bench, 1, "c")));
        let waiting = tokio::spawn(async move { (answer(b).await, answer(c).await) });
        let began = tokio::time::Instant::now();
        tokio::task::yield_now().await;
        drop(first);
        assert_eq!(waiting.await.unwrap(), ("b of 2".to_owned(), "c of 2".to_owned()));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(bench.groups().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gathered_waits_only_so_long_and_is_only_so_much() {
        let bench = bench();
        let Place::Alone(_first) = enter(&bench, 1, "a") else { panic!("it waits") };
        let began = tokio::time::Instant::now();
        let full = ["b", "c", "d"].map(|name| together(enter(&bench, 1, name)));
        let rest = together(enter(&bench, 1, "e"));
        let answers = futures_util::future::join_all(full.map(answer)).await;
        assert_eq!((answers, began.elapsed()), (vec!["b of 3".to_owned(), "c of 3".to_owned(), "d of 3".to_owned()], Duration::ZERO));
        // A run has ended, so nobody waits any longer.
        assert_eq!((answer(rest).await.as_str(), began.elapsed()), ("e of 1", Duration::ZERO));
        assert_eq!(answer(together(enter(&bench, 1, "f"))).await, "f of 1");
        assert_eq!(began.elapsed().as_millis(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_takes_nothing_along() {
        let bench = bench();
        let Place::Alone(first) = enter(&bench, 1, "a") else { panic!("it waits") };
        drop(together(enter(&bench, 1, "b")));
        let (c, d) = (together(enter(&bench, 1, "c")), together(enter(&bench, 1, "d")));
        drop(c);
        assert_eq!(answer(d).await, "d of 2");
        drop(first);
        assert!(bench.groups().is_empty());
        assert!(matches!(enter(&bench, 1, "e"), Place::Alone(_)));
        assert!(bench.groups().is_empty());
    }
}
