//! One event, as it is published and as subscribers see it. What many subscribers need of it is made once.

use bytes::Bytes;
use serde_json::Value;
use std::cell::OnceCell;
use std::sync::{Arc, OnceLock};

/// An event that has not been published yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewEvent {
    /// A JSON object as text, checked by whoever made this.
    pub data: String,
    /// Where it came from.
    pub source: Option<String>,
    /// How serious it is.
    pub severity: Option<String>,
    /// What kind of event it is.
    pub kind: Option<String>,
}

impl NewEvent {
    /// What it takes: its data, and where it came from, how serious and of what kind it is.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.data.len() + text(&self.source) + text(&self.severity) + text(&self.kind)
    }
}

/// An event that was published.
#[derive(Debug)]
pub struct Event {
    /// Grows from event to event of the tenant, across restarts too; below 2^53.
    pub id: u64,
    /// `<plugin>/<topic>`.
    pub topic: Arc<str>,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// What was published.
    pub new: NewEvent,
    json: OnceLock<Bytes>,
    frame: OnceLock<Bytes>,
}

impl Event {
    /// An event as it was published.
    #[must_use]
    pub fn new(id: u64, topic: Arc<str>, time_ms: u64, new: NewEvent) -> Self {
        Self { id, topic, time_ms, new, json: OnceLock::new(), frame: OnceLock::new() }
    }

    /// What it takes in queues and in the memory of its topic.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.new.size_bytes() + self.topic.len()
    }

    /// The event as subscribers see it: one JSON object on one line.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        self.json.get_or_init(|| {
            // A part of the frame, so that it is in memory once.
            let frame = self.frame();
            let begin = frame.len().min(self.frame_head().len());
            frame.slice(begin..frame.len().saturating_sub(FRAME_TAIL.len()).max(begin))
        })
    }

    /// The event as one event of an event stream (HTML standard, server-sent events).
    #[must_use]
    pub fn frame(&self) -> &Bytes {
        self.frame.get_or_init(|| {
            let mut out = self.frame_head();
            self.render(&mut out);
            out.push_str(FRAME_TAIL);
            out.into()
        })
    }

    fn frame_head(&self) -> String {
        format!("id: {}\ndata: ", self.id)
    }

    fn render(&self, out: &mut String) {
        let time = i64::try_from(self.time_ms).ok().and_then(|time_ms| jiff::Timestamp::from_millisecond(time_ms).ok()).unwrap_or_default();
        out.push_str(&format!(r#"{{"id":{},"topic":{},"time":"{time}""#, self.id, Value::from(&*self.topic)));
        for (name, text) in [("source", &self.new.source), ("severity", &self.new.severity), ("type", &self.new.kind)] {
            if let Some(text) = text {
                out.push_str(&format!(",\"{name}\":{}", Value::from(text.as_str())));
            }
        }
        // Line breaks may stand between the parts of a guest's JSON, and would end a line of an event stream.
        out.push_str(",\"data\":");
        out.extend(self.new.data.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }));
        out.push('}');
    }
}

/// What ends an event of an event stream.
const FRAME_TAIL: &str = "\n\n";

/// An event while filters look at it: its data is parsed once for all of them, and not kept, since it takes many times the text's memory.
pub struct Seen<'e> {
    /// The event.
    pub event: &'e Event,
    data: OnceCell<Value>,
}

impl<'e> Seen<'e> {
    /// Nothing is parsed until a filter looks at the data.
    #[must_use]
    pub fn new(event: &'e Event) -> Self {
        Self { event, data: OnceCell::new() }
    }

    /// The event's data.
    #[must_use]
    pub fn data(&self) -> &Value {
        self.data.get_or_init(|| serde_json::from_str(&self.event.new.data).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let new = NewEvent { data: "{\n \"a\": \"b\\n\"\r}".to_owned(), severity: Some("high\"".to_owned()), ..NewEvent::default() };
        let event = Event::new(7, "logs/lines".into(), 1_700_000_000_123, new);
        let expected = r#"{"id":7,"topic":"logs/lines","time":"2023-11-14T22:13:20.123Z","severity":"high\"","data":{  "a": "b\n" }}"#;
        assert_eq!(std::str::from_utf8(event.json()).unwrap(), expected);
        assert!(serde_json::from_slice::<Value>(event.json()).is_ok());
        assert_eq!(std::str::from_utf8(event.frame()).unwrap(), format!("id: 7\ndata: {expected}\n\n"));
    }
}
