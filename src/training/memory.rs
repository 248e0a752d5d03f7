//! What the allocator does between training steps.

/// Makes the allocator keep what a training step frees for the next step.
///
/// glibc gives blocks of 128 kB and more back to the system and has them cleared anew, a fifth of AttentiveChrome's step, until a larger
/// one was freed: it then keeps blocks up to that size, 32 MiB at most (mallopt(3), `M_MMAP_THRESHOLD`). Other allocators do not mind.
pub fn keep_freed_memory() {
    const LARGEST: usize = (32 << 20) - (64 << 10);
    // Never written to: it takes no memory.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST)));
}
