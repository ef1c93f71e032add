//! Loads with the shipped command: killed at any point, and of a million rows.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType as TableKeyType, ScalarAttributeType,
};
use sardonyx_aws::{DynamoDbFeatureWriter, DynamoDbOnlineStore};
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::Stored;
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::ports::{FeatureWriter, OnlineStore, ViewRead};
use sardonyx_core::snapshots::SnapshotId;
use sardonyx_core::value::FeatureValue;
use serde_json::Value as Json;

use super::process;
use crate::local_aws::LocalAws;
use crate::models::{manifest, read_json_lines, repository};

const MODEL: &str = "purchase-propensity";
const VIEW: &str = "user_stats";
/// A feature of the view, in which a row says of which file it is.
const MARK: &str = "session_count_7d";

/// A feature table of the test's own, and a folder for its files.
struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
    view: FeatureView,
    /// A row that is good.
    sample: Json,
    folder: PathBuf,
}

impl Table {
    async fn new(name: &str) -> Self {
        let aws = LocalAws::connect().await;
        let client = aws.dynamodb();
        let name = format!("sardonyx-test-{name}-{}", std::process::id());
        let key = "entity_key";
        let attribute = AttributeDefinition::builder()
            .attribute_name(key)
            .attribute_type(ScalarAttributeType::S);
        let schema = KeySchemaElement::builder()
            .attribute_name(key)
            .key_type(TableKeyType::Hash);
        client
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute.build().expect("is complete"))
            .key_schema(schema.build().expect("is complete"))
            .send()
            .await
            .expect("is a new table");
        let folder = repository("target/loads").join(&name);
        std::fs::create_dir_all(&folder).expect("can be made");
        let view = manifest(MODEL).feature_view(VIEW).expect("is there").clone();
        Self {
            client,
            name,
            view,
            sample: read_json_lines(&format!("functions/{MODEL}/samples/{VIEW}.jsonl")).remove(0),
            folder,
        }
    }

    /// A file with a row for each user, all of them with that mark.
    fn file(&self, users: i64, mark: i64) -> PathBuf {
        let path = self.folder.join(format!("{mark}.jsonl"));
        let mut file = BufWriter::new(std::fs::File::create(&path).expect("can be made"));
        for user in 0..users {
            let mut row = self.sample.clone();
            row["user_id"] = user.into();
            row[MARK] = mark.into();
            writeln!(file, "{row}").expect("is written");
        }
        file.flush().expect("is written");
        path
    }

    fn load(&self, file: &Path, options: &[&str]) -> Child {
        Command::new(repository("target/release/sardonyx"))
            .args(["features", "load", VIEW])
            .arg(file)
            .args(["--table", &self.name, "--event-time", "now", "--model"])
            .arg(repository(&format!("functions/{MODEL}/model")))
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("`make test` builds it")
    }

    /// The snapshot that is read and the one mark of all of the users' rows.
    async fn read(&self, users: i64) -> (Option<SnapshotId>, i64) {
        let store = DynamoDbOnlineStore::new(self.client.clone(), &self.name);
        let entities: Vec<_> = (0..users).map(|user| EntityKey(vec![KeyValue::Int64(user)])).collect();
        let reads = [ViewRead {
            view: &self.view,
            entities: &entities,
        }];
        let answer = store
            .fetch(&reads, Duration::from_secs(60))
            .await
            .expect("reads")
            .remove(0);
        let features = &self.view.features;
        let place = features
            .iter()
            .position(|feature| feature.name == MARK)
            .expect("is a feature");
        let mark = |row: &Stored| match row {
            Stored::Value(FeatureValue::Int64(mark)) => *mark,
            other => panic!("{other:?}"),
        };
        let marks: Vec<_> = answer
            .rows
            .iter()
            .map(|row| match row.as_ref().expect("is readable") {
                Some(row) => mark(&row.values[place]),
                None => panic!("a row is missing"),
            })
            .collect();
        assert!(marks.iter().all(|mark| *mark == marks[0]), "mixed: {marks:?}");
        (answer.snapshot, marks[0])
    }
}

