//! What becomes of a panic where the standard library is left out: its text goes to the host's log, and the call traps.

use crate::log;
use core::panic::PanicInfo;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log::write_fmt(log::Level::Error, format_args!("{info}"));
    core::arch::wasm32::unreachable()
}
