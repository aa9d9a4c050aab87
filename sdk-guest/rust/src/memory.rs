//! Where a plugin's memory comes from.
//!
//! Every call has an instance of its own, and most calls need little: so the first bytes come off an arena that is part of the
//! component's initial memory. That saves setting up a heap, and above all `memory.grow`, which costs the host several system calls.
//! What does not fit goes to the C library's `malloc`, and is freed again as usual.

#![expect(unsafe_code, reason = "an allocator")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::ptr;

/// Enough for arguments and replies of some ten kilobytes. It is zero pages until they are touched.
const ARENA_BYTES: usize = 256 * 1024;
/// What `malloc` aligns to, and what the arena begins at.
const ALIGN_MAX: usize = 16;

#[global_allocator]
static MEMORY: Memory =
    Memory { arena: Arena(UnsafeCell::new([MaybeUninit::uninit(); ARENA_BYTES])), used: Cell::new(0), running: Cell::new(false) };

struct Memory {
    arena: Arena,
    /// Bytes of the arena that are given out. Only the last block can be given back.
    used: Cell<usize>,
    /// Whether a handler has begun: from then on the host asks for memory for what imports return.
    running: Cell<bool>,
}

#[repr(C, align(16))]
struct Arena(UnsafeCell<[MaybeUninit<u8>; ARENA_BYTES]>);

// SAFETY: a component has one thread.
unsafe impl Sync for Memory {}

#[link(name = "c")]
unsafe extern "C" {
    fn malloc(size: usize) -> *mut u8;
    fn aligned_alloc(align: usize, size: usize) -> *mut u8;
    fn realloc(block: *mut u8, size: usize) -> *mut u8;
    fn free(block: *mut u8);
}

impl Memory {
    /// Where a block begins in the arena; none if `malloc` made it.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        let offset = (block as usize).wrapping_sub(self.arena.0.get() as usize);
        (offset < ARENA_BYTES).then_some(offset)
    }
}

// SAFETY: blocks of the arena are disjoint, because `used` only goes back over the last one; all others are `malloc`'s.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.used.get().next_multiple_of(layout.align());
        if layout.align() <= ALIGN_MAX && layout.size() <= ARENA_BYTES.saturating_sub(start) {
            self.used.set(start + layout.size());
            // SAFETY: within the arena, as was just checked.
            return unsafe { self.arena.0.get().cast::<u8>().add(start) };
        }
        // SAFETY: the C library's own functions; `Layout` has made sure that rounding up does not overflow.
        unsafe {
            if layout.align() <= ALIGN_MAX {
                malloc(layout.size())
            } else {
                aligned_alloc(layout.align(), layout.size().next_multiple_of(layout.align()))
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.offset(block) {
            Some(start) if start + layout.size() == self.used.get() => self.used.set(start),
            Some(_) => {}
            // SAFETY: the caller's promise, and it is not the arena's.
            None => unsafe { free(block) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match self.offset(block) {
            // The last block grows and shrinks in place: strings that are being written.
            Some(start) if start + layout.size() == self.used.get() && size <= ARENA_BYTES - start => {
                self.used.set(start + size);
                return block;
            }
            Some(_) if size <= layout.size() => return block,
            // SAFETY: `malloc` made it, and keeps this alignment.
            None if layout.align() <= ALIGN_MAX => return unsafe { realloc(block, size) },
            _ => {}
        }
        // SAFETY: the caller's promises about `block`, `layout` and `size`; the new block is another one.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

/// A handler begins.
pub(crate) fn begin() {
    MEMORY.running.set(true);
}

/// What the host calls for the memory of arguments, and of what imports return. The C library has one as well, weakly, which would go
/// around the arena. What imports return has to go around it: the C library imports functions of its own, for files, and gives what
/// they return to its `free`, which knows nothing of the arena.
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, new_size: usize) -> *mut u8 {
    if new_size == 0 {
        return ptr::without_provenance_mut(align);
    }
    // SAFETY: the canonical ABI: a power of two, and a size below what memory can hold.
    let block = unsafe {
        if MEMORY.running.get() && old_size == 0 && align <= ALIGN_MAX {
            malloc(new_size)
        } else if old_size == 0 {
            MEMORY.alloc(Layout::from_size_align_unchecked(new_size, align))
        } else {
            MEMORY.realloc(old, Layout::from_size_align_unchecked(old_size, align), new_size)
        }
    };
    if block.is_null() {
        core::arch::wasm32::unreachable();
    }
    block
}
