//! Event streams that can be resumed (2025-11-25, transports, "Resumability and Redelivery"). A stream remembers what it has sent, within
//! bounds, so that a client that lost its connection gets the rest, and only of this stream.

use crate::caps::client::Outlet;
use crate::limits::Limits;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Where a client is: a stream of its session, and the last event that it has. `0` stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId {
    /// The stream's number in its session.
    pub stream: u32,
    /// The event's number in its stream.
    pub event: u64,
}

impl EventId {
    /// Reads what [`EventId`] prints.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (stream, event) = text.split_once('-')?;
        let parsed = Self { stream: stream.parse().ok()?, event: event.parse().ok()? };
        (parsed.to_string() == text).then_some(parsed)
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.stream, self.event)
    }
}

/// One stream of a session.
pub struct Stream {
    number: u32,
    messages_max: usize,
    bytes_max: usize,
    state: Mutex<State>,
    more: Notify,
}

#[derive(Default)]
struct State {
    // The last of them has the number `last`.
    events: VecDeque<Arc<[u8]>>,
    bytes: usize,
    last: u64,
    read: u64,
    ended: bool,
    // Counts who came to read; only the last one does.
    reader: u64,
}

impl Stream {
    /// An empty stream.
    #[must_use]
    pub fn new(number: u32, limits: &Limits) -> Arc<Self> {
        let (messages_max, bytes_max) = (limits.outlet_messages_max, limits.outlet_bytes_max);
        Arc::new(Self { number, messages_max, bytes_max, state: Mutex::default(), more: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream's number in its session.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Adds an event. What is too old to be kept is forgotten, unless nobody has read it yet: then the new one is not taken.
    pub fn push(&self, message: &[u8], must: bool) -> bool {
        let mut state = self.state();
        if state.ended {
            return false;
        }
        while !state.events.is_empty() && (state.events.len() >= self.messages_max || state.bytes + message.len() > self.bytes_max) {
            let oldest = state.last + 1 - state.events.len() as u64;
            if oldest > state.read && !must {
                return false;
            }
            let forgotten = state.events.pop_front();
            state.bytes -= forgotten.map_or(0, |event| event.len());
        }
        // What waits to be read already need not wait twice.
        let unread = usize::try_from(state.last - state.read).unwrap_or(usize::MAX);
        if !must && state.events.iter().rev().take(unread).any(|event| **event == *message) {
            return true;
        }
        state.bytes += message.len();
        state.events.push_back(message.into());
        state.last += 1;
        drop(state);
        self.more.notify_waiters();
        true
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.state().ended = true;
        self.more.notify_waiters();
    }

    /// Whether an event of this number has been there. Number 0 stands for none.
    #[must_use]
    pub fn has_sent(&self, event: u64) -> bool {
        event <= self.state().last
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// Reads on from what nobody has read yet.
    #[must_use]
    pub fn read_on(self: &Arc<Self>) -> Reader {
        let read = self.state().read;
        self.read(read)
    }

    /// Reads from behind an event on. Whoever read before, reads no more: a message goes to one connection only.
    #[must_use]
    pub fn read(self: &Arc<Self>, after: u64) -> Reader {
        let mut state = self.state();
        state.reader += 1;
        let turn = state.reader;
        drop(state);
        self.more.notify_waiters();
        Reader { stream: Arc::clone(self), at: after, turn }
    }
}

impl Outlet for Stream {
    fn send(&self, message: Vec<u8>) -> bool {
        self.push(&message, false)
    }

    fn deliver(&self, message: Vec<u8>) {
        self.push(&message, true);
    }
}

/// Reads a stream.
pub struct Reader {
    stream: Arc<Stream>,
    at: u64,
    turn: u64,
}

/// What a reader finds.
enum Found {
    Event(EventId, Arc<[u8]>),
    Nothing,
    End,
}

impl Reader {
    /// Where it is.
    #[must_use]
    pub fn position(&self) -> EventId {
        EventId { stream: self.stream.number, event: self.at }
    }

    fn look(&mut self) -> Found {
        let mut state = self.stream.state();
        if state.reader != self.turn {
            return Found::End;
        }
        let first = state.last + 1 - state.events.len() as u64;
        let wanted = (self.at + 1).max(first);
        let at = usize::try_from(wanted - first).unwrap_or(usize::MAX);
        match state.events.get(at).cloned() {
            Some(event) => {
                self.at = wanted;
                state.read = state.read.max(wanted);
                Found::Event(EventId { stream: self.stream.number, event: wanted }, event)
            }
            None if state.ended => Found::End,
            None => Found::Nothing,
        }
    }

    /// The next event, if it is there already.
    pub fn take(&mut self) -> Option<(EventId, Arc<[u8]>)> {
        if let Found::Event(id, event) = self.look() { Some((id, event)) } else { None }
    }

    /// The next event; none at the end of the stream, or when somebody else reads on.
    pub async fn next(&mut self) -> Option<(EventId, Arc<[u8]>)> {
        loop {
            let stream = Arc::clone(&self.stream);
            let more = stream.more.notified();
            match self.look() {
                Found::Event(id, event) => return Some((id, event)),
                Found::End => return None,
                Found::Nothing => more.await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn drain(reader: &mut Reader) -> Vec<String> {
        let mut read = Vec::new();
        while let Some((id, event)) = reader.next().await {
            read.push(format!("{id} {}", String::from_utf8_lossy(&event)));
        }
        read
    }

    #[tokio::test]
    async fn a_client_that_comes_back_gets_the_rest() {
        let stream = Stream::new(3, &Limits::default());
        for message in ["a", "b", "c"] {
            stream.push(message.as_bytes(), true);
        }
        stream.end();
        assert!(!stream.push(b"d", true), "it has ended");
        assert_eq!(drain(&mut stream.read(0)).await, ["3-1 a", "3-2 b", "3-3 c"]);
        assert_eq!(drain(&mut stream.read(2)).await, ["3-3 c"]);
        assert!(stream.has_sent(0) && stream.has_sent(3) && !stream.has_sent(4));
    }

    #[tokio::test]
    async fn only_the_last_one_reads() {
        let stream = Stream::new(0, &Limits::default());
        let mut first = stream.read(0);
        let mut second = stream.read(0);
        stream.push(b"a", true);
        assert!(first.next().await.is_none());
        assert_eq!(second.next().await.map(|(id, _)| id), Some(EventId { stream: 0, event: 1 }));
    }

    #[tokio::test]
    async fn what_nobody_reads_is_bounded() {
        let stream = Stream::new(0, &Limits { outlet_messages_max: 2, ..Limits::default() });
        assert!(stream.send(b"a".to_vec()) && stream.send(b"a".to_vec()) && stream.send(b"b".to_vec()));
        assert!(!stream.send(b"c".to_vec()), "two wait, and nobody reads");
        assert!(stream.push(b"d", true), "answers always fit");
        stream.end();
        assert_eq!(drain(&mut stream.read(0)).await, ["0-2 b", "0-3 d"]);
    }

    #[test]
    fn event_ids_are_read_as_they_are_written() {
        assert_eq!(EventId::parse("3-14"), Some(EventId { stream: 3, event: 14 }));
        for text in ["", "3", "3-", "-3", "03-1", "3-1 ", "a-b", "3--1", "4294967296-1"] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
    }
}
