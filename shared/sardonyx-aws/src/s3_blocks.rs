//! An object that is read like a file: by ranges, of which the last ones are kept and the next one is asked for ahead.

use std::collections::HashMap;
use std::fmt;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::Client;
use bytes::Bytes;
use sardonyx_core::ports::{Cause, Source, StoreError};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::clients::unavailable;
use crate::s3_file_store::{object_error, replaced};

/// How much one request reads. A page of a column in Parquet is mostly shorter.
const BLOCK_BYTES: u64 = 256 << 10;

/// How many blocks are kept: 64 MiB, a block for each column of a Parquet file with a hundred columns, and the one ahead of it.
const BLOCKS: usize = 256;

/// How long a block is asked for again after errors.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A thread that makes the requests of readers which block theirs. The SDK's connections are driven by the runtime that opened them, and that
/// of a blocked thread drives nothing, so it has a runtime and connections of its own. It ends with its last user.
pub(crate) struct BlockThread {
    runtime: Handle,
    client: Client,
    /// Dropped at the end, which is what the thread waits for.
    _alive: oneshot::Sender<()>,
}

impl BlockThread {
    /// Starts the thread. The client is made on it.
    pub(crate) async fn start<F>(client: impl FnOnce() -> F + Send + 'static) -> Result<Self, StoreError>
    where
        F: Future<Output = Result<Client, Cause>>,
    {
        let failed = |error: Cause| unavailable("the thread that reads from S3", error);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.into()))?;
        let handle = runtime.handle().clone();
        let (alive, end) = oneshot::channel();
        let (made, ready) = oneshot::channel();
        std::thread::Builder::new()
            .name("s3-blocks".into())
            .spawn(move || {
                runtime.block_on(async {
                    if made.send(client().await).is_ok() {
                        // Nothing is ever sent: this ends when the other side is dropped.
                        let _ = end.await;
                    }
                });
            })
            .map_err(|error| failed(error.into()))?;
        Ok(Self {
            runtime: handle,
            client: ready.await.map_err(|error| failed(error.into()))?.map_err(failed)?,
            _alive: alive,
        })
    }
}

impl fmt::Debug for BlockThread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BlockThread").finish_non_exhaustive()
    }
}

/// One object, as it was when it was opened.
pub(crate) struct S3Object {
    thread: Arc<BlockThread>,
    range: Arc<RangeReader>,
    size: u64,
    blocks: Mutex<Blocks>,
}

/// What is needed to read a part of an object.
struct RangeReader {
    bucket: String,
    key: String,
    etag: String,
}

/// The blocks that were used last.
#[derive(Default)]
struct Blocks {
    slots: HashMap<u64, Slot>,
    /// Goes up with every use.
    clock: u64,
}

struct Slot {
    used_at: u64,
    block: Block,
}

enum Block {
    Read(Bytes),
    Ahead(Receiver<Result<Bytes, StoreError>>),
}

impl S3Object {
    pub(crate) fn new(thread: Arc<BlockThread>, bucket: &str, key: &str, etag: &str, size: u64) -> Self {
        Self {
            thread,
            range: Arc::new(RangeReader {
                bucket: bucket.into(),
                key: key.into(),
                etag: etag.into(),
            }),
            size,
            blocks: Mutex::default(),
        }
    }

    fn block(&self, index: u64) -> Result<Bytes, StoreError> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let block = match blocks.take(index) {
            Some(Block::Read(bytes)) => bytes,
            other => {
                let coming = match other {
                    Some(Block::Ahead(coming)) => coming,
                    _ => self.request(index),
                };
                let ended = |_| unavailable(self.range.describe(), "the thread that reads it has ended");
                let bytes = coming.recv().map_err(ended)??;
                let next = index + 1;
                let is_sequential = index == 0 || blocks.slots.contains_key(&(index - 1));
                if is_sequential && next * BLOCK_BYTES < self.size && !blocks.slots.contains_key(&next) {
                    blocks.put(next, Block::Ahead(self.request(next)));
                }
                bytes
            }
        };
        blocks.put(index, Block::Read(block.clone()));
        Ok(block)
    }

    /// Asks for a block without waiting for it.
    fn request(&self, index: u64) -> Receiver<Result<Bytes, StoreError>> {
        let (done, coming) = sync_channel(1);
        let (client, range) = (self.thread.client.clone(), Arc::clone(&self.range));
        let start = index * BLOCK_BYTES;
        let end = (start + BLOCK_BYTES).min(self.size);
        self.thread.runtime.spawn(async move {
            // Whoever asked may have found something else to read.
            let _ = done.send(range.read(&client, start, end).await);
        });
        coming
    }
}

impl Source for S3Object {
    fn size(&self) -> Result<u64, StoreError> {
        Ok(self.size)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        if offset >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let block = self.block(offset / BLOCK_BYTES)?;
        // What follows in the block, which is no longer than BLOCK_BYTES.
        let rest = &block[(offset % BLOCK_BYTES) as usize..];
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}

impl Blocks {
    fn take(&mut self, index: u64) -> Option<Block> {
        self.slots.remove(&index).map(|slot| slot.block)
    }

