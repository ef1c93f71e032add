use bytes::Bytes;

use crate::ports::{FileStore, Source, StoreError};

/// Long enough that no implementation holds all of it.
const LENGTH: u64 = 3_000_017;
const KEY: &str = "conformance/a file + more.csv";

/// The suite of [`FileStore`], in a bucket that it may write to.
pub async fn file_store(store: &dyn FileStore, bucket: &str) {
    let missing = store.open(bucket, "conformance/no such file", None).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })));

    store.put(bucket, KEY, contents(251)).await.expect("writes");
    let first = store.open(bucket, KEY, None).await.expect("is there");
    assert!(!first.etag.is_empty() && !first.etag.contains('"'), "{}", first.etag);
    assert_eq!(first.source.size().ok(), Some(LENGTH));
    let again = store.open(bucket, KEY, Some(&first.etag)).await.expect("is the same");
    assert_eq!((&again.etag, again.modified_at_ms), (&first.etag, first.modified_at_ms));
    for (offset, length, expected) in [
        (0, 1000, 1000),
        (999_000, 700_000, 700_000),
        (LENGTH - 10, 100, 10),
        (LENGTH, 1, 0),
        (LENGTH + 1, 1, 0),
    ] {
        let bytes = read(&*first.source, offset, length);
        let wanted: Vec<u8> = (offset..offset + expected).map(|at| (at % 251) as u8).collect();
        assert!(bytes == wanted, "{length} bytes from {offset}");
    }

    // Of what has another entity tag now, nothing is read that was not read before.
    let unread = store.open(bucket, KEY, Some(&first.etag)).await.expect("is the same");
    store.put(bucket, KEY, contents(17)).await.expect("writes");
    let changed = unread.source.read_at(LENGTH / 2, &mut [0; 10]);
    assert!(matches!(changed, Err(StoreError::NotFound { .. })), "{changed:?}");
    let replaced = store.open(bucket, KEY, Some(&first.etag)).await;
    assert!(matches!(replaced, Err(StoreError::NotFound { .. })));
    let second = store.open(bucket, KEY, None).await.expect("is there");
    assert_ne!(second.etag, first.etag);
    assert_eq!(read(&*second.source, 30, 5), [13, 14, 15, 16, 0]);
}

fn contents(modulus: u64) -> Bytes {
    (0..LENGTH).map(|at| (at % modulus) as u8).collect()
}

/// Up to so many bytes, in as many reads as it takes.
fn read(source: &dyn Source, mut offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 100_000];
    while bytes.len() < length {
        let wanted = buffer.len().min(length - bytes.len());
        let read = source.read_at(offset, &mut buffer[..wanted]).expect("is there");
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..read]);
        offset += read as u64;
    }
    bytes
}
