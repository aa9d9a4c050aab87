//! Does to a host whatever a guest can think of. Each operation is one attack; `ok` shows that the plugin works otherwise.
#![allow(clippy::disallowed_methods, reason = "it sleeps to see who wakes it")]

#[cofferdam_plugin::plugin]
mod hostile {
    use cofferdam_plugin::prelude::*;
    use core::hint::black_box;
    use core::num::NonZeroU32;
    use core::sync::atomic::{AtomicU32, Ordering};
    use std::fs::{self, File};
    use std::io::Read;
    use std::net::TcpStream;
    use std::time::{Duration, Instant, SystemTime};

    const MIB: usize = 1024 * 1024;

    #[derive(Deserialize, JsonSchema)]
    struct Amount {
        /// How much of it; a lot unless told otherwise
        amount: Option<u32>,
    }

    /// Does nothing bad.
    #[query]
    fn ok() -> &'static str {
        "ok"
    }

    // === processor ===

    #[query]
    fn loop_forever() {
        loop {
            black_box(0);
        }
    }

    #[query]
    fn loop_calling_host() {
        loop {
            black_box(now_ms());
        }
    }

    #[query]
    fn sleep_past_deadline() {
        std::thread::sleep(Duration::from_secs(3600));
    }

    /// Waits for timers that have run out already: each poll enters the host and comes back at once.
    #[query]
    fn spin_on_zero_timeout_poll() {
        loop {
            std::thread::sleep(Duration::from_nanos(1));
        }
    }

    // === memory ===

    #[query]
    fn grow_memory_until_refused() -> String {
        #[cfg(target_family = "wasm")]
        while core::arch::wasm32::memory_grow(0, 16) != usize::MAX {}
        #[cfg(target_family = "wasm")]
        return format!("refused at {} pages", core::arch::wasm32::memory_size(0));
        #[cfg(not(target_family = "wasm"))]
        unreachable!()
    }

    #[query]
    fn recurse_forever() -> String {
        #[expect(unconditional_recursion, reason = "the attack")]
        fn deeper(n: u32) -> u32 {
            black_box(deeper(black_box(n) + 1)) + 1
        }
        deeper(0).to_string()
    }

    /// `amount` is in bytes, 100 MiB unless told otherwise.
    #[query]
    fn return_huge(input: Amount) -> String {
        "x".repeat(input.amount.map_or(100 * MIB, |bytes| bytes as usize))
    }

    /// `amount` is in blocks, a million unless told otherwise.
    #[query]
    fn return_many(input: Amount) -> Reply {
        (0..input.amount.unwrap_or(1_000_000)).fold(Reply::new(), |reply, _| reply.text("x"))
    }

    #[query]
    fn random_1_gib() -> String {
        random_bytes(1 << 30).len().to_string()
    }

    /// 100 MB, in records of 64 KiB.
    #[query]
    fn log_flood() {
        let record = "flood ".repeat(64 * 1024 / 6);
        for _ in 0..1600 {
            log::write(log::Level::Info, &record);
        }
    }

    // === traps ===

    #[query]
    fn unreachable() {
        #[cfg(target_family = "wasm")]
        core::arch::wasm32::unreachable();
    }

    #[query]
    fn divide_by_zero() -> String {
        // SAFETY: none. Dividing by a `NonZero` compiles to a bare `i32.div_u`, which traps.
        let zero = unsafe { NonZeroU32::new_unchecked(black_box(0)) };
        (black_box(1) / zero).to_string()
    }

    #[query]
    fn out_of_bounds() -> String {
        // SAFETY: none. No memory reaches this far.
        unsafe { black_box(0xffff_fff0_usize as *const u32).read_volatile() }.to_string()
    }

    #[query]
    fn panic_with_secret() {
        panic!("the password is hunter2");
    }

    // === lies ===

    #[query]
    fn result_not_json() -> RawJson {
        RawJson::from(String::from("{\"a\":"))
    }

    #[derive(Serialize, JsonSchema)]
    struct Promise {
        #[schemars(with = "u32")]
        number: &'static str,
    }

    #[query]
    fn breaks_output_schema() -> Json<Promise> {
        Json(Promise { number: "not a number" })
    }

    // === curiosity ===

    /// Counts the calls of this instance.
    #[query]
    fn state_in_globals() -> String {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        (CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }

    /// What can be seen of the world: everything here should be empty or an error.
    #[query]
    fn look_around() -> Result<Reply> {
        let mut stdin = Vec::new();
        let stdin = std::io::stdin().take(1000).read_to_end(&mut stdin).map(|_| stdin.len());
        let root = fs::read_dir("/").map(|entries| entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>());
        Reply::new().structured(&json!({
            "environment": std::env::vars().collect::<Vec<_>>(),
            "arguments": std::env::args().collect::<Vec<_>>(),
            "stdin_bytes": said(stdin),
            "root": said(root.map(|paths| format!("{paths:?}"))),
            "passwd": said(fs::read_to_string("/etc/passwd")),
            "here": said(std::env::current_dir().and_then(|here| fs::read_dir(here).map(Iterator::count))),
            "write": said(File::create("/tmp/hostile").map(|_| "created")),
            "connect": said(TcpStream::connect("127.0.0.1:80").map(|_| "connected")),
            "listen": said(std::net::TcpListener::bind("127.0.0.1:0").map(|_| "listening")),
            "resolve": said(std::net::ToSocketAddrs::to_socket_addrs("localhost:80").map(Iterator::count)),
            "thread": said(std::thread::Builder::new().spawn(|| ()).map(|_| "started")),
        }))
    }

    fn said<T: ToString>(result: std::io::Result<T>) -> Result<String, String> {
        result.map(|value| value.to_string()).map_err(|error| error.to_string())
    }

    /// The smallest steps that the clocks make, in milliseconds.
    #[query]
    fn fine_clock() -> Result<Reply> {
        let start = Instant::now();
        Reply::new().structured(&json!({
            "now_ms": smallest_step(cofferdam_plugin::__private::imports::host::now_ms),
            "instant": smallest_step(|| start.elapsed().as_secs_f64() * 1000.0),
            "system_time": smallest_step(|| SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |since| since.as_secs_f64() * 1000.0)),
        }))
    }

    fn smallest_step(now: impl Fn() -> f64) -> f64 {
        let mut last = now();
        // Work in between, so that time passes without too many calls to the host.
        let steps = (0..2000).map(|_| {
            for n in 0..5000 {
                black_box(n);
            }
            let before = core::mem::replace(&mut last, now());
            last - before
        });
        steps.filter(|step| *step > 0.0).fold(f64::INFINITY, f64::min)
    }
}
