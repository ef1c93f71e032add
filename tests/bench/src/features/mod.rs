//! Rows of features from DynamoDB: how long it takes to read them, and what of that is making values of an item.
//!
//! All subjects read the same values from one DynamoDB, in one run: Feast what it has materialised itself, Sardonyx the same items, and rows of
//! its own layout. They must agree, to the bit, before anything is timed.

mod feast;
mod online_store;

use std::io::Write;
use std::time::Instant;

use sardonyx_core::entity::KeyType;
use sardonyx_core::manifest::{FeatureView, JoinKey, Layout, StalePolicy, StoredFeature};
use sardonyx_core::tensor::TensorData;
use sardonyx_core::value::ValueType;
use serde::{Deserialize, Serialize};

use crate::case::{Rows, Suite};
use crate::contender::is_over;
use crate::dynamodb::{self, DynamoDb};
use crate::report::{Report, Row};
use crate::{Args, BenchError, machine, write};
use feast::Feast;
use online_store::Sardonyx;

/// The name of the suite.
pub(crate) const SUITE: &str = "features";

const JOIN_KEY: &str = "user_id";

/// A feature view and how many rows of it are read at once.
#[derive(Deserialize)]
struct Case {
    name: String,
    view: String,
    features: Vec<String>,
    /// A row for each user, whose id is its index: a float64 for each feature.
    rows: Rows,
    /// How many rows a call reads.
    batches: Vec<usize>,
}

impl Case {
    fn view(&self, layout: Layout, table: Option<String>) -> FeatureView {
        let features = self.features.iter().map(|name| StoredFeature {
            name: name.clone(),
            value_type: ValueType::Float64,
            length: None,
        });
        FeatureView {
            name: self.view.clone(),
            join_keys: vec![JoinKey {
                name: JOIN_KEY.into(),
                key_type: KeyType::Int64,
            }],
            layout,
            table,
            features: features.collect(),
            max_age_seconds: None,
            stale: StalePolicy::Reject,
        }
    }
}

/// What is timed.
#[derive(Clone, Copy, Serialize)]
enum Stage {
    /// From items as the client of DynamoDB gives them, which is not timed, to the values of the rows.
    Decode,
    /// The whole call, as an application makes it.
    Read,
}

/// What a call took.
#[derive(Deserialize)]
struct Spent {
    wall_microseconds: f64,
    /// Of the caller, and not of DynamoDB.
    cpu_microseconds: f64,
}

/// Who reads rows.
trait Reader {
    /// What the users' rows hold, in the order of the users and features.
    fn values(&mut self, users: &[usize]) -> Result<Vec<Vec<f64>>, BenchError>;

    /// Does it once.
    fn call(&mut self, stage: Stage, users: &[usize]) -> Result<Spent, BenchError>;
}

