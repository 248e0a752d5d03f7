//! What the allocator does with the memory that networks free.
//!
//! glibc gives blocks of 128 kB and more back to the system and has them cleared anew, until a larger one was freed: it then keeps
//! blocks up to that size (mallopt(3), `M_MMAP_THRESHOLD`). Networks free such blocks after every layer: a fifth of AttentiveChrome's
//! step and of iSEGnet's integrated gradients went into that. Other allocators do not mind.

use std::hint::black_box;

/// The largest block that glibc keeps: the most that `M_MMAP_THRESHOLD` rises to, less its own bookkeeping.
const LARGEST: usize = (32 << 20) - (64 << 10);
/// Blocks that stay with the process, 1.5 GB: a step of DeepCAGE at batch 64 takes 0.7 GB, DeepCORE's and AttentiveChrome's less. Of
/// iSEGnet's 2.3 GB the rest goes back as before.
const BLOCKS: usize = 48;

/// Memory that a process keeps for the next training step while this lives.
#[must_use = "what is freed goes back to the system when this is dropped"]
pub struct KeptMemory {
    _last: Option<Vec<u8>>,
}

/// Makes the allocator keep freed blocks for the next ones of their size, on every thread. Takes no memory.
pub fn keep_freed_blocks() {
    drop(black_box(Vec::<u8>::with_capacity(LARGEST)));
}

/// Makes the allocator keep all that a training step frees for the next step. Takes address space, no memory.
///
/// The end of the heap it gives back all the same (`M_TRIM_THRESHOLD`), but not while a block behind it is in use. That holds for the
/// heap of the main thread.
pub fn keep_freed_memory() -> KeptMemory {
    keep_freed_blocks();
    let block = |_| {
        let mut block = Vec::new();
        block.try_reserve_exact(LARGEST).ok()?;
        Some(black_box(block))
    };
    let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map_while(block).collect();
    KeptMemory { _last: blocks.pop() }
}
