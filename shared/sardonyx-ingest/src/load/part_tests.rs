use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::Stored;
use sardonyx_core::ports::{FileStore, Merged, OnlineStore, RowWrite, StoredFile, ViewRead};
use sardonyx_core::snapshots::{LOAD_LEASE_MS, ViewSnapshots};
use sardonyx_core::testing::{InMemoryOnlineStore, models};
use sardonyx_core::value::FeatureValue;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::*;

const NOW_MS: i64 = 1_800_000_000_000;

/// A store of rows and one of rejects in memory, in which the process dies at a chosen call: before the call has done anything, or after.
#[derive(Default)]
struct World {
    rows: InMemoryOnlineStore,
    rejects: Mutex<BTreeMap<String, Bytes>>,
    now_ms: AtomicI64,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    made: usize,
    merges: usize,
    dies_at: Option<(usize, bool)>,
}

impl World {
    /// Makes a call, unless it is the one to die at.
    async fn call<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let death = {
            let mut calls = self.calls.lock().expect("no test panicked");
            calls.made += 1;
            calls.dies_at.filter(|(at, _)| *at == calls.made)
        };
        let died = || StoreError::Unavailable {
            what: "the store".into(),
            source: "the process died".into(),
        };
        match death {
            None => call.await,
            Some((_, false)) => Err(died()),
            Some((_, true)) => call.await.and(Err(died())),
        }
    }

    fn dies_at(&self, death: Option<(usize, bool)>) {
        *self.calls.lock().expect("no test panicked") = Calls {
            dies_at: death,
            ..Calls::default()
        };
    }

    fn is_dead(&self) -> bool {
        let calls = self.calls.lock().expect("no test panicked");
        calls.dies_at.is_some_and(|(at, _)| calls.made >= at)
    }

    /// Every rejected row, in the order of the file.
    fn rejects(&self) -> Vec<Json> {
        let files = self.rejects.lock().expect("no test panicked");
        let mut lines: Vec<Json> = files
            .values()
            .flat_map(|file| file.split(|byte| *byte == b'\n'))
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("is JSON"))
            .collect();
        lines.sort_by_key(|line| line["line"].as_u64());
        lines
    }

    async fn record(&self) -> ViewSnapshots {
        let manifest = models::manifest();
        let record = self.rows.snapshots(&manifest.feature_views[1]).await;
        record.expect("is memory")
    }

    /// The ages of the first users.
    async fn ages(&self, users: i64) -> Vec<Option<i64>> {
        let manifest = models::manifest();
        let entities: Vec<_> = (0..users).map(|user| EntityKey(vec![KeyValue::Int64(user)])).collect();
        let read = ViewRead {
            view: &manifest.feature_views[1],
            entities: &entities,
        };
        let answer = self.rows.fetch(&[read], SETTLING).await.expect("reads").remove(0);
        let rows = answer.rows.into_iter().map(|row| row.expect("is readable"));
        rows.map(|row| match row?.values[0] {
            Stored::Value(FeatureValue::Int64(age)) => Some(age),
            ref other => panic!("{other:?}"),
        })
        .collect()
    }
}

#[async_trait]
impl FeatureWriter for World {
    async fn write(&self, view: &FeatureView, snapshot: &SnapshotId, rows: &[RowWrite]) -> Result<(), StoreError> {
        self.call(self.rows.write(view, snapshot, rows)).await
    }

    async fn merge(
        &self,
        view: &FeatureView,
        snapshot: Option<&SnapshotId>,
        rows: &[RowWrite],
    ) -> Result<Vec<Merged>, StoreError> {
        self.calls.lock().expect("no test panicked").merges += 1;
        self.call(self.rows.merge(view, snapshot, rows)).await
    }

    async fn snapshots(&self, view: &FeatureView) -> Result<ViewSnapshots, StoreError> {
        self.call(self.rows.snapshots(view)).await
    }

    async fn replace_snapshots(&self, view: &FeatureView, snapshots: &ViewSnapshots) -> Result<bool, StoreError> {
        self.call(self.rows.replace_snapshots(view, snapshots)).await
    }
}

#[async_trait]
impl FileStore for World {
    async fn open(&self, _: &str, key: &str, _: Option<&str>) -> Result<StoredFile, StoreError> {
        Err(StoreError::NotFound { what: key.into() })
    }

    async fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        assert_eq!(bucket, "bucket");
        self.call(async {
            let mut rejects = self.rejects.lock().expect("no test panicked");
            rejects.insert(key.to_owned(), bytes);
            Ok(())
        })
        .await
    }
}

/// What is loaded, and how.
#[derive(Clone)]
struct Job {
    text: String,
    rows_in_a_part: u64,
    max_rejected: u64,
    rows_per_second: u32,
}

