//! What webhooks have taken and must not take again. Nothing is forgotten before its time: when there is no room, what comes is refused.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

/// What is remembered of one thing: enough that no two are mixed up.
pub(super) type Digest = [u8; 32];

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotNew {
    /// A part of it was there before.
    Again,
    /// As much is remembered as may be.
    Full,
}

/// The requests of one plugin's webhooks.
#[derive(Debug)]
pub(super) struct Replays {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    until_ms: HashMap<Digest, u64>,
    order: BTreeSet<(u64, Digest)>,
}

impl Replays {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// Takes all of these, or none.
    pub(super) fn take(&self, digests: &[Digest], until_ms: u64, now_ms: u64) -> Result<(), NotNew> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.expire(now_ms);
        if digests.iter().any(|digest| taken.until_ms.contains_key(digest)) {
            return Err(NotNew::Again);
        }
        if taken.until_ms.len() + digests.len() > self.most {
            return Err(NotNew::Full);
        }
        for digest in digests {
            taken.until_ms.insert(*digest, until_ms);
            taken.order.insert((until_ms, *digest));
        }
        Ok(())
    }

    /// Gives them back: nothing came of the request, and its sender was told to come again.
    pub(super) fn give_back(&self, digests: &[Digest]) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for digest in digests {
            if let Some(until_ms) = taken.until_ms.remove(digest) {
                taken.order.remove(&(until_ms, *digest));
            }
        }
    }
}

impl Taken {
    /// Forgets what would not be let through any more anyway.
    fn expire(&mut self, now_ms: u64) {
        while let Some((until_ms, digest)) = self.order.first().copied().filter(|(until_ms, _)| *until_ms < now_ms) {
            self.order.remove(&(until_ms, digest));
            self.until_ms.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_taken_once_within_its_time() {
        let (replays, [a, b, c]) = (Replays::new(2), [[1; 32], [2; 32], [3; 32]]);
        assert_eq!(replays.take(&[a], 100, 10), Ok(()));
        assert_eq!(replays.take(&[a], 200, 100), Err(NotNew::Again));
        // All or nothing.
        assert_eq!(replays.take(&[b, a], 200, 10), Err(NotNew::Again));
        assert_eq!(replays.take(&[b], 50, 10), Ok(()));
        // Nothing that could come again makes room.
        assert_eq!(replays.take(&[c], 200, 50), Err(NotNew::Full));
        assert_eq!(replays.take(&[c], 200, 51), Ok(()));
        assert_eq!(replays.take(&[a], 300, 101), Ok(()));
        replays.give_back(&[a, b]);
        assert_eq!((replays.take(&[a], 300, 101), replays.take(&[c], 300, 101)), (Ok(()), Err(NotNew::Again)));
        assert_eq!(replays.taken.lock().unwrap().order.len(), 2);
    }
}
