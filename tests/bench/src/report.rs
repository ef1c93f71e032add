//! Results as JSON and as a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

/// The results of a suite.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: BTreeMap<&'static str, String>,
    /// Of whatever takes part.
    pub(crate) versions: BTreeMap<String, String>,
    /// In the order in which they were measured. The first subject is the one that the others are compared with.
    pub(crate) rows: Vec<Row>,
}

/// A metric of one subject in one case.
#[derive(Clone, Serialize)]
pub(crate) struct Row {
    case: String,
    subject: String,
    metric: &'static str,
    unit: &'static str,
    median: f64,
    min: f64,
    max: f64,
    rounds: usize,
}

impl Row {
    /// Sums up the rounds; there is at least one.
    pub(crate) fn new(
        case: &str,
        subject: &str,
        metric: &'static str,
        unit: &'static str,
        mut rounds: Vec<f64>,
    ) -> Self {
        rounds.sort_unstable_by(f64::total_cmp);
        let middle = rounds.len() / 2;
        let median = if rounds.len() % 2 == 1 {
            rounds[middle]
        } else {
            (rounds[middle - 1] + rounds[middle]) / 2.0
        };
        Self {
            case: case.into(),
            subject: subject.into(),
            metric,
            unit,
            median,
            min: rounds[0],
            max: rounds[rounds.len() - 1],
            rounds: rounds.len(),
        }
    }

    /// Whether there is something in every round.
    pub(crate) fn is_measured(&self) -> bool {
        // A NaN comes last in order.
        !self.max.is_nan()
    }

    /// Whether more is better.
    fn is_rate(&self) -> bool {
        self.unit.ends_with("/s")
    }

    /// Subject and median, for a line of progress.
    pub(crate) fn brief(&self) -> String {
        format!("{} {} {}", self.subject, number(self.median), self.unit)
    }
}

impl Report {
    /// A report without rows.
    pub(crate) fn new(machine: BTreeMap<&'static str, String>, versions: BTreeMap<String, String>) -> Self {
        Self {
            machine,
            versions,
            rows: vec![],
        }
    }

    /// A table with a line for each case and metric and a column for each subject: the median, and how many times less than the baseline's it is,
    /// or, of a rate, how many times more.
    pub(crate) fn markdown(&self) -> String {
        let mut subjects: Vec<&str> = vec![];
        let mut lines: Vec<(String, Vec<&Row>)> = vec![];
        for row in &self.rows {
            if !subjects.contains(&row.subject.as_str()) {
                subjects.push(&row.subject);
            }
            let title = format!("{} | {} ({})", row.case, row.metric, row.unit);
            match lines.iter_mut().find(|(other, _)| *other == title) {
                Some((_, rows)) => rows.push(row),
                None => lines.push((title, vec![row])),
            }
        }
        let mut table = format!("| case | metric | {} |\n|---|---|", subjects.join(" | "));
        table.push_str(&"---:|".repeat(subjects.len()));
        table.push('\n');
        let baseline_subject = subjects.first().copied().unwrap_or_default();
        for (title, rows) in lines {
            let baseline = rows.iter().find(|row| row.subject == baseline_subject);
            let _ = write!(table, "| {title} |");
            for subject in &subjects {
                let row = rows.iter().find(|row| row.subject == **subject);
                let _ = write!(
                    table,
                    " {} |",
                    row.map_or(String::new(), |row| cell(row, baseline.copied()))
                );
            }
            table.push('\n');
        }
        let details = self.machine.iter().map(|(key, value)| format!("{key} {value}"));
        let versions = self.versions.iter().map(|(name, version)| format!("{name} {version}"));
        let details = details.chain(versions).collect::<Vec<_>>().join(", ");
        let rates = if self.rows.iter().any(Row::is_rate) {
            ", or of a rate how many times more"
        } else {
            ""
        };
        format!(
            "{table}\nMedians of the rounds; in brackets how many times less than {baseline_subject}{rates}. {details}.\n"
        )
    }
}

fn cell(row: &Row, baseline: Option<&Row>) -> String {
    let median = number(row.median);
    match baseline {
        Some(baseline) if row.subject != baseline.subject => {
            let less = baseline.median / row.median;
            format!("{median} ({}x)", number(if row.is_rate() { 1.0 / less } else { less }))
        }
        _ => median,
    }
}

/// Three digits that count, as a person would write them.
fn number(value: f64) -> String {
    match value {
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASELINE: &str = "onnxruntime";

    fn row(subject: &str, rounds: &[f64]) -> Row {
        Row::new("xgb/batch-1", subject, "latency_p50", "us", rounds.to_vec())
    }

    #[test]
    fn rounds_are_summed_up_by_their_median() {
        let odd = row("sardonyx", &[3.0, 1.0, 50.0]);
        assert_eq!((odd.median, odd.min, odd.max, odd.rounds), (3.0, 1.0, 50.0, 3));
        assert_eq!(row("sardonyx", &[4.0, 1.0]).median, 2.5);
    }

    #[test]
    fn the_table_has_ratios_to_the_baseline() {
        let mut report = Report::new(BTreeMap::new(), BTreeMap::new());
        report.rows = vec![row(BASELINE, &[12.0]), row("sardonyx", &[0.5])];
        report
            .rows
            .push(Row::new("net/batch-1", BASELINE, "latency_p50", "us", vec![150.0]));
        let table = report.markdown();
        assert!(
            table.contains("| case | metric | onnxruntime | sardonyx |\n|---|---|---:|---:|\n"),
            "{table}"
        );
        assert!(
            table.contains("| xgb/batch-1 | latency_p50 (us) | 12.0 | 0.50 (24.0x) |\n"),
            "{table}"
        );
        assert!(
            table.contains("| net/batch-1 | latency_p50 (us) | 150 |  |\n"),
            "{table}"
        );
        assert!(table.contains("less than onnxruntime. "), "{table}");
    }

    #[test]
    fn more_of_a_rate_is_better() {
        let mut report = Report::new(BTreeMap::new(), BTreeMap::new());
        report.rows = [("feast", 2000.0), ("sardonyx", 80_000.0)]
            .map(|(subject, rate)| Row::new("rows/batch-1", subject, "read_rate", "features/s", vec![rate]))
            .to_vec();
        let table = report.markdown();
        assert!(table.contains("| 2000 | 80000 (40.0x) |\n"), "{table}");
        assert!(
            table.contains("less than feast, or of a rate how many times more. "),
            "{table}"
        );
    }

    #[test]
    fn the_json_has_the_fields_that_readers_know() {
        let mut report = Report::new(BTreeMap::from([("cpu", "x".into())]), BTreeMap::new());
        report.rows = vec![row("sardonyx", &[0.5])];
        assert_eq!(
            serde_json::to_value(&report).expect("serialises"),
            serde_json::json!({"machine": {"cpu": "x"}, "versions": {}, "rows": [{
                "case": "xgb/batch-1", "subject": "sardonyx", "metric": "latency_p50", "unit": "us",
                "median": 0.5, "min": 0.5, "max": 0.5, "rounds": 1,
            }]})
        );
    }
}
