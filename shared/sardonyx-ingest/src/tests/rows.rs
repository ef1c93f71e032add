use sardonyx_core::feature_row::Stored;
use serde_json::Value as Json;

use super::*;
use crate::RulesError;

/// The number and the reasons of the rejected rows, and what the file said.
fn rejects(format: Format, content: &str, rules: &Arc<ViewRules>) -> Vec<(u64, Vec<String>, Json)> {
    let rows = read(text(content), format, rules, None).expect("can be read");
    rejected(rows)
        .into_iter()
        .map(|(number, rejection)| {
            let row = serde_json::from_str(rejection.row.get()).expect("is JSON");
            (number, rejection.reasons, row)
        })
        .collect()
}

fn timed() -> RowTimes {
    RowTimes {
        event_time_ms: Some(5),
        ..TIMES
    }
}

#[test]
fn a_rejection_has_all_reasons_and_what_the_file_says() {
    let lines = [
        r#"{"user_id":"1","user_age":"old","user_score":11,"user_aeg":1,"event_time":"today"}"#,
        r#"{"user_id":1,"user_age":33}"#,
        r#"{"user_age":1.50,"user_score":null}"#,
        r#"{"user_id":2,"user_id":3,"user_age":1}"#,
        r#"{"user_id":4,"user_age":null}"#,
        r#"{"user_id":5}"#,
        "[1]",
        r#"{"user_id":1"#,
        r#"{"user_id":1,"user_age":33} {}"#,
    ];
    let rejects = rejects(JSON_LINES, &lines.join("\n"), &user(timed()));
    let reasons: Vec<_> = rejects
        .iter()
        .map(|(number, reasons, _)| (*number, reasons.join(" | ")))
        .collect();
    let expected = [
        (
            1,
            "user_aeg: is neither a join key nor a feature of user | user_id: expected an integer, got \"1\" | \
             user_age: expected an integer, got \"old\" | user_score: expected a number of at most 10 that FP32 holds, got 11 | \
             event_time: expected a time as in RFC 3339, such as \"2026-01-02T03:04:05Z\", got \"today\"",
        ),
        (
            3,
            "user_id: is missing; give an integer | user_age: expected an integer, got 1.5",
        ),
        (4, "user_id: is there twice"),
        (5, "user_age: is null, and the model needs a value"),
        (6, "user_age: is absent, and the model needs a value"),
        (7, "is not a JSON object"),
        (8, "is not valid JSON: EOF while parsing an object at column 12"),
        (9, "is not valid JSON: trailing characters at column 29"),
    ];
    assert_eq!(reasons, expected.map(|(number, reason)| (number, reason.to_owned())));
    let rows = rejected(read(text(&lines.join("\n")), JSON_LINES, &user(timed()), None).expect("can be read"));
    let row_of = |index: usize| rows[index].1.row.get();
    assert_eq!(row_of(1), lines[2], "as it stands in the file");
    assert_eq!(row_of(6), r#""{\"user_id\":1""#);
}

#[test]
fn a_cell_of_csv_is_named_by_its_column() {
    let content = "user_score,user_id,user_age\n\
        11,1,33\n\
        x,,\n\
        \n\
        1e999,2,\"\"\n\
        1,2\n\
        1,2,3,4\n\
        1,\"a\"b,3\n\
        1,a\"b\",3\n\
        nan,3, 5\n\
        -inf,9223372036854775807,-0\n";
    let rejects = rejects(CSV, content, &user(timed()));
    let reasons: Vec<_> = rejects
        .iter()
        .map(|(number, reasons, _)| (*number, reasons.join(" | ")))
        .collect();
    let expected = [
        (
            2,
            "user_score: expected a number of at most 10 that FP32 holds, got \"11\"",
        ),
        (
            3,
            "user_id: expected an integer, got null | user_age: is null, and the model needs a value | \
             user_score: expected a number, got \"x\"",
        ),
        (
            5,
            "user_age: expected an integer, got \"\" | user_score: expected a number, got \"1e999\"",
        ),
        (6, "has 2 cells, but the header has 3"),
        (7, "has 4 cells, but the header has 3"),
        (
            8,
            "has text behind a closing quote; a quote within quotes is written twice",
        ),
        (9, "has a quote in a cell that does not begin with one"),
        (10, "user_age: expected an integer, got \" 5\""),
    ];
    assert_eq!(reasons, expected.map(|(number, reason)| (number, reason.to_owned())));
    assert_eq!(
        rejects[1].2,
        serde_json::json!({"user_score": "x", "user_id": null, "user_age": null})
    );
    assert_eq!(rejects[3].2, serde_json::json!(["1", "2"]));
}

#[test]
fn a_number_is_that_of_the_line_where_the_record_begins() {
    let content = "user_id,region,event_time,note\r\n\
        1,a,2026-01-02T03:04:05Z,\"one\r\ntwo\n\"\r\n\
        \r\n\
        x,b,2026-01-02T03:04:05Z,\r\n\
        2,c,2026-01-02T03:04:05Z,\"\"";
    let rows = read(text(content), CSV, &all_types(TIMES), None).expect("can be read");
    let numbers: Vec<_> = rows.iter().map(|row| (row.number, row.result.is_ok())).collect();
    assert_eq!(numbers, [(2, true), (6, false), (7, true)]);
    let notes: Vec<_> = rows
        .into_iter()
        .filter_map(|row| row.result.ok())
        .map(|row| row.row.values[4].clone())
        .collect();
    let string = |text: &str| Stored::Value(sardonyx_core::value::FeatureValue::String(text.into()));
    assert_eq!(notes, [string("one\r\ntwo\n"), string("")]);
}

#[test]
fn columns_are_checked_before_any_row() {
    let problems = |header: &str, times| match read(text(header), CSV, &user(times), None) {
        Err(FileError::Columns { view, problems }) => {
            assert_eq!(view, "user");
            problems
        }
        other => panic!("{header}: {other:?}"),
    };
    assert_eq!(
        problems("user_aeg,user_score,user_score", TIMES),
        [
            "user_aeg: is neither a join key nor a feature of user",
            "user_score: is there twice",
            "user_id: is missing; a row is found by it",
            "user_age: is missing, and the model needs it",
            "event_time: is missing; give it in each row, or one for all rows",
        ]
    );
    assert_eq!(
        problems("user_id", timed()),
        ["user_age: is missing, and the model needs it"]
    );
    let semicolons = problems("user_id;user_age", timed());
    assert!(
        semicolons[0].starts_with("user_id;user_age: is neither"),
        "{semicolons:?}"
    );
}

#[test]
fn a_row_says_its_time_or_gets_the_one_for_all() {
    let line = |time: &str| format!(r#"{{"user_id":1,"user_age":1{time}}}"#);
    let time_of = |time: &str, times| {
        let rows = read(text(&line(time)), JSON_LINES, &user(times), None).expect("can be read");
        match rows.into_iter().next().expect("has a row").result {
            Ok(row) => Ok(row.row.event_time_ms),
            Err(rejection) => Err(rejection.reasons.join(" | ")),
        }
    };
    assert_eq!(
        time_of(r#","event_time":"2026-01-02T04:04:05.678+01:00""#, timed()),
        Ok(TIME_MS)
    );
    assert_eq!(time_of("", timed()), Ok(5));
    assert_eq!(time_of(r#","event_time":null"#, timed()), Ok(5));
    let missing = Err("event_time: is missing; give it in each row, or one for all rows".into());
    assert_eq!(time_of("", TIMES), missing);
    assert_eq!(time_of(r#","event_time":null"#, TIMES), missing);
    assert_eq!(
        time_of(r#","event_time":"2026-01-02T03:09:05.678Z""#, TIMES),
        Ok(TIME_MS + 300_000)
    );
    for wrong in [
        r#""2026-01-02T03:09:05.679Z""#,
        r#""1969-12-31T23:59:59.999Z""#,
        "1767323045678",
        "true",
    ] {
        let reason = time_of(&format!(r#","event_time":{wrong}"#), TIMES).expect_err("is no time");
        assert!(reason.starts_with("event_time: expected a time"), "{wrong}: {reason}");
    }
}

#[test]
fn a_record_that_is_too_long_is_rejected_alone() {
    let long = "x".repeat((1 << 20) + 1);
    let good = r#"{"user_id":1,"user_age":1}"#;
    let content = format!("{good}\n{{\"user_id\":2,\"user_age\":1,\"{long}\":1}}\n{good}");
    let reader = rejects(JSON_LINES, &content, &user(timed()));
    assert_eq!(reader[0].0, 2);
    assert_eq!(reader[0].1, ["is longer than 1048576 bytes"]);
    assert!(reader[0].2.as_str().is_some_and(|row| row.len() < 1100));
    assert_eq!(reader.len(), 1);

    for cell in [format!("\"{long}\n\""), long.clone(), ",".repeat(1 << 20)] {
        let content = format!("user_id,user_age\n1,1\n2,{cell}\n3,3\n");
        let rejects = rejects(CSV, &content, &user(timed()));
        assert_eq!(rejects.len(), 1);
        assert_eq!(rejects[0].0, 3);
        assert_eq!(rejects[0].1, ["is longer than 1048576 bytes; a quote may be missing"]);
        assert!(rejects[0].2.to_string().len() < 1100);
    }
}

#[test]
fn what_is_not_utf_8_is_rejected() {
    let mut json = br#"{"user_id":1,"user_age":1}"#.to_vec();
    json.extend(b"\n{\"user_id\":2,\"\xC3\":1}\n");
    let rows = rejected(read(Arc::new(json), JSON_LINES, &user(timed()), None).expect("can be read"));
    assert_eq!((rows[0].0, rows[0].1.reasons.join("")), (2, "is not UTF-8".into()));
    // The halves of a letter, in two cells.
    let csv = b"user_id,user_age\n\xC3,\xA9\n1,1\n".to_vec();
    let rows = rejected(read(Arc::new(csv), CSV, &user(timed()), None).expect("can be read"));
    assert_eq!(
        (rows.len(), rows[0].0, rows[0].1.reasons.join("")),
        (1, 2, "is not UTF-8".into())
    );
}

#[test]
fn keys_of_every_type_are_read_exactly() {
    use sardonyx_core::entity::KeyValue;
    let mut json = models::manifest_json();
    json["feature_views"][0]["join_keys"] = serde_json::json!([
        {"name": "text", "type": "string"}, {"name": "small", "type": "int32"},
        {"name": "bytes", "type": "bytes"}, {"name": "time", "type": "unix_timestamp"}
    ]);
    let rules = rules_of(&json, 0, timed());
    let csv = "text,small,bytes,time\n1,-2147483648,AP8=,1700000000\n\"\",2147483648,AP8,1.5\n";
    let lines = "{\"text\":\"1\",\"small\":-2147483648,\"bytes\":\"AP8=\",\"time\":1700000000}\n\
        {\"text\":\"\",\"small\":2147483648,\"bytes\":\"AP8\",\"time\":1.5}\n";
    for (format, content) in [(CSV, csv), (JSON_LINES, lines)] {
        let mut rows = read(text(content), format, &rules, None).expect("can be read");
        let second = rows.pop().expect("has two rows").result.expect_err("is wrong");
        assert_eq!(second.reasons.len(), 4, "{:?}", second.reasons);
        assert_eq!(
            accepted(rows)[0].entity.0,
            [
                KeyValue::String("1".into()),
                KeyValue::Int64(-2_147_483_648),
                KeyValue::Bytes(vec![0, 255]),
                KeyValue::Int64(1_700_000_000)
            ]
        );
    }
}

#[test]
fn a_view_that_no_file_can_hold_is_refused() {
    let manifest = |json: Json| Manifest::from_json(json.to_string().as_bytes()).expect("is valid");
    let feast = manifest(models::list_manifest_json());
    let error = ViewRules::new(&feast, &feast.feature_views[1], TIMES).expect_err("is Feast's");
    assert_eq!(
        error.to_string(),
        "user has the layout feast: let Feast materialise it into shop.user"
    );
    let mut json = models::manifest_json();
    json["feature_views"][0]["join_keys"][0]["name"] = serde_json::json!("event_time");
    let named = manifest(json);
    let error = ViewRules::new(&named, &named.feature_views[0], TIMES).expect_err("has the name");
    assert!(matches!(error, RulesError::EventTime { .. }));
}

#[test]
fn a_reader_can_be_moved_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<RowReader>();
    is_send::<FileError>();
}
