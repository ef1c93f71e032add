use super::*;
use crate::testing::models::list_manifest_json;
use serde_json::json;

fn encoder(missing: Json) -> (FeatureEncoder, Manifest) {
    let mut json = list_manifest_json();
    json["inputs"][0]["features"][4]["missing"] = missing;
    let manifest = Manifest::from_json(json.to_string().as_bytes()).expect("is valid");
    (FeatureEncoder::new(&manifest), manifest)
}

/// The row of the input in which `user_score` is that, and all else 7.
fn row(missing: Json, score: &Stored) -> Result<(Vec<f64>, Option<MissingReason>), MissingReason> {
    let (encoder, _) = encoder(missing);
    let mut batch = encoder.batch(2);
    let mut reason = None;
    for column in encoder.columns() {
        let seven = Stored::Value(match column.value_type {
            ValueType::String => FeatureValue::String("pos".into()),
            _ => FeatureValue::Float64(7.0),
        });
        let is_score = column.name == "user_score";
        let set = encoder.set(&mut batch, 1, column, if is_score { score } else { &seven })?;
        reason = reason.or(set);
    }
    let tensors = encoder.finish(batch, 2);
    assert_eq!(tensors[0].shape(), [2, 8]);
    let numbers = (8..16).map(|index| tensors[0].data().number(index).expect("is there"));
    Ok((numbers.collect(), reason))
}

#[test]
fn a_list_fills_its_columns_whole_or_not_at_all() {
    let list = |elements: [f64; 3]| Stored::List(ListValue::Float64(elements.to_vec()));
    let with = |scores: [f64; 3]| vec![7.0, 0.0, 7.0, 7.0, scores[0], scores[1], scores[2], 7.0];
    let default = || json!({"default": 0.5});
    assert_eq!(
        row(default(), &list([1.0, 2.0, 3.0])),
        Ok((with([1.0, 2.0, 3.0]), None))
    );
    assert_eq!(
        row(default(), &list([1.0, 2.0, 11.0])),
        Ok((with([0.5; 3]), Some(MissingReason::OutOfRange)))
    );
    assert_eq!(
        row(default(), &list([1.0, f64::NAN, 3.0])),
        Ok((with([0.5; 3]), Some(MissingReason::Nan)))
    );
    let each = json!({"default": [1, 2, 3]});
    assert_eq!(
        row(each, &Stored::Null),
        Ok((with([1.0, 2.0, 3.0]), Some(MissingReason::Null)))
    );
    let empty = Stored::List(ListValue::Float64(vec![]));
    assert_eq!(row(default(), &empty), Ok((with([0.5; 3]), Some(MissingReason::Empty))));
    assert_eq!(row(json!("reject"), &empty), Err(MissingReason::Empty));
    assert_eq!(row(json!("reject"), &Stored::Absent), Err(MissingReason::Absent));
    let (row, reason) = row(json!("nan"), &list([1.0, f64::NAN, 3.0])).expect("takes NaN");
    assert!(row[5].is_nan() && row[4] == 1.0 && reason.is_none());
}

#[test]
fn a_golden_row_has_a_list_of_the_right_length() {
    let (encoder, manifest) = encoder(json!({"default": 0.5}));
    let mut rows = manifest.golden.rows.clone();
    let tensors = encoder.encode_golden(&rows).expect("fits");
    assert_eq!(tensors[0].shape(), [1, 8]);
    for wrong in [json!([1, 2]), json!(1), json!([1, 2, null])] {
        rows[0].features.insert("user_score".into(), wrong);
        let error = encoder.encode_golden(&rows).expect_err("does not fit");
        assert_eq!(error.problem, "is not a list of 3, each a number");
    }
}