impl Job {
    fn new(text: impl Into<String>, rows_in_a_part: u64) -> Self {
        Self {
            text: text.into(),
            rows_in_a_part,
            max_rejected: 0,
            rows_per_second: 10_000,
        }
    }

    async fn part(&self, world: &World) -> Result<PartReport, LoadError> {
        let manifest = models::manifest();
        let now_ms = || NOW_MS + world.now_ms.fetch_add(1, Ordering::Relaxed);
        let loader = Loader {
            writer: world,
            manifest: &manifest,
            other_manifests: &[],
            view: &manifest.feature_views[1],
            now_ms: &now_ms,
        };
        let file = FeatureFile {
            source: Arc::new(self.text.as_bytes().to_vec()),
            format: Format::JsonLines { gzip: false },
            identity: self.text.clone(),
        };
        let options = LoadOptions {
            event_time: EventTime::At(NOW_MS - 1000),
            ttl_seconds: None,
            rows_per_second: self.rows_per_second,
            max_rejected: self.max_rejected,
            allow_older: false,
            settling: SETTLING,
        };
        let folder = RejectFolder {
            files: world,
            bucket: "bucket",
            prefix: "rejects/user",
        };
        let budget = PartBudget {
            rows: self.rows_in_a_part,
            until: Instant::now() + Duration::from_secs(3600),
        };
        loader.load_part(&file, &options, folder, budget).await
    }

    /// As many parts as it takes, as the queue would have them; how many it took, and how the last one ended.
    async fn run(&self, world: &World) -> Result<(usize, PartOutcome), LoadError> {
        for parts in 1..1000 {
            match self.part(world).await?.outcome {
                PartOutcome::Unfinished(_) => {}
                PartOutcome::Busy { .. } => tokio::time::sleep(Duration::from_secs(1)).await,
                end => return Ok((parts, end)),
            }
        }
        panic!("there is no end of it");
    }
}

fn line(user: i64, age: i64) -> String {
    json!({"user_id": user, "user_age": age}).to_string() + "\n"
}

fn users(count: i64, age: i64) -> String {
    (0..count).map(|user| line(user, age)).collect()
}

const BAD: &str = "{\"user_id\": 7, \"user_age\": \"old\"}\n";

