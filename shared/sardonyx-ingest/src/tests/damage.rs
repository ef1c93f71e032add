use sardonyx_core::ports::StoreError;

use super::*;

/// Reads what has been damaged. Whether it gives rows or an error, it may not panic.
fn read_damaged(bytes: Vec<u8>, name: &str) -> Result<usize, FileError> {
    let format = Format::of(name).expect("has an ending");
    read(Arc::new(bytes), format, &all_types(TIMES), None).map(|rows| rows.len())
}

#[test]
fn a_parquet_file_that_is_cut_off_is_an_error() {
    let whole = file("snappy.parquet");
    for end in 0..whole.len() {
        let error = read_damaged(whole[..end].to_vec(), "snappy.parquet").expect_err("is cut off");
        assert!(matches!(error, FileError::Damaged { .. }), "{end}: {error:?}");
    }
}

#[test]
fn a_compressed_text_that_is_cut_off_is_an_error() {
    for name in ["rows.jsonl.gz", "rows.csv.gz"] {
        let whole = file(name);
        for end in 2..whole.len() {
            let error = read_damaged(whole[..end].to_vec(), name).expect_err("is cut off");
            assert!(matches!(error, FileError::Damaged { .. }), "{name} {end}: {error:?}");
        }
    }
}

#[test]
fn a_csv_file_that_ends_between_quotes_is_an_error() {
    let whole = file("rows.csv");
    let inside = whole
        .windows(8)
        .position(|window| window == b"line two")
        .expect("is there");
    let error = read_damaged(whole[..inside].to_vec(), "rows.csv").expect_err("is cut off");
    assert!(error.to_string().starts_with("line 8: a quote opens"), "{error}");
}

#[test]
fn a_line_that_is_cut_off_is_rejected() {
    let whole = file("rows.jsonl");
    let rows = read(
        Arc::new(whole[..whole.len() - 3].to_vec()),
        JSON_LINES,
        &all_types(TIMES),
        None,
    );
    let rows = rejected(rows.expect("can be read"));
    assert_eq!((rows.len(), rows[0].0), (1, 9));
}

#[test]
fn random_damage_is_an_error_or_other_rows() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut errors = 0;
    for name in [
        "snappy.parquet",
        "delta.parquet",
        "pages_v2.parquet",
        "int96.parquet",
        "rows.csv.gz",
        "rows.csv",
        "rows.jsonl",
    ] {
        for _ in 0..400 {
            let mut bytes = file(name).to_vec();
            for _ in 0..random.usize(1..4) {
                let place = random.usize(..bytes.len());
                bytes[place] = random.u8(..);
            }
            errors += usize::from(read_damaged(bytes, name).is_err());
        }
    }
    assert!(errors > 400, "{errors}");
}

#[test]
fn a_wrong_checksum_of_a_page_is_an_error() {
    let mut bytes = file("checksums.parquet").to_vec();
    let place = bytes
        .windows(5)
        .position(|window| window == b"plain")
        .expect("is there");
    bytes[place] ^= 1;
    let error = read_damaged(bytes, "checksums.parquet").expect_err("is damaged");
    assert!(error.to_string().contains("column note"), "{error}");
}

#[test]
fn a_file_that_is_something_else_is_named() {
    for (bytes, format, what) in [
        (file("snappy.parquet"), CSV, "Parquet"),
        (file("rows.csv.gz"), CSV, "gzip"),
        (file("rows.jsonl.gz"), JSON_LINES, "gzip"),
        (Arc::new(vec![0xFF, 0xFE, b'u', 0]), CSV, "UTF-16"),
    ] {
        let error = read(bytes, format, &all_types(TIMES), None).expect_err("is something else");
        assert!(error.to_string().contains(what), "{error}");
    }
    for name in ["rows.csv", "rows.csv.gz"] {
        let error = read(file(name), Format::Parquet, &all_types(TIMES), None).expect_err("is no Parquet");
        assert!(matches!(error, FileError::Damaged { .. }), "{error:?}");
    }
    let error = read(file("rows.csv"), Format::Csv { gzip: true }, &all_types(TIMES), None).expect_err("is no gzip");
    assert!(matches!(error, FileError::Damaged { .. }), "{error:?}");
}

#[test]
fn what_is_out_of_reach_may_be_tried_again() {
    struct OutOfReach(u64);
    impl Source for OutOfReach {
        fn size(&self) -> Result<u64, StoreError> {
            Ok(self.0)
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> Result<usize, StoreError> {
            Err(StoreError::Unavailable {
                what: "the file".into(),
                source: "timed out".into(),
            })
        }
    }
    for name in ["a.jsonl", "a.csv", "a.csv.gz", "a.parquet"] {
        let format = Format::of(name).expect("has an ending");
        let error = read(Arc::new(OutOfReach(1000)), format, &all_types(TIMES), None).expect_err("is out of reach");
        assert!(matches!(error, FileError::Unreadable(_)), "{name}: {error:?}");
    }
}
