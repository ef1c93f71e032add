//! The memory allocator of the functions: the system's, with large pages under large blocks.
//!
//! A model of tens of megabytes is in memory two or three times while it loads, and the kernel clears each page when it is first touched. By
//! pages of 4 KiB that is ten thousand page faults for 38 MiB, and costs more than what is done with the bytes. Linux takes pages of 2 MiB for
//! memory of which it is told that they are welcome, where `/sys/kernel/mm/transparent_hugepage/enabled` says `madvise` (as most distributions
//! do) or `always`; otherwise this allocator is the system's.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which asks for large pages under blocks of at least [`LargePages::SMALLEST_BLOCK`] bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct LargePages;

impl LargePages {
    /// The smallest block with large pages: there is at least one whole page in it, wherever it begins.
    pub const SMALLEST_BLOCK: usize = 4 << 20;
}

// SAFETY: every block is the system's allocator's, for the layout that was asked for; advice does not change what is in it.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`, here and below.
        let block = unsafe { System.alloc(layout) };
        advise(block, layout.size());
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let block = unsafe { System.alloc_zeroed(layout) };
        advise(block, layout.size());
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        let block = unsafe { System.realloc(block, layout, new_size) };
        advise(block, new_size);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Says that large pages are welcome in a block that the caller owns, or in none where it is null.
#[cfg(target_os = "linux")]
fn advise(block: *mut u8, size: usize) {
    use rustix::mm::{Advice, madvise};

    /// Of x86-64, and of arm64 with its usual pages of 4 KiB. Others are only advised of a part that does not end with a page.
    const LARGE_PAGE: usize = 2 << 20;

    if size < LargePages::SMALLEST_BLOCK || block.is_null() {
        return;
    }
    let before = block.addr().next_multiple_of(LARGE_PAGE) - block.addr();
    let whole = (size - before) / LARGE_PAGE * LARGE_PAGE;
    // SAFETY: the range lies in the block, and this advice leaves what is in it as it is. Where the kernel does not take it, nothing is lost.
    let _ = unsafe { madvise(block.add(before).cast(), whole, Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_: *mut u8, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: LargePages = LargePages;

    /// The flags of the mapping in the middle of a block.
    #[cfg(target_os = "linux")]
    fn flags(block: &[u8]) -> String {
        let middle = block[block.len() / 2..].as_ptr().addr();
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("is Linux");
        let mut is_inside = false;
        for line in maps.lines() {
            if let Some((range, _)) = line.split_once(' ')
                && let Some((first, end)) = range.split_once('-')
                && let (Ok(first), Ok(end)) = (usize::from_str_radix(first, 16), usize::from_str_radix(end, 16))
            {
                is_inside = (first..end).contains(&middle);
            }
            if is_inside && let Some(flags) = line.strip_prefix("VmFlags:") {
                return flags.to_owned();
            }
        }
        panic!("no mapping holds the block");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn large_blocks_ask_for_large_pages_and_keep_them_as_they_grow() {
        let mut large = vec![1_u8; 40 << 20];
        if std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            assert!(flags(&large).contains(" hg"), "{}", flags(&large));
            large.reserve_exact(large.len());
            assert!(flags(&large).contains(" hg"), "{}", flags(&large));
        }
        assert!(large.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn blocks_keep_what_is_in_them_whatever_their_size() {
        for len in [
            1,
            4095,
            LargePages::SMALLEST_BLOCK - 1,
            LargePages::SMALLEST_BLOCK,
            33_333_333,
        ] {
            let zeros = vec![0_u8; len];
            assert!(zeros.iter().all(|byte| *byte == 0));
            let mut grown: Vec<u8> = Vec::new();
            grown.extend((0..len).map(|index| index as u8));
            grown.shrink_to_fit();
            assert!(grown.iter().enumerate().all(|(index, byte)| *byte == index as u8));
        }
    }
}
