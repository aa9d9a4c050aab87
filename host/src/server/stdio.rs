//! MCP on standard input and output: one message a line, both eras in one process (2026-07-28, stdio; 2025-11-25, transports).

use super::conversation::{self, Conversation};
use crate::auth::Principal;
use crate::dispatch::Dispatch;
use crate::mcp::{code, write};
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;

/// How much is read at once; many short messages come in one piece when the client has several in flight.
const READ_BYTES: usize = 64 << 10;

/// Serves until the input ends and every request that came before is answered. Has to run on a `LocalSet`.
pub async fn serve(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + 'static,
    dispatch: Arc<Dispatch>,
) -> std::io::Result<()> {
    let shared = Conversation::new(dispatch, Principal::local());
    let writer = tokio::task::spawn_local(write_answers(Rc::clone(&shared), output));
    let slots = Arc::new(Semaphore::new(shared.dispatch.limits().stdio_requests_max));
    read_messages(input, &shared, &slots).await?;
    shared.hang_up();
    // Whoever holds the last slot is the last request.
    let all = u32::try_from(shared.dispatch.limits().stdio_requests_max).unwrap_or(u32::MAX);
    let _ = slots.acquire_many(all).await;
    slots.close();
    shared.out.tell();
    drop(slots);
    drop(shared);
    writer.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

async fn read_messages(mut input: impl AsyncRead + Unpin, shared: &Rc<Conversation>, slots: &Arc<Semaphore>) -> std::io::Result<()> {
    let most = shared.dispatch.limits().body_bytes_max;
    let mut buffer: Vec<u8> = Vec::with_capacity(READ_BYTES);
    let mut chunk = vec![0; READ_BYTES];
    let mut too_long = false;
    loop {
        let count = input.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        let mut rest = chunk.get(..count).unwrap_or_default();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if std::mem::take(&mut too_long) || buffer.len() + line.len() > most {
                let text = format!("the message is longer than {most} bytes");
                shared.out.answer(&write::error(None, code::INVALID_REQUEST, &text, None));
            } else if buffer.is_empty() {
                take(line, shared, slots).await;
            } else {
                buffer.extend_from_slice(line);
                take(&std::mem::take(&mut buffer), shared, slots).await;
            }
            buffer.clear();
        }
        if too_long || buffer.len() + rest.len() > most {
            too_long = true;
            buffer.clear();
        } else {
            buffer.extend_from_slice(rest);
        }
        if !shared.out.is_empty() {
            shared.out.tell();
        }
    }
}

/// Takes one line, when there is a slot.
async fn take(line: &[u8], shared: &Rc<Conversation>, slots: &Arc<Semaphore>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return;
    }
    let Ok(slot) = Arc::clone(slots).acquire_owned().await else { return };
    conversation::take(line, shared, Some(slot)).await;
}

/// Writes what has gathered, as one piece.
async fn write_answers(shared: Rc<Conversation>, mut output: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    loop {
        let out = shared.out.take();
        if !out.is_empty() {
            output.write_all(&out).await?;
            output.flush().await?;
        } else if Rc::strong_count(&shared) == 1 {
            return Ok(());
        } else {
            shared.out.told().await;
        }
    }
}
