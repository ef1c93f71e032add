use chrono::{DateTime, NaiveDateTime};

/// How far an event time may be ahead of the loader's clock, whose owner is not the writer's.
const MOST_AHEAD_MS: i64 = 5 * 60 * 1000;

/// Reads a time as in [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339), such as `2026-01-02T03:04:05.678+01:00`, as milliseconds since the
/// Unix epoch; what is finer is cut off. A space may stand for the `T`, and a time without an offset is UTC. An offset may also be `+01` or
/// `+0100`, as DuckDB and Polars write it.
pub fn parse_event_time(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    let with_offset = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"];
    let with_offset = with_offset.iter().find_map(|form| {
        let time = DateTime::parse_from_str(text, form).ok()?;
        Some(time.timestamp_millis())
    });
    with_offset.or_else(|| {
        let without = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
        let time = without
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
        Some(time.and_utc().timestamp_millis())
    })
}

/// A time in RFC 3339, as far as one can be written in it.
pub fn format_event_time(milliseconds: i64) -> String {
    match DateTime::from_timestamp_millis(milliseconds) {
        Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        None => format!("{milliseconds} ms since 1970"),
    }
}

/// What is wrong with the event time of a row that is read at `now_ms`, in words.
pub(crate) fn problem_of_event_time(event_time_ms: i64, now_ms: i64) -> Option<String> {
    if event_time_ms < 0 {
        return Some("expected a time of 1970 or later".into());
    }
    (event_time_ms > now_ms.saturating_add(MOST_AHEAD_MS)).then(|| {
        format!(
            "expected a time that is not more than 5 minutes ahead of {}, the time of loading",
            format_event_time(now_ms)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_have_an_offset_a_fraction_or_neither() {
        for text in [
            "2026-01-02T03:04:05Z",
            "2026-01-02T04:04:05+01:00",
            "2026-01-02 03:04:05+00:00",
            "2026-01-02 03:04:05",
            "2026-01-02T03:04:05.000999999",
            "2026-01-01T20:34:05-06:30",
            "2026-01-02T03:04:05.000000+0000",
            "2026-01-02 04:04:05.000+01",
            "2026-01-01 20:34:05-0630",
        ] {
            assert_eq!(parse_event_time(text), Some(1_767_323_045_000), "{text}");
        }
        assert_eq!(parse_event_time("1969-12-31T23:59:59.9Z"), Some(-100));
        assert_eq!(format_event_time(1_767_323_045_678), "2026-01-02T03:04:05.678Z");
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-01-02",
            "1767323045000",
            "2026-02-30T00:00:00Z",
            "2026-01-02T03:04Z",
        ] {
            assert_eq!(parse_event_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_clock_may_be_five_minutes_behind() {
        assert_eq!(problem_of_event_time(300_000, 0), None);
        assert_eq!(problem_of_event_time(0, 0), None);
        assert!(problem_of_event_time(300_001, 0).is_some_and(|problem| problem.contains("1970-01-01T00:00:00.000Z")));
        assert!(problem_of_event_time(-1, 0).is_some());
        assert_eq!(problem_of_event_time(i64::MAX, i64::MAX), None);
    }
}
