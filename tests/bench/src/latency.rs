//! How long a call takes.

use std::io::Write;

use crate::case::{Case, Suite};
use crate::contender::{self, Named};
use crate::report::Row;
use crate::{Args, BenchError};

/// Times the calls of every subject on each batch size of a case.
///
/// In each round every subject has its turn, and each round begins with another subject, so that what else the machine does meets all of them.
/// A turn's result is the median of its calls.
///
/// # Errors
/// When a subject fails, or answers otherwise than the baseline.
pub(crate) fn measure(suite: &Suite, case: &Case, args: &Args) -> Result<Vec<Row>, BenchError> {
    let mut contenders = contender::load(suite, case, args)?;
    let mut rows = vec![];
    for &size in case
        .batches
        .iter()
        .filter(|size| args.batch.is_none_or(|only| only == **size))
    {
        let name = format!("{}/batch-{size}", case.name);
        agree(&mut contenders, case, size).map_err(|error| format!("{name}: {error}"))?;
        let mut turns = vec![vec![]; contenders.len()];
        for round in 0..args.rounds.get() {
            for turn in 0..contenders.len() {
                let index = (round + turn) % contenders.len();
                turns[index].push(contenders[index].1.turn(size)?);
            }
        }
        let measured = contenders.iter().zip(turns);
        let measured: Vec<Row> = measured
            .map(|((subject, _), turns)| Row::new(&name, subject, "latency_p50", "us", turns))
            .collect();
        let progress: Vec<String> = measured.iter().map(Row::brief).collect();
        writeln!(std::io::stderr().lock(), "{name}  {}", progress.join("  "))?;
        rows.extend(measured);
    }
    Ok(rows)
}

fn agree(contenders: &mut [Named], case: &Case, size: usize) -> Result<(), BenchError> {
    for index in 0..case.compared_rows.div_ceil(size) {
        let mut expected = None;
        for (name, contender) in contenders.iter_mut() {
            let answer = contender
                .answer(size, index)
                .map_err(|error| format!("{name}: {error}"))?;
            match &expected {
                None => expected = Some(answer),
                Some(expected) => answer
                    .check(expected, case.tolerance)
                    .map_err(|error| format!("{name} answers wrong from row {}: {error}", index * size))?,
            }
        }
    }
    Ok(())
}
