use sardonyx_core::ports::StoreError;

use super::*;

/// The number and the contents of all rows, as one reader gives them, and as a new reader does from each position on.
fn assert_same_from_every_position(source: &Arc<Vec<u8>>, format: Format, rules: &Arc<ViewRules>) {
    let whole = shown(&read(source.clone(), format, rules, None).expect("can be read"));
    assert!(!whole.is_empty());
    for size in [1, 2, 3, 7] {
        let mut position = None;
        let mut rows = Vec::new();
        loop {
            let mut reader =
                RowReader::open(source.clone(), format, Arc::clone(rules), position).expect("can be opened");
            let batch = reader.next_batch(size).expect("can be read");
            if batch.is_empty() {
                break;
            }
            rows.extend(batch);
            // As another process gets it.
            let json = serde_json::to_string(&reader.position()).expect("is JSON");
            position = Some(serde_json::from_str(&json).expect("is a position"));
            let rest = shown(&read(source.clone(), format, rules, position).expect("can be read"));
            assert_eq!(rest, whole[rows.len()..], "{format:?} from {json} on");
        }
        assert_eq!(shown(&rows), whole, "{format:?}, {size} at a time");
    }
}

#[test]
fn the_rest_is_the_same_from_every_position() {
    let rules = all_types(TIMES);
    for name in [
        "rows.jsonl",
        "rows.jsonl.gz",
        "rows.csv",
        "excel.csv",
        "rows.csv.gz",
        "snappy.parquet",
        "one_group.parquet",
        "small_pages.parquet",
        "pages_v2.parquet",
        "delta.parquet",
        "no_dictionary.parquet",
        "int96.parquet",
    ] {
        assert_same_from_every_position(&file(name), Format::of(name).expect("has an ending"), &rules);
    }
}

#[test]
fn positions_are_right_for_any_text() {
    let mut random = fastrand::Rng::with_seed(4);
    let rules = user(RowTimes {
        event_time_ms: Some(5),
        ..TIMES
    });
    let pieces = [
        "1", "22", ",", ",", "\"", "\"\"", "\n", "\r\n", "é", "\"a\nb\"", "3,4\n", "-", "\r",
    ];
    for _ in 0..300 {
        let mut csv = "user_id,user_age\n".to_owned();
        for _ in 0..random.usize(1..40) {
            csv += pieces[random.usize(..pieces.len())];
        }
        // A file that ends between quotes is none.
        if read(text(&csv), CSV, &rules, None).is_ok_and(|rows| !rows.is_empty()) {
            assert_same_from_every_position(&text(&csv), CSV, &rules);
        }
        let mut lines = String::new();
        for _ in 0..random.usize(1..12) {
            lines += [r#"{"user_id":1,"user_age":2}"#, "\n", "\r\n", "{", "é", " "][random.usize(..6)];
        }
        if !lines.trim().is_empty() {
            assert_same_from_every_position(&text(&lines), JSON_LINES, &rules);
        }
    }
}

#[test]
fn a_source_may_give_its_bytes_one_by_one() {
    struct OneByOne(Arc<Vec<u8>>);
    impl Source for OneByOne {
        fn size(&self) -> Result<u64, StoreError> {
            self.0.size()
        }
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
            let end = buffer.len().min(1);
            self.0.read_at(offset, &mut buffer[..end])
        }
    }
    let rules = all_types(TIMES);
    for name in ["rows.jsonl.gz", "excel.csv", "zstd.parquet"] {
        let format = Format::of(name).expect("has an ending");
        let whole = shown(&read(file(name), format, &rules, None).expect("can be read"));
        let rows = read(Arc::new(OneByOne(file(name))), format, &rules, None).expect("can be read");
        assert_eq!(shown(&rows), whole, "{name}");
    }
}

#[test]
fn progress_ends_at_the_total() {
    for name in ["rows.jsonl", "rows.jsonl.gz", "excel.csv", "snappy.parquet"] {
        let format = Format::of(name).expect("has an ending");
        let mut reader = RowReader::open(file(name), format, all_types(TIMES), None).expect("can be opened");
        let mut last = reader.progress().done;
        while !reader.next_batch(2).expect("can be read").is_empty() {
            let progress = reader.progress();
            assert!(last <= progress.done && progress.done <= progress.total, "{name}");
            last = progress.done;
        }
        let total = reader.progress().total;
        let expected = if format == Format::Parquet {
            9
        } else {
            file(name).len() as u64
        };
        assert_eq!((last, total), (expected, expected), "{name}");
    }
}

#[test]
fn a_position_of_another_file_is_refused() {
    let text_position = |offset| Position::Text { offset, line: 1 };
    let group = |row_group, row| Position::Parquet { row_group, row };
    for (name, position) in [
        ("rows.jsonl", text_position(1 << 40)),
        ("rows.csv", text_position(1 << 40)),
        ("rows.csv.gz", text_position(1 << 40)),
        ("rows.csv", group(0, 0)),
        ("snappy.parquet", text_position(0)),
        ("snappy.parquet", group(99, 0)),
        ("snappy.parquet", group(0, 99)),
        ("snappy.parquet", group(3, 1)),
    ] {
        let format = Format::of(name).expect("has an ending");
        let error = read(file(name), format, &all_types(TIMES), Some(position)).expect_err("is not of this file");
        assert!(
            matches!(error, FileError::Position { .. }),
            "{name} {position:?}: {error:?}"
        );
    }
}
