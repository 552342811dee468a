//! The allocator of the binary: a bench measures what is shipped.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
