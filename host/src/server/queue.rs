//! Messages of one request on their way to its client, before its answer.

use crate::caps::client::Outlet;
use crate::limits::Limits;
use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// A bounded queue. Whoever puts in is never held up; what does not fit is not taken.
pub(super) struct Queue {
    messages: Mutex<Messages>,
    reader: AtomicWaker,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct Messages {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let (messages_max, bytes_max) = (limits.outlet_messages_max, limits.outlet_bytes_max);
        Arc::new(Self { messages: Mutex::default(), reader: AtomicWaker::new(), messages_max, bytes_max })
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, mut messages: MutexGuard<'_, Messages>, message: Vec<u8>) {
        messages.bytes += message.len();
        messages.waiting.push_back(message);
        drop(messages);
        self.reader.wake();
    }

    pub(super) fn take(&self) -> Option<Vec<u8>> {
        let mut messages = self.messages();
        let message = messages.waiting.pop_front()?;
        messages.bytes -= message.len();
        Some(message)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages().waiting.is_empty()
    }

    /// Ready when something waits.
    pub(super) fn poll_some(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_empty() {
            return Poll::Ready(());
        }
        self.reader.register(cx.waker());
        if self.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    pub(super) async fn next(&self) -> Vec<u8> {
        loop {
            if let Some(message) = self.take() {
                return message;
            }
            poll_fn(|cx| self.poll_some(cx)).await;
        }
    }
}

impl Outlet for Queue {
    fn send(&self, message: Vec<u8>) -> bool {
        let messages = self.messages();
        let fits = messages.waiting.len() < self.messages_max && messages.bytes + message.len() <= self.bytes_max;
        if fits {
            self.put(messages, message);
        }
        fits
    }

    fn deliver(&self, message: Vec<u8>) {
        self.put(self.messages(), message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_not_taken() {
        let queue = Queue::new(&Limits { outlet_messages_max: 2, outlet_bytes_max: 10, ..Limits::default() });
        assert!(!queue.send(vec![0; 11]));
        assert!(queue.send(vec![1; 5]) && queue.send(vec![2; 5]) && !queue.send(vec![]));
        assert_eq!((queue.next().await, queue.next().await), (vec![1; 5], vec![2; 5]));
        assert!(queue.send(vec![3; 10]) && !queue.send(vec![4]));
        queue.deliver(vec![5; 11]);
        assert_eq!((queue.next().await, queue.next().await, queue.is_empty()), (vec![3; 10], vec![5; 11], true));
    }
}
