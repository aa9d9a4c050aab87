//! Worker threads, each with a runtime of its own.

use super::ConnectionSlot;
use super::connection::{self, ConnectionContext};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

type Handed = (std::net::TcpStream, ConnectionSlot);

struct Worker {
    connections: mpsc::UnboundedSender<Handed>,
    open: Arc<AtomicUsize>,
}

/// The workers.
pub(super) struct Workers(Vec<Worker>);

impl Workers {
    /// One for each core.
    pub(super) fn start(context: &ConnectionContext) -> std::io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (0..count).map(|index| Worker::start(index, context.clone())).collect::<std::io::Result<_>>().map(Self)
    }

    /// Hands a connection to the worker with the fewest. Bounded by the number of connection slots.
    pub(super) fn hand_over(&self, stream: TcpStream, slot: ConnectionSlot) {
        let Some(worker) = self.0.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed)) else { return };
        let Ok(stream) = stream.into_std() else { return };
        worker.open.fetch_add(1, Ordering::Relaxed);
        if worker.connections.send((stream, slot)).is_err() {
            tracing::error!("a worker thread is gone");
        }
    }
}

impl Worker {
    fn start(index: usize, context: ConnectionContext) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counter = Arc::clone(&open);
        std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let local = LocalSet::new();
            runtime.block_on(local.run_until(run(receiver, context, counter)));
        })?;
        Ok(Self { connections: sender, open })
    }
}

async fn run(mut connections: mpsc::UnboundedReceiver<Handed>, context: ConnectionContext, open: Arc<AtomicUsize>) {
    let context = Rc::new(context);
    while let Some((stream, slot)) = connections.recv().await {
        let (context, open) = (Rc::clone(&context), Arc::clone(&open));
        tokio::task::spawn_local(async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                connection::serve(stream, &context).await;
            }
            open.fetch_sub(1, Ordering::Relaxed);
            drop(slot);
        });
    }
}
