//! What becomes of a panic in a plugin without the standard library: its text goes to the host's log, and the call traps.

use crate::log;
use core::panic::PanicInfo;

/// Never inlined, and one for all: a panic handler of a line each.
#[cold]
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    log::write_fmt(log::Level::Error, format_args!("{info}"));
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort()
}

#[cfg(not(feature = "std"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __panic_handler {
    () => {
        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            ::cofferdam_plugin::__private::panicked(info)
        }
    };
}

#[cfg(feature = "std")]
#[doc(hidden)]
#[macro_export]
macro_rules! __panic_handler {
    () => {
        ::core::compile_error!("`no_std` needs `cofferdam-plugin` with `default-features = false` in Cargo.toml");
    };
}
