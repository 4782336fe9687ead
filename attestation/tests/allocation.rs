//! What a verification allocates: in proportion to the document, whatever lengths the document claims, and no copy of
//! the certificates but the one in the result.
#![allow(clippy::unwrap_used)]

#[path = "verification/authority.rs"]
#[allow(dead_code)]
mod authority;

use attestation::{Document, MAX_DOCUMENT_LEN, verify};
use authority::{Authority, NOW, at, bytes};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, with the bytes counted.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator as it came; the default `realloc` and `alloc_zeroed` call
// these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The bytes that `run` allocates, in all and at most at once.
fn allocated<T>(run: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = ALLOCATED.load(Ordering::Relaxed);
    LARGEST.store(0, Ordering::Relaxed);
    let result = run();
    let all = ALLOCATED.load(Ordering::Relaxed) - before;
    (result, all, LARGEST.load(Ordering::Relaxed))
}

/// One test, since the counters are of the whole process.
#[test]
fn allocations_are_bounded_by_the_document() {
    let authority = Authority::new();
    let draft = authority.draft();
    let signed = |payload: &[u8]| authority::document(payload, &authority.signature(payload));
    let document = signed(&draft.payload());
    let roots = [draft.root.clone()];
    let certificates: usize = Document::parse_unverified(&document)
        .map(|document| {
            document
                .cabundle
                .iter()
                .chain([&document.certificate])
                .map(Vec::len)
                .sum()
        })
        .unwrap();

    // Some of the bytes are the C library's at its first use.
    verify(&document, &roots, at(NOW)).unwrap();
    let (accepted, all, largest) = allocated(|| verify(&document, &roots, at(NOW)));
    accepted.unwrap();
    assert!(
        largest < document.len() + 64,
        "{largest}: the signed structure is the largest"
    );
    assert!(
        all < 6 * document.len(),
        "{all} bytes for a document of {}",
        document.len()
    );

    // What is refused is not copied: the certificates' bytes are missing.
    let mut forged = document.clone();
    *forged.last_mut().unwrap() ^= 1;
    let (refused, for_refusal, _) = allocated(|| verify(&forged, &roots, at(NOW)));
    refused.unwrap_err();
    assert!(
        for_refusal + certificates < all + 512,
        "{for_refusal} bytes for a refusal, {all} for {certificates}"
    );

    // Nor is anything made ready for lengths that are only claimed.
    let head = b"\x84\x44\xa1\x01\x38\x22\xa0".as_slice();
    for claim in [
        [head, b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff"].concat(),
        [head, b"\x5a\xff\xff\xff\xff"].concat(),
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        signed(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff"),
        signed(b"\xa1\x68cabundle\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
        signed(b"\xa1\x64pcrs\xbb\xff\xff\xff\xff\xff\xff\xff\xff"),
        signed(b"\xa1\x65nonce\x5b\xff\xff\xff\xff\xff\xff\xff\xff"),
        signed(&[b"\xa1\x69module_id".as_slice(), &bytes(&[0; 15_000])].concat()),
        vec![0xd2; MAX_DOCUMENT_LEN],
        vec![0x84; 64 * MAX_DOCUMENT_LEN],
    ] {
        let (refused, all, _) = allocated(|| verify(&claim, &roots, at(NOW)));
        let refusal = refused.unwrap_err();
        assert!(all < 2048, "{all} bytes for {refusal}");
    }
}
