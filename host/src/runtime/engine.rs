//! The engine: one per process, with the pooling allocator, and the thread that ticks its epoch.

use crate::limits::Limits;
use std::time::Duration;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Slots beside those for calls and feeds: descriptions while loading.
const LOADING_SLOTS: u32 = 16;
/// Warm memory of a slot that is reset in place instead of being unmapped; unmapping takes a lock of the whole process.
const KEEP_RESIDENT_BYTES: usize = 2 << 20;
/// The same for tables.
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;
/// Where the kernel cannot tell which pages were touched (before Linux 6.7), pages are given back in batches.
const DECOMMIT_BATCH: usize = 16;

/// The engine.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    limits: std::sync::Arc<Limits>,
}

impl Engine {
    /// Builds the engine, reserves the pool and starts the ticker.
    pub fn new(limits: &std::sync::Arc<Limits>) -> wasmtime::Result<Self> {
        let inner = wasmtime::Engine::new(&config(limits))?;
        start_ticker(&inner, limits.epoch_tick)?;
        Ok(Self { inner, limits: std::sync::Arc::clone(limits) })
    }

    pub(super) fn inner(&self) -> &wasmtime::Engine {
        &self.inner
    }

    pub(super) fn limits(&self) -> &std::sync::Arc<Limits> {
        &self.limits
    }
}

fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)))
        .epoch_interruption(true)
        // Our contract has plain functions only; without the bookkeeping for concurrent ones a call costs half.
        .concurrency_support(false)
        .max_wasm_stack(limits.guest_stack_bytes_max)
        .async_stack_size(limits.fiber_stack_bytes_max)
        // What the first-class languages do not need is off: being unaffected is cheaper than patching.
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_wide_arithmetic(false)
        .wasm_stack_switching(false);
    config
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let running = limits.calls_max.saturating_add(limits.feeds_max);
    let slots = u32::try_from(running).unwrap_or(u32::MAX / 64) + LOADING_SLOTS;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(limits.core_instances_max))
        .total_memories(slots.saturating_mul(limits.memories_max))
        .total_tables(slots.saturating_mul(limits.tables_max))
        .total_stacks(slots)
        .max_core_instances_per_component(limits.core_instances_max)
        .max_memories_per_component(limits.memories_max)
        .max_tables_per_component(limits.tables_max)
        .max_tables_per_module(limits.tables_max)
        .max_memories_per_module(limits.memories_max)
        .max_memory_size(limits.guest_memory_bytes_max)
        .table_elements(limits.table_elements_max)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .decommit_batch_size(DECOMMIT_BATCH)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// A thread of its own: a task could be starved by the very guests that it has to interrupt.
#[allow(clippy::disallowed_methods, reason = "this thread has nothing to do but to sleep")]
fn start_ticker(engine: &wasmtime::Engine, tick: Duration) -> wasmtime::Result<()> {
    let weak = engine.weak();
    std::thread::Builder::new().name("epoch".to_owned()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(tick);
        }
    })?;
    Ok(())
}
