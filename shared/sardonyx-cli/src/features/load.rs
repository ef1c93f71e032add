use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use sardonyx_aws::AwsClients;
use sardonyx_core::artifact::MANIFEST_FILE;
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::{FeatureView, Layout, Manifest};
use sardonyx_core::ports::{FeatureWriter, RowWrite};
use sardonyx_core::value::FeatureValue;
use serde_json::{Map, Value as Json};

use crate::{CommandError, read_file};

/// The field of a row that says when its values were true.
const EVENT_TIME: &str = "event_time";
/// How many problems are listed before the rest is only counted.
const PROBLEMS_SHOWN: usize = 20;

#[derive(Args)]
pub(crate) struct LoadArgs {
    /// The feature view, as the model's manifest names it
    view: String,
    /// The rows as JSON Lines: the join keys, the features, and optionally an event_time (RFC 3339)
    file: PathBuf,
    /// The folder of the model whose manifest has the view
    #[arg(long)]
    model: PathBuf,
    /// The feature table
    #[arg(long)]
    table: String,
    /// When the values were true, for rows without an event_time: RFC 3339, or `now`
    #[arg(long)]
    event_time: Option<String>,
    /// How long the table keeps the rows
    #[arg(long)]
    ttl_seconds: Option<u32>,
}

/// Checks every row, then writes them all; a file with a bad row writes nothing.
pub(crate) async fn load(args: &LoadArgs) -> Result<String, CommandError> {
    let manifest = Manifest::from_json(&read_file(&args.model.join(MANIFEST_FILE))?)?;
    let view = manifest.feature_view(&args.view).ok_or_else(|| {
        let known: Vec<_> = manifest.feature_views.iter().map(|view| view.name.as_str()).collect();
        format!(
            "the model {} has no feature view {:?}; it has {}",
            manifest.name,
            args.view,
            known.join(", ")
        )
    })?;
    if view.layout == Layout::Feast {
        return Err(format!(
            "{} has the layout feast: let Feast materialise it into {}",
            view.name,
            view.table.as_deref().unwrap_or("its table")
        )
        .into());
    }
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let event_time_ms = match args.event_time.as_deref() {
        None => None,
        Some("now") => Some(now_ms),
        Some(text) => Some(parse_time(text).ok_or_else(|| format!("--event-time {text:?} is not RFC 3339 or `now`"))?),
    };
    let times = RowTimes {
        event_time_ms,
        expires_at_seconds: args.ttl_seconds.map(|seconds| now_ms / 1000 + i64::from(seconds)),
    };
    let text = String::from_utf8(read_file(&args.file)?)?;
    let rows = parse_rows(view, &text, times)
        .map_err(|problems| format!("{}: nothing was written\n{}", args.file.display(), list(&problems)))?;
    AwsClients::from_env()
        .await
        .online_store(&args.table)
        .write(view, &rows)
        .await?;
    Ok(format!("{}: {} rows written to {}", view.name, rows.len(), args.table))
}

/// When the rows of a file were true, unless they say so themselves, and how long they are kept.
#[derive(Clone, Copy)]
struct RowTimes {
    event_time_ms: Option<i64>,
    expires_at_seconds: Option<i64>,
}