type Named = (&'static str, Box<dyn Reader>);

/// Runs the suite.
///
/// # Errors
/// When a subject fails, or reads other values than were written.
pub(crate) fn run(args: &Args) -> Result<Report, BenchError> {
    let suite = Suite::<Case>::read(&args.models, SUITE)?;
    let dynamodb = DynamoDb::start()?;
    let mut report = Report::new(machine::describe(), dynamodb::versions());
    for case in suite.cases.iter().filter(|case| case.name.contains(&args.case)) {
        let TensorData::Fp64(values) = suite.tensor(&case.rows, usize::MAX)?.into_data() else {
            return Err(format!("{}: the rows are not float64", case.name).into());
        };
        let rows: Vec<&[f64]> = values.chunks(case.features.len()).collect();
        let feast = Feast::start(args, &dynamodb, case, &suite.path(case.rows.file()))?;
        report.versions.extend(feast.versions());
        let same_items = Sardonyx::on_items_of_feast(&dynamodb, case, feast.table())?;
        let native = Sardonyx::on_native_rows(&dynamodb, case, &rows)?;
        let readers: [Named; 3] = [
            ("feast", Box::new(feast)),
            ("sardonyx-feast-layout", Box::new(same_items)),
            ("sardonyx-native", Box::new(native)),
        ];
        let takes_part = |(index, (name, _)): &(usize, Named)| *index == 0 || name.contains(&args.subject);
        let readers = readers.into_iter().enumerate().filter(takes_part);
        let mut readers: Vec<Named> = readers.map(|(_, reader)| reader).collect();
        agree(&mut readers, &rows).map_err(|error| format!("{}: {error}", case.name))?;
        for &size in &case.batches {
            if args.batch.is_none_or(|only| only == size) {
                report.rows.extend(measure(&mut readers, case, rows.len(), size, args)?);
                write(args, &report)?;
            }
        }
    }
    Ok(report)
}

fn agree(readers: &mut [Named], rows: &[&[f64]]) -> Result<(), BenchError> {
    const AT_ONCE: usize = 64;
    for (index, expected) in rows.chunks(AT_ONCE).enumerate() {
        let users: Vec<usize> = (index * AT_ONCE..).take(expected.len()).collect();
        for (name, reader) in readers.iter_mut() {
            let found = reader.values(&users).map_err(|error| format!("{name}: {error}"))?;
            if found != expected {
                return Err(format!("{name} reads other values than were written for the users {users:?}").into());
            }
        }
    }
    Ok(())
}

/// The calls of one subject in one stage, a round each: the median call, for a row, in microseconds.
#[derive(Default)]
struct Rounds {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

/// In each round every subject has its turn, and each round begins with another one.
fn measure(readers: &mut [Named], case: &Case, users: usize, size: usize, args: &Args) -> Result<Vec<Row>, BenchError> {
    let name = format!("{}/batch-{size}", case.name);
    let mut rows = vec![];
    for stage in [Stage::Decode, Stage::Read] {
        let mut rounds: Vec<Rounds> = readers.iter().map(|_| Rounds::default()).collect();
        for round in 0..args.rounds.get() {
            for turn in 0..readers.len() {
                let index = (round + turn) % readers.len();
                let (wall, cpu) = take_turn(readers[index].1.as_mut(), stage, users, size, round)?;
                rounds[index].wall.push(wall);
                rounds[index].cpu.push(cpu);
            }
        }
        let rate = |wall: &[f64]| {
            wall.iter()
                .map(|wall| case.features.len() as f64 / wall * 1e6)
                .collect()
        };
        let of_all = |metric, unit, values: &dyn Fn(&Rounds) -> Vec<f64>| {
            let of_one =
                |((subject, _), rounds): (&Named, &Rounds)| Row::new(&name, subject, metric, unit, values(rounds));
            readers.iter().zip(&rounds).map(of_one).collect::<Vec<_>>()
        };
        let measured = match stage {
            Stage::Decode => [
                of_all("decode_p50", "us/row", &|rounds| rounds.wall.clone()),
                of_all("decode_rate", "features/s", &|rounds| rate(&rounds.wall)),
            ]
            .concat(),
            Stage::Read => [
                of_all("read_p50", "us/row", &|rounds| rounds.wall.clone()),
                of_all("read_cpu_p50", "us/row", &|rounds| rounds.cpu.clone()),
                of_all("read_rate", "features/s", &|rounds| rate(&rounds.wall)),
            ]
            .concat(),
        };
        let progress: Vec<String> = measured[..readers.len()].iter().map(Row::brief).collect();
        writeln!(std::io::stderr().lock(), "{name}  {}", progress.join("  "))?;
        rows.extend(measured);
    }
    Ok(rows)
}

/// The median call of a turn, in microseconds of time and of the CPU, divided by its rows. Each call has other users, round and round
/// through all.
fn take_turn(
    reader: &mut dyn Reader,
    stage: Stage,
    users: usize,
    size: usize,
    round: usize,
) -> Result<(f64, f64), BenchError> {
    let (mut wall, mut cpu) = (vec![], vec![]);
    let turn = Instant::now();
    while !is_over(wall.len(), turn.elapsed()) {
        let first = (round + wall.len()) * size;
        let batch: Vec<usize> = (first..first + size).map(|user| user % users).collect();
        let spent = reader.call(stage, &batch)?;
        wall.push(spent.wall_microseconds / size as f64);
        cpu.push(spent.cpu_microseconds / size as f64);
    }
    Ok((median(wall), median(cpu)))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// Reads a value that is the user's id, or one more, and notes for whom.
    struct Echo {
        error: f64,
        calls: Rc<RefCell<Vec<Vec<usize>>>>,
    }

    impl Reader for Echo {
        fn values(&mut self, users: &[usize]) -> Result<Vec<Vec<f64>>, BenchError> {
            Ok(users.iter().map(|&user| vec![user as f64 + self.error]).collect())
        }

        fn call(&mut self, _: Stage, users: &[usize]) -> Result<Spent, BenchError> {
            self.calls.borrow_mut().push(users.to_vec());
            let wall_microseconds = 100.0;
            Ok(Spent {
                wall_microseconds,
                cpu_microseconds: 40.0,
            })
        }
    }

    #[test]
    fn calls_go_round_the_users_and_are_counted_by_the_row() {
        let calls = Rc::default();
        let mut reader = Echo {
            error: 0.0,
            calls: Rc::clone(&calls),
        };
        let (wall, cpu) = take_turn(&mut reader, Stage::Read, 3, 2, 0).expect("reads");
        assert_eq!((wall, cpu), (50.0, 20.0));
        assert_eq!(calls.borrow()[..3], [[0, 1], [2, 0], [1, 2]]);
    }

    #[test]
    fn who_reads_other_values_is_named() {
        let rows: Vec<[f64; 1]> = (0..70).map(|user| [f64::from(user)]).collect();
        let rows: Vec<&[f64]> = rows.iter().map(|row| row.as_slice()).collect();
        let reader = |error| {
            Box::new(Echo {
                error,
                calls: Rc::default(),
            })
        };
        assert!(agree(&mut [("right", reader(0.0))], &rows).is_ok());
        let problem = agree(&mut [("right", reader(0.0)), ("wrong", reader(1.0))], &rows);
        let problem = problem.expect_err("one is wrong").to_string();
        assert!(problem.starts_with("wrong reads other values"), "{problem}");
    }
}
