use super::*;

fn id(text: &str) -> SnapshotId {
    SnapshotId::new(text).expect("is an id")
}

fn load(name: &str, started_at_ms: i64) -> Load {
    Load {
        id: id(name),
        source: format!("{name}.parquet"),
        started_at_ms,
        updated_at_ms: started_at_ms,
        loaded: LoadedRows::default(),
        position: None,
        expires_at_seconds: None,
        merges: false,
    }
}

fn rows(newest_event_time_ms: i64) -> LoadedRows {
    LoadedRows {
        rows: 1,
        rejected: 0,
        newest_event_time_ms: Some(newest_event_time_ms),
    }
}

fn published(names: &[&str]) -> ViewSnapshots {
    let mut snapshots = ViewSnapshots::default();
    for (name, now_ms) in names.iter().zip(1..) {
        snapshots.begin_load(load(name, now_ms)).expect("nothing runs");
        snapshots
            .publish(&id(name), rows(now_ms), false, now_ms)
            .expect("is newer");
    }
    snapshots
}

fn current(snapshots: &ViewSnapshots) -> &str {
    snapshots.current.as_ref().expect("has one").as_str()
}

#[test]
fn an_id_can_stand_in_a_key() {
    for bad in ["", "a#b", "a@b", "a b", "é", &"x".repeat(33)] {
        assert!(SnapshotId::new(bad).is_err(), "{bad}");
        assert!(
            serde_json::from_str::<SnapshotId>(&format!("{bad:?}")).is_err(),
            "{bad}"
        );
    }
    assert_eq!(id("20260102T030405Z-1f").to_string(), "20260102T030405Z-1f");
}

#[test]
fn a_load_goes_on_with_its_source_and_stands_in_the_way_of_others_while_it_lives() {
    let mut snapshots = ViewSnapshots::default();
    snapshots.begin_load(load("a", 0)).expect("nothing runs");
    let rows = |rows| LoadedRows {
        rows,
        ..LoadedRows::default()
    };
    let mut say =
        |count: u64, now_ms| snapshots.record_progress(&id("a"), rows(count), Some(count.to_string()), now_ms);
    say(7, 1_000).expect("runs");
    say(5, 2_000).expect("runs");
    let mut again = load("b", 3_000);
    again.source = "a.parquet".into();
    let resumed = snapshots.begin_load(again).expect("is the same source");
    assert_eq!((resumed.id.as_str(), resumed.loaded.rows), ("a", 7));
    assert_eq!(resumed.position.as_deref(), Some("7"));

    let refused = snapshots.begin_load(load("c", 3_000 + LOAD_LEASE_MS - 1));
    assert!(
        matches!(refused, Err(SnapshotError::LoadRunning { rows_written: 7, .. })),
        "{refused:?}"
    );
    snapshots
        .begin_load(load("c", 3_000 + LOAD_LEASE_MS))
        .expect("the first one died");
    let superseded = Err(SnapshotError::Superseded { id: id("a") });
    assert_eq!(snapshots.record_progress(&id("a"), rows(9), None, 70_000), superseded);
    assert_eq!(snapshots.publish(&id("a"), rows(1), false, 70_000), superseded);
    assert_eq!(snapshots.current, None);
}

#[test]
fn later_rows_stay_unless_told_otherwise() {
    let mut snapshots = published(&["a", "b"]);
    snapshots.begin_load(load("old", 9)).expect("nothing runs");
    let refused = snapshots.publish(&id("old"), rows(1), false, 9);
    assert_eq!(refused, Err(SnapshotError::OlderThanCurrent { current: id("b") }));
    snapshots.publish(&id("old"), rows(1), true, 9).expect("is allowed");
    assert_eq!(current(&snapshots), "old");
    assert_eq!(snapshots.load, None);
}

#[test]
fn an_abandoned_load_makes_room_and_leaves_others_alone() {
    let mut snapshots = published(&["a"]);
    snapshots.begin_load(load("b", 2)).expect("nothing runs");
    snapshots.abandon(&id("c"));
    assert!(snapshots.load.is_some());
    snapshots.abandon(&id("b"));
    assert_eq!((current(&snapshots), &snapshots.load), ("a", &None));
    assert_eq!(snapshots.published_from("a.parquet").map(|a| &a.id), Some(&id("a")));
    assert_eq!(snapshots.published_from("b.parquet"), None);
}

#[test]
fn publishing_twice_changes_nothing() {
    let mut snapshots = published(&["a", "b"]);
    snapshots.roll_back(None, 5).expect("there is an earlier one");
    let before = snapshots.clone();
    snapshots.publish(&id("b"), rows(2), false, 6).expect("is published");
    assert_eq!(snapshots, before);
}

#[test]
fn rolling_back_skips_what_was_withdrawn() {
    let mut snapshots = published(&["a", "b", "c"]);
    assert_eq!(snapshots.roll_back(None, 9).expect("b").id, id("b"));
    snapshots.begin_load(load("d", 10)).expect("nothing runs");
    snapshots.publish(&id("d"), rows(10), false, 10).expect("is newer");
    assert_eq!(snapshots.roll_back(None, 11).expect("not c").id, id("b"));
    assert_eq!(snapshots.roll_back(None, 11).expect("a").id, id("a"));
    assert_eq!(snapshots.roll_back(None, 11), Err(SnapshotError::NothingEarlier));
    assert_eq!(current(&snapshots), "a");
    assert_eq!(snapshots.roll_back(Some(&id("d")), 11).expect("by name").id, id("d"));
    let unknown = snapshots.roll_back(Some(&id("x")), 11).expect_err("there is none");
    assert_eq!(
        unknown.to_string(),
        "there is no published snapshot x; there are: d, c, b, a"
    );
}

#[test]
fn what_may_be_gone_is_not_gone_back_to() {
    let mut snapshots = published(&["a", "b"]);
    snapshots.published[1].expires_at_seconds = Some(100);
    assert!(snapshots.clone().roll_back(None, 99_999).is_ok());
    assert_eq!(
        snapshots.roll_back(None, 100_000),
        Err(SnapshotError::Expired { id: id("a") })
    );
}

#[test]
fn only_the_last_ones_are_remembered() {
    let names: Vec<_> = (0..12).map(|number| format!("s{number}")).collect();
    let snapshots = published(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(snapshots.published.len(), REMEMBERED);
    assert_eq!(snapshots.published[0].id, id("s11"));
    let json = serde_json::to_vec(&snapshots).expect("is JSON");
    assert_eq!(
        serde_json::from_slice::<ViewSnapshots>(&json).expect("is its own"),
        snapshots
    );
}