    fn put(&mut self, index: u64, block: Block) {
        self.clock += 1;
        let used_at = self.clock;
        self.slots.insert(index, Slot { used_at, block });
        if self.slots.len() > BLOCKS
            && let Some(oldest) = self
                .slots
                .iter()
                .min_by_key(|(_, slot)| slot.used_at)
                .map(|(index, _)| *index)
        {
            self.slots.remove(&oldest);
        }
    }
}

impl RangeReader {
    fn describe(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The bytes from `start` to before `end`. The SDK tries requests again, but not when a body breaks off.
    async fn read(&self, client: &Client, start: u64, end: u64) -> Result<Bytes, StoreError> {
        let deadline = Instant::now() + READ_TIMEOUT;
        let mut backoff = Backoff::default();
        loop {
            match self.read_once(client, start, end).await {
                Err(error @ StoreError::Unavailable { .. }) => {
                    if backoff.wait(deadline, || self.describe()).await.is_err() {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }

    async fn read_once(&self, client: &Client, start: u64, end: u64) -> Result<Bytes, StoreError> {
        let answer = client
            .get_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .if_match(format!("\"{}\"", self.etag))
            .range(format!("bytes={start}-{}", end - 1))
            .send()
            .await
            .map_err(|error| object_error(&self.describe(), error))?;
        if answer.e_tag().is_some_and(|etag| etag.trim_matches('"') != self.etag) {
            return Err(replaced(&self.describe()));
        }
        let bytes = answer.body.collect().await;
        let bytes = bytes.map_err(|error| unavailable(self.describe(), error))?.into_bytes();
        if bytes.len() as u64 != end - start {
            let problem = format!("{} bytes came of {}", bytes.len(), end - start);
            return Err(unavailable(self.describe(), problem));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_sdk_s3::Config;
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_http_client::test_util::infallible_client_fn;

    use super::*;

    const SIZE: u64 = 5 * BLOCK_BYTES + 17;

    fn byte(offset: u64) -> u8 {
        (offset % 251) as u8
    }

    /// An object of [`SIZE`] bytes that counts the requests for it, and of which the entity tag can change.
    async fn object(tag: &'static str) -> (S3Object, Arc<AtomicUsize>) {
        let requests = Arc::new(AtomicUsize::default());
        let counter = Arc::clone(&requests);
        let http_client = infallible_client_fn(move |request| {
            counter.fetch_add(1, Ordering::Relaxed);
            let header = |name: &str| request.headers().get(name).expect("is sent").to_str().expect("is text");
            if header("if-match") != format!("\"{tag}\"") {
                let answer = http::Response::builder().status(412).body(Vec::new());
                return answer.expect("is complete");
            }
            let range = header("range").strip_prefix("bytes=").expect("is of bytes");
            let (start, last) = range.split_once('-').expect("has an end");
            let [start, last] = [start, last].map(|number| number.parse::<u64>().expect("is a number"));
            let body: Vec<u8> = (start..=last).map(byte).collect();
            let answer = http::Response::builder()
                .status(206)
                .header("etag", format!("\"{tag}\""))
                .body(body);
            answer.expect("is complete")
        });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .http_client(http_client)
            .build();
        let thread = BlockThread::start(|| async { Ok(Client::from_conf(config)) })
            .await
            .expect("starts");
        (S3Object::new(Arc::new(thread), "bucket", "key", "one", SIZE), requests)
    }

    fn read(object: &S3Object, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = object.read_at(offset, &mut bytes).expect("is there");
        bytes.truncate(read);
        bytes
    }

    #[tokio::test]
    async fn any_place_is_read_from_a_thread_that_runs_tasks() {
        let (object, _) = object("one").await;
        for (offset, length, expected) in [
            (0, 10, 10),
            (BLOCK_BYTES - 3, 10, 3),
            (BLOCK_BYTES, 1000, 1000),
            (SIZE - 5, 10, 5),
            (SIZE, 10, 0),
            (SIZE + BLOCK_BYTES, 10, 0),
            (7, 0, 0),
        ] {
            let bytes = read(&object, offset, length);
            assert_eq!(
                bytes,
                (offset..offset + expected).map(byte).collect::<Vec<_>>(),
                "{offset}"
            );
        }
    }

    #[tokio::test]
    async fn each_block_is_asked_for_once() {
        let (object, requests) = object("one").await;
        let mut offset = 0;
        while offset < SIZE {
            let bytes = read(&object, offset, 50_000);
            assert!(!bytes.is_empty() && bytes.iter().zip(offset..).all(|(found, at)| *found == byte(at)));
            offset += bytes.len() as u64;
        }
        assert_eq!((offset, requests.load(Ordering::Relaxed)), (SIZE, 6));
        read(&object, 2 * BLOCK_BYTES, 10);
        assert_eq!(requests.load(Ordering::Relaxed), 6);
    }

    #[tokio::test]
    async fn an_object_that_was_replaced_is_not_read() {
        let (object, _) = object("two").await;
        let error = object.read_at(0, &mut [0; 10]).expect_err("is another one");
        assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
    }

    #[test]
    fn the_blocks_that_were_used_last_are_kept() {
        let mut blocks = Blocks::default();
        for index in 0..BLOCKS as u64 + 10 {
            blocks.put(index, Block::Read(Bytes::new()));
            let first = blocks.take(0).expect("is used all the time");
            blocks.put(0, first);
        }
        assert_eq!(blocks.slots.len(), BLOCKS);
        assert!(blocks.take(10).is_none() && blocks.take(11).is_some());
    }
}