#[tokio::test(start_paused = true)]
async fn a_file_is_loaded_in_as_many_parts_as_it_takes() {
    let world = World::default();
    let job = Job::new(users(2600, 30), 1000);
    let first = job.part(&world).await.expect("loads");
    assert!(matches!(first.outcome, PartOutcome::Unfinished(_)));
    assert_eq!((first.rows, first.loaded.rows), (1200, 1200), "three batches of 400");
    assert_eq!(world.ages(1).await, [None], "nothing is visible yet");
    let (parts, end) = job.run(&world).await.expect("loads");
    assert_eq!(parts, 2);
    let published = world.record().await.published.remove(0);
    assert_eq!(end, PartOutcome::Published(published.id.clone()));
    assert_eq!(
        (published.rows, published.newest_event_time_ms),
        (2600, Some(NOW_MS - 1000))
    );
    assert_eq!(world.ages(2600).await, vec![Some(30); 2600]);

    let before = world.record().await;
    let again = job.run(&world).await.expect("is known");
    assert_eq!(again, (1, PartOutcome::AlreadyPublished(published.id)));
    assert_eq!(
        world.record().await,
        before,
        "the same message once more changes nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn rows_are_written_at_the_rate_that_is_set() {
    let world = World::default();
    let mut job = Job::new(users(3000, 30), u64::MAX);
    job.rows_per_second = 500;
    let start = Instant::now();
    job.run(&world).await.expect("loads");
    let seconds = (start.elapsed() - SETTLING).as_secs_f64();
    assert!((5.9..6.1).contains(&seconds), "{seconds} s for 3,000 rows");
}

#[tokio::test(start_paused = true)]
async fn a_file_with_bad_rows_is_not_served_and_they_are_told_exactly() {
    let world = World::default();
    Job::new(users(10, 30), 1000).run(&world).await.expect("loads");
    let text = users(900, 31) + BAD + &line(3, 1) + &line(901, 31) + BAD;
    let mut job = Job::new(&text, 500);
    let (parts, end) = job.run(&world).await.expect("is read to its end");
    assert_eq!(parts, 2);
    let PartOutcome::Refused(snapshot) = end else {
        panic!("{end:?}")
    };
    let rejects = world.rejects();
    let lines: Vec<_> = rejects.iter().map(|reject| reject["line"].as_u64()).collect();
    // The row of line 902 is for an entity of the first part: it is merged.
    assert_eq!(lines, [Some(901), Some(904)]);
    assert_eq!(rejects[0]["row"], json!({"user_id": 7, "user_age": "old"}));
    let keys: Vec<_> = world
        .rejects
        .lock()
        .expect("no test panicked")
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, [format!("rejects/user/{snapshot}/801.jsonl")]);
    let record = world.record().await;
    assert_eq!((record.published.len(), record.load), (1, None));
    assert_eq!(world.ages(11).await[9..], [Some(30), None]);

    job.max_rejected = 2;
    let (_, end) = job.run(&world).await.expect("two may be");
    assert!(matches!(end, PartOutcome::Published(_)), "{end:?}");
    assert_eq!(world.ages(902).await[9..902].iter().flatten().count(), 892);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_file_that_is_refused_is_checked_and_not_written() {
    let world = World::default();
    let job = Job::new(BAD.to_owned() + &users(5000, 31), u64::MAX);
    let report = job.part(&world).await.expect("is read to its end");
    assert!(matches!(report.outcome, PartOutcome::Refused(_)));
    assert_eq!((report.rows, report.rejected), (5000, 1));
    // A record that begins the load, one with its rejects, and one that ends it.
    assert_eq!(world.record().await.revision, 3);
    let seconds = |report: &PartReport| report.rows / u64::from(job.rows_per_second);
    assert_eq!(seconds(&report), 0);
}

#[tokio::test(start_paused = true)]
async fn of_rows_for_one_entity_the_newest_stands_across_parts_and_the_first_one_within() {
    let world = World::default();
    let timed = |user: i64, age: i64, time: &str| {
        json!({"user_id": user, "user_age": age, "event_time": time}).to_string() + "\n"
    };
    let others: String = (2..802).map(|user| line(user, 30)).collect();
    let text = timed(0, 1, "2026-01-02T00:00:00Z")
        + &timed(1, 1, "2026-01-02T00:00:00Z")
        + &others
        + &timed(0, 2, "2026-01-03T00:00:00Z")
        + &timed(1, 2, "2026-01-01T00:00:00Z");
    let job = Job::new(text, 500);
    let first = job.part(&world).await.expect("loads");
    assert!(matches!(first.outcome, PartOutcome::Unfinished(_)));
    let last = job.part(&world).await.expect("loads");
    assert_eq!(last.older, 1);
    assert!(matches!(last.outcome, PartOutcome::Published(_)), "{last:?}");
    assert_eq!(world.ages(2).await, [Some(2), Some(1)]);

    let twice = Job::new(users(2, 40) + &line(1, 41), u64::MAX)
        .part(&world)
        .await
        .expect("is read");
    assert!(matches!(twice.outcome, PartOutcome::Refused(_)));
    assert_eq!(
        world.rejects().last().expect("is one")["reasons"],
        json!(["has the same join keys as line 2"])
    );
}

/// Merging takes a call for each row: it is done where it may keep a row away, and nowhere else.
#[tokio::test(start_paused = true)]
async fn later_parts_are_merged_where_a_newer_row_may_be_there() {
    let timed = |user: i64, time: &str| json!({"user_id": user, "user_age": 31, "event_time": time}).to_string() + "\n";
    let untimed = |users: std::ops::Range<i64>| users.map(|user| line(user, 30)).collect::<String>();
    let earlier = "2026-01-02T00:00:00Z";
    // A part is a batch of 400 rows, and the first one is never merged. The files are of 2027.
    let all_of_the_files_time = users(1600, 30);
    let earlier_first = timed(0, earlier) + &untimed(1..1200);
    let earlier_later = untimed(0..900) + &timed(900, earlier) + &untimed(901..1600);
    let each_with_a_time: String = (0..1200).map(|user| timed(user, earlier)).collect();
    // Within the five minutes by which clocks may be apart.
    let later_first = timed(0, "2027-01-15T08:01:00Z") + &untimed(1..1200);
    for (text, merges) in [
        (all_of_the_files_time, 0),
        (earlier_first, 0),
        (earlier_later, 1),
        (each_with_a_time, 2),
        (later_first, 2),
    ] {
        let world = World::default();
        let (parts, end) = Job::new(&text, 400).run(&world).await.expect("loads");
        assert!(matches!(end, PartOutcome::Published(_)), "{end:?}");
        assert!(parts >= 3, "{parts}");
        assert_eq!(
            world.calls.lock().expect("no test panicked").merges,
            merges,
            "{}",
            &text[..80]
        );
        let ages = world.ages(text.lines().count() as i64).await;
        assert!(ages.iter().all(Option::is_some));
    }
}

/// Wherever the process dies, before or after what it asked for was done: readers see the old rows until all new ones are there, and the
/// message that is delivered again brings it to its end, with the same rows and the same rejects.
#[tokio::test(start_paused = true)]
async fn a_crash_anywhere_loses_nothing_and_shows_nothing() {
    let old = Job::new(users(1001, 30), u64::MAX);
    let mut job = Job::new(
        users(500, 31) + BAD + &(500..1001).map(|user| line(user, 31)).collect::<String>(),
        300,
    );
    job.max_rejected = 1;
    let calls_of_a_load = {
        let world = World::default();
        old.run(&world).await.expect("loads");
        world.dies_at(None);
        job.run(&world).await.expect("loads");
        world.calls.lock().expect("no test panicked").made
    };
    assert!(calls_of_a_load > 15, "{calls_of_a_load}");
    for call in 1..=calls_of_a_load {
        for done in [false, true] {
            let world = World::default();
            old.run(&world).await.expect("loads");
            world.dies_at(Some((call, done)));
            let error = job.run(&world).await.expect_err("dies");
            assert!(world.is_dead() && !error.is_final(), "{error}");
            let is_visible = world.record().await.published.len() == 2;
            assert!(
                !is_visible || (call == calls_of_a_load && done),
                "call {call}: {is_visible}"
            );
            let expected = if is_visible { 31 } else { 30 };
            assert_eq!(world.ages(1001).await, vec![Some(expected); 1001], "call {call}");

            world.dies_at(None);
            let (_, end) = job.run(&world).await.expect("goes on");
            match end {
                PartOutcome::Published(_) => assert!(!is_visible),
                other => assert!(
                    is_visible && matches!(other, PartOutcome::AlreadyPublished(_)),
                    "{other:?}"
                ),
            }
            let record = world.record().await;
            assert_eq!((record.published[0].rows, &record.load), (1001, &None), "call {call}");
            assert_eq!(world.ages(1001).await, vec![Some(31); 1001], "call {call}");
            let rejects = world.rejects();
            assert_eq!(rejects.len(), 1, "call {call}: {rejects:?}");
            assert_eq!(rejects[0]["line"], 501);
        }
    }
}

/// Two runs of one load, each of which overtakes the other when it gets to.
#[tokio::test(start_paused = true)]
async fn concurrent_messages_of_one_file_make_one_snapshot() {
    for rates in [(10_000, 10_000), (1000, 3000), (3000, 1000), (2000, 2001)] {
        let world = World::default();
        let text = users(40_000, 30);
        let mut jobs = [Job::new(&text, 7000), Job::new(&text, 9000)];
        (jobs[0].rows_per_second, jobs[1].rows_per_second) = rates;
        let (one, other) = tokio::join!(jobs[0].run(&world), jobs[1].run(&world));
        let (one, other) = (one.expect("loads"), other.expect("loads"));
        let record = world.record().await;
        assert_eq!(
            (record.published.len(), record.published[0].rows),
            (1, 40_000),
            "{one:?} {other:?}"
        );
        assert_eq!(world.ages(40_000).await, vec![Some(30); 40_000]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_waits_until_the_one_before_has_ended_or_died() {
    let world = World::default();
    let first = Job::new(users(2000, 30), 500);
    let second = Job::new(users(10, 31), 500);
    first.part(&world).await.expect("loads");
    let PartOutcome::Busy { by } = second.part(&world).await.expect("is told to wait").outcome else {
        panic!("it did not wait")
    };
    assert!(by.contains("800 rows written"), "{by}");
    world.now_ms.fetch_add(LOAD_LEASE_MS, Ordering::Relaxed);
    let (_, end) = second.run(&world).await.expect("loads");
    assert!(matches!(end, PartOutcome::Published(_)));
    // The first one begins anew, and takes its turn.
    let (parts, end) = first.run(&world).await.expect("loads");
    assert!(matches!((parts, end), (3, PartOutcome::Published(_))));
    assert_eq!(world.ages(11).await, vec![Some(30); 11]);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_whole_file_ends_the_load() {
    let world = World::default();
    let mut job = Job::new("\n", 500);
    for text in ["\n", "PAR1 is not JSON Lines"] {
        job.text = text.into();
        let error = job.part(&world).await.expect_err(text);
        assert!(error.is_final(), "{error}");
        assert_eq!(world.record().await.load, None, "{text}");
    }
    Job::new(
        json!({"user_id": 1, "user_age": 2, "event_time": "2026-06-01T00:00:00Z"}).to_string(),
        500,
    )
    .run(&world)
    .await
    .expect("loads");
    let old = json!({"user_id": 1, "user_age": 2, "event_time": "2026-05-01T00:00:00Z"}).to_string();
    let error = Job::new(old, 500).part(&world).await.expect_err("is older");
    assert!(error.is_final() && error.to_string().contains("stays"), "{error}");
    assert_eq!(world.record().await.load, None);
}
