//! A WebSocket client.

use crate::client;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

/// A connection. Dropping it closes it without a word.
pub struct Socket {
    /// For messages of any kind.
    pub raw: WebSocket<TcpStream>,
}

impl Socket {
    /// Shakes hands.
    #[must_use]
    pub fn open(address: SocketAddr) -> Self {
        let stream = client::connect(address);
        let (raw, _) = tungstenite::client(format!("ws://localhost:{}/mcp/ws", address.port()), stream).expect("a WebSocket");
        Self { raw }
    }

    /// Sends one message.
    pub fn send(&mut self, message: Value) {
        self.raw.send(Message::text(message.to_string())).expect("the message is sent");
    }

    /// The next message of the host's, pings aside.
    #[must_use]
    pub fn receive(&mut self) -> Value {
        loop {
            match self.raw.read().expect("a message") {
                Message::Text(text) => return serde_json::from_str(text.as_str()).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends one message and reads the next.
    #[must_use]
    pub fn ask(&mut self, message: Value) -> Value {
        self.send(message);
        self.receive()
    }

    /// Subscribes, which has to work.
    pub fn subscribe(&mut self, id: &str, topic: &str, filters: Value) {
        let answer = self.ask(json!({"type": "subscribe", "id": id, "topic": topic, "filters": filters}));
        assert_eq!(answer, json!({"type": "subscribed", "id": id}));
    }

    /// The code that the host closes with, when it has nothing more to say; none when it closes without.
    #[must_use]
    pub fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.raw.read() {
                Ok(Message::Close(frame)) => return frame.map(|CloseFrame { code, .. }| u16::from(code)),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(Error::ConnectionClosed | Error::Io(_) | Error::Protocol(_)) => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Closes as the protocol has it.
    pub fn close(&mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        self.raw.close(Some(frame)).expect("the closing is sent");
        while self.raw.read().is_ok() {}
    }
}
