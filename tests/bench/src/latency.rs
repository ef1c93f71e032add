//! How long a call takes.

use std::io::Write;
use std::time::{Duration, Instant};

use sardonyx_core::tensor::Tensor;

use crate::case::{Case, Suite};
use crate::report::Row;
use crate::subject::{self, Named};
use crate::{Args, BenchError};

/// How long a subject's turn is at least, and how many calls it has at least.
const TURN: Duration = Duration::from_millis(40);
const CALLS: usize = 3;

/// How many rows are compared before they are timed, unless a batch has more.
const COMPARED_ROWS: usize = 512;

/// Times the calls of every subject on each batch size of a case.
///
/// In each round every subject has its turn, and each turn begins with another subject, so that what else the machine does meets all of them.
/// A turn's result is the median of its calls, each on other rows.
///
/// # Errors
/// When a subject fails, or answers otherwise than the baseline.
pub(crate) fn measure(suite: &Suite, case: &Case, args: &Args) -> Result<Vec<Row>, BenchError> {
    let inputs = suite.rows(case)?;
    let mut subjects = subject::load(suite, case, &args.subject)?;
    let mut rows = vec![];
    for &size in case
        .batches
        .iter()
        .filter(|size| args.batch.is_none_or(|only| only == **size))
    {
        let name = format!("{}/batch-{size}", case.name);
        let mut batches = Batches::new(&inputs, size)?;
        agree(&mut subjects, &batches).map_err(|error| format!("{name}: {error}"))?;
        let mut medians = vec![vec![]; subjects.len()];
        for round in 0..args.rounds {
            for turn in 0..subjects.len() {
                let index = (round + turn) % subjects.len();
                medians[index].push(median_call(&mut subjects[index], &mut batches)?);
            }
        }
        let mut progress = std::io::stderr().lock();
        write!(progress, "{name}")?;
        for (subject, medians) in subjects.iter().zip(medians) {
            let row = Row::new(&name, &subject.name, "latency_p50", "us", medians);
            write!(progress, "  {} {:.1}", row.subject, row.median)?;
            rows.push(row);
        }
        writeln!(progress)?;
    }
    Ok(rows)
}

/// Batches of one size, round and round through the rows.
struct Batches<'a> {
    inputs: &'a [Tensor],
    size: usize,
    next: usize,
}

impl<'a> Batches<'a> {
    fn new(inputs: &'a [Tensor], size: usize) -> Result<Self, BenchError> {
        let rows = inputs.first().map_or(0, Tensor::rows);
        if size > rows {
            return Err(format!("a batch of {size} rows, of which there are {rows}").into());
        }
        Ok(Self { inputs, size, next: 0 })
    }

    fn count(&self) -> usize {
        self.inputs[0].rows() / self.size
    }

    fn get(&self, index: usize) -> Result<Vec<Tensor>, BenchError> {
        let start = index * self.size;
        subject::batch(self.inputs, start..start + self.size)
    }

    fn next(&mut self) -> Result<Vec<Tensor>, BenchError> {
        self.next = (self.next + 1) % self.count();
        self.get(self.next)
    }
}

fn agree(subjects: &mut [Named], batches: &Batches<'_>) -> Result<(), BenchError> {
    let compared = batches.count().min(COMPARED_ROWS.div_ceil(batches.size));
    for index in 0..compared {
        let mut expected = None;
        for Named { name, subject } in subjects.iter_mut() {
            subject.prepare(batches.get(index)?)?;
            subject.run().map_err(|error| format!("{name}: {error}"))?;
            let answer = subject.answer()?;
            match &expected {
                None => expected = Some(answer),
                Some(expected) => subject::compare(expected, &answer)
                    .map_err(|error| format!("{name} answers wrong from row {}: {error}", index * batches.size))?,
            }
        }
    }
    Ok(())
}

/// The median call of a turn, in microseconds.
fn median_call(subject: &mut Named, batches: &mut Batches<'_>) -> Result<f64, BenchError> {
    let mut calls = vec![];
    let turn = Instant::now();
    while calls.len() < CALLS || turn.elapsed() < TURN {
        subject.subject.prepare(batches.next()?)?;
        let call = Instant::now();
        subject.subject.run()?;
        calls.push(call.elapsed());
    }
    calls.sort_unstable();
    Ok(calls[calls.len() / 2].as_secs_f64() * 1e6)
}
