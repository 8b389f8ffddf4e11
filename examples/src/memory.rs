//! How programs that train treat memory.

/// Lets mimalloc keep what is freed: a step of training needs as much again, and pages that the system takes back it
/// clears before it gives them out. For programs whose allocator it is.
#[expect(unsafe_code, reason = "the allocator is written in C")]
pub fn keep_memory() {
    /// `mi_option_purge_delay`, which the bindings do not name.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: an option may be set at any time, by any thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
}