fn parse_rows(view: &FeatureView, text: &str, times: RowTimes) -> Result<Vec<RowWrite>, Vec<String>> {
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    let mut lines_by_entity: HashMap<EntityKey, usize> = HashMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = index + 1;
        match parse_row(view, line, times) {
            Err(problem) => problems.push(format!("line {number}: {problem}")),
            Ok(row) => match lines_by_entity.insert(row.entity.clone(), number) {
                Some(earlier) => problems.push(format!("line {number}: has the same join keys as line {earlier}")),
                None => rows.push(row),
            },
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

fn parse_row(view: &FeatureView, line: &str, times: RowTimes) -> Result<RowWrite, String> {
    let fields: Map<String, Json> =
        serde_json::from_str(line).map_err(|error| format!("is not a JSON object: {error}"))?;
    let is_known = |name: &str| {
        name == EVENT_TIME
            || view.join_keys.iter().any(|key| key.name == name)
            || view.features.iter().any(|feature| feature.name == name)
    };
    if let Some(unknown) = fields.keys().find(|name| !is_known(name)) {
        return Err(format!(
            "{unknown} is neither a join key nor a feature of {}",
            view.name
        ));
    }
    let key = view.join_keys.iter().map(|key| {
        let value = fields
            .get(&key.name)
            .and_then(|json| KeyValue::from_json(json, key.key_type));
        value.ok_or_else(|| format!("{}: expected {}", key.name, key.key_type.expectation()))
    });
    let values = view.features.iter().map(|feature| match fields.get(&feature.name) {
        None => Ok(Stored::Absent),
        Some(Json::Null) => Ok(Stored::Null),
        Some(json) => FeatureValue::from_json(json, feature.value_type)
            .map(Stored::Value)
            .ok_or_else(|| format!("{}: expected {}", feature.name, feature.value_type.expectation())),
    });
    let event_time_ms = match fields.get(EVENT_TIME) {
        None => times
            .event_time_ms
            .ok_or("event_time: is missing; give it in the row or by --event-time")?,
        Some(json) => json
            .as_str()
            .and_then(parse_time)
            .ok_or("event_time: expected a time as in RFC 3339")?,
    };
    Ok(RowWrite {
        entity: EntityKey(key.collect::<Result<_, _>>()?),
        row: FeatureRow {
            event_time_ms,
            expires_at_seconds: times.expires_at_seconds,
            values: values.collect::<Result<_, String>>()?,
        },
    })
}

fn parse_time(text: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

fn list(problems: &[String]) -> String {
    let mut text = problems[..problems.len().min(PROBLEMS_SHOWN)].join("\n");
    if problems.len() > PROBLEMS_SHOWN {
        text += &format!("\n… and {} more", problems.len() - PROBLEMS_SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sardonyx_core::testing::models;

    const NOW: RowTimes = RowTimes {
        event_time_ms: Some(5),
        expires_at_seconds: None,
    };

    fn user_rows(text: &str, times: RowTimes) -> Result<Vec<RowWrite>, Vec<String>> {
        parse_rows(&models::manifest().feature_views[1], text, times)
    }

    #[test]
    fn absent_null_and_not_a_number_are_kept_apart() {
        let text = "{\"user_id\":1}\n\n{\"user_id\":2,\"user_age\":null,\"user_score\":\"NaN\"}\n";
        let rows = user_rows(text, NOW).expect("is valid");
        assert_eq!(rows[0].row.values, [Stored::Absent, Stored::Absent]);
        assert_eq!(rows[1].row.values[0], Stored::Null);
        assert!(matches!(rows[1].row.values[1], Stored::Value(FeatureValue::Float64(value)) if value.is_nan()));
    }

    #[test]
    fn a_row_may_say_its_own_time() {
        let line = r#"{"user_id":1,"event_time":"2026-01-02T03:04:05Z"}"#;
        assert_eq!(
            user_rows(line, NOW).expect("is valid")[0].row.event_time_ms,
            1_767_323_045_000
        );
        let untimed = RowTimes {
            event_time_ms: None,
            expires_at_seconds: None,
        };
        let problems = user_rows(r#"{"user_id":1}"#, untimed).expect_err("has no time");
        assert!(problems[0].starts_with("line 1: event_time"), "{problems:?}");
    }

    #[test]
    fn every_bad_row_is_named() {
        let text = [
            r#"{"user_id":"1"}"#,
            r#"{"user_id":1,"user_age":"old"}"#,
            r#"{"user_id":1,"user_aeg":1}"#,
            r#"{"user_id":3}"#,
            r#"{"user_id":3}"#,
            "nonsense",
        ];
        let problems = user_rows(&text.join("\n"), NOW).expect_err("is invalid");
        let starts: Vec<_> = problems.iter().map(|problem| &problem[..7]).collect();
        assert_eq!(starts, ["line 1:", "line 2:", "line 3:", "line 5:", "line 6:"]);
        assert!(problems[1].contains("user_age: expected an integer"));
        assert!(problems[3].contains("line 4"));
    }
}