fn ended(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

/// The loader is killed ten times, at a random point of each tenth of the time that a load takes. `SARDONYX_TEST_SEED` takes the points of
/// another run, as far as the machine is as fast.
#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
#[expect(clippy::print_stderr, reason = "is shown when the test fails, wherever that is")]
async fn a_loader_that_is_killed_leaves_the_old_snapshot_and_can_go_on() {
    const USERS: i64 = 1000;
    const PACE: [&str; 4] = ["--rows-per-second", "1000", "--settling-seconds", "0"];
    let table = Table::new("kill").await;
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("is after 1970").as_nanos() as u64;
    let given = std::env::var("SARDONYX_TEST_SEED");
    let seed = given.map_or(now, |seed| seed.parse().expect("is a number"));
    let mut random = fastrand::Rng::with_seed(seed);
    // The shorter one of two: the machine may have been busy with something else.
    let mut duration = Duration::MAX;
    for mark in 0..2 {
        let file = table.file(USERS, mark);
        let start = Instant::now();
        ended(&table.load(&file, &PACE).wait_with_output().expect("ends"));
        duration = duration.min(start.elapsed());
    }
    eprintln!("seed {seed}: a load takes {duration:?}");
    let (mut interrupted, mut resumed) = (0, 0);
    for round in 2..12 {
        let point = duration.mul_f64((f64::from(round - 2) + random.f64()) / 10.0);
        eprintln!("killed after {point:?}");
        let round = i64::from(round);
        let (served, mark) = table.read(USERS).await;
        let file = table.file(USERS, round);
        let mut loader = table.load(&file, &PACE);
        tokio::time::sleep(point).await;
        loader.kill().expect("is mine");
        loader.wait().expect("ends");

        let (now, seen) = table.read(USERS).await;
        if now == served {
            assert_eq!(seen, mark, "the old snapshot is served, and whole");
            interrupted += 1;
        } else {
            assert_eq!(seen, round, "the new snapshot is served, and whole");
        }
        let again = ended(&table.load(&file, &PACE).wait_with_output().expect("ends"));
        resumed += i32::from(again.contains("written by an earlier run"));
        let (current, seen) = table.read(USERS).await;
        assert_eq!(seen, round);
        assert!(again.contains(current.expect("has one").as_str()), "{again}");
    }
    // The points of the first three tenths. The rows alone take a second, so that a load ends before the last of them only if both of those
    // that were timed took more than three.
    assert!(interrupted >= 3, "{interrupted} of 10 were killed before the flip");
    assert!(resumed >= 1, "none of them went on behind its beginning");
    let writer = DynamoDbFeatureWriter::new(table.client.clone(), &table.name);
    assert_eq!(writer.snapshots(&table.view).await.expect("answers").load, None);
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn a_rollback_is_seen_at_once_and_can_be_undone() {
    let table = Table::new("rollback").await;
    let load = |mark| {
        let output = table
            .load(&table.file(3, mark), &["--settling-seconds", "0"])
            .wait_with_output();
        ended(&output.expect("ends"))
    };
    load(1);
    load(2);
    let command = |arguments: &[&str]| {
        let output = Command::new(repository("target/release/sardonyx"))
            .args(["features", arguments[0], VIEW, "--table", &table.name, "--model"])
            .arg(repository(&format!("functions/{MODEL}/model")))
            .args(&arguments[1..])
            .output();
        output.expect("`make test` builds it")
    };
    let (second, mark) = table.read(3).await;
    assert_eq!(mark, 2);
    ended(&command(&["rollback"]));
    assert_eq!(table.read(3).await.1, 1);
    let nothing = command(&["rollback"]);
    assert!(!nothing.status.success());
    assert_eq!(
        String::from_utf8_lossy(&nothing.stderr),
        "error: there is no earlier snapshot to go back to\n"
    );
    let listed = ended(&command(&["snapshots"]));
    assert!(listed.contains("rolled back") && listed.contains("served"), "{listed}");
    let second = second.expect("has one");
    ended(&command(&["rollback", "--to", second.as_str()]));
    assert_eq!(table.read(3).await, (Some(second), 2));
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn a_million_rows_are_checked_in_little_memory_and_every_bad_one_is_named() {
    const ROWS: i64 = 1_000_000;
    let table = Table::new("million").await;
    let path = table.folder.join("million.csv");
    let mut sample = table.sample.as_object().expect("is an object").clone();
    sample.remove("user_id");
    let names: Vec<_> = sample.keys().map(String::as_str).collect();
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let good: Vec<_> = sample.values().map(text).collect();
    let bad: Vec<_> = sample
        .values()
        .map(|value| if value.is_string() { text(value) } else { "many".into() })
        .collect();
    let (good, bad) = (good.join(","), bad.join(","));

    let mut file = BufWriter::new(std::fs::File::create(&path).expect("can be made"));
    writeln!(file, "user_id,{}", names.join(",")).expect("is written");
    // One in a thousand says the user of the row before again, and one has no numbers.
    let is_duplicate = |row: i64| row % 1000 == 999;
    let no_numbers = 500_000;
    for row in 0..ROWS {
        let user = if is_duplicate(row) { row - 1 } else { row };
        let values = if row == no_numbers { &bad } else { &good };
        writeln!(file, "{user},{values}").expect("is written");
    }
    file.flush().expect("is written");

    let mut checking = table.load(&path, &["--dry-run", "--max-rejected", "2000"]);
    let mut peak = 0;
    while checking.try_wait().expect("is mine").is_none() {
        peak = process::peak_memory(checking.id().into()).unwrap_or(peak);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let said = ended(&checking.wait_with_output().expect("ends"));
    assert!(
        said.contains("998999 rows are good") && said.contains("1001 rejected"),
        "{said}"
    );
    assert!((1..256).contains(&peak), "{peak} MiB");

    let rejects = std::fs::read_to_string(table.folder.join("million.csv.rejects.jsonl")).expect("is there");
    let rejects: Vec<Json> = rejects
        .lines()
        .map(|line| serde_json::from_str(line).expect("is JSON"))
        .collect();
    // The header is line 1.
    let expected: Vec<_> = (0..ROWS)
        .filter(|&row| is_duplicate(row) || row == no_numbers)
        .collect();
    for (reject, row) in rejects.iter().zip(&expected) {
        assert_eq!(reject["line"], row + 2);
        let reasons = reject["reasons"].as_array().expect("is a list");
        if is_duplicate(*row) {
            assert_eq!(*reasons, [format!("has the same join keys as line {}", row + 1)]);
        } else {
            let named = |reason: &Json| reason.as_str().is_some_and(|reason| reason.contains("got \"many\""));
            assert!(reasons.len() > 5 && reasons.iter().all(named), "{reasons:?}");
        }
    }
    assert_eq!(rejects.len(), expected.len());
    std::fs::remove_dir_all(&table.folder).expect("is mine");
}
