//! Who takes part: libraries in this process, and Sardonyx in others where the environment decides on what is measured.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sardonyx_core::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::case::{Case, Suite};
use crate::subject::{self, BASELINE, OURS, Subject};
use crate::worker::{Worker, reply};
use crate::{Args, BenchError};

/// A turn has so many calls at least and goes on for so long, or until a call ends after the longest turn.
const CALLS: usize = 3;
const TURN: Duration = Duration::from_millis(40);
const LONGEST_TURN: Duration = Duration::from_secs(1);

/// A subject with the rows that it runs on.
pub(crate) trait Contender {
    /// What the subject answers on the batch of this size and index.
    fn answer(&mut self, size: usize, index: usize) -> Result<Answer, BenchError>;

    /// The median call of a turn on batches of this size, in microseconds. Each call has other rows, round and round through all.
    fn turn(&mut self, size: usize) -> Result<f64, BenchError>;
}

/// A contender and the name of its subject.
pub(crate) type Named = (String, Box<dyn Contender>);

/// Loads the case's model into every library that can run it, and names them. The first one is the baseline.
///
/// # Errors
/// When a library cannot load the model.
pub(crate) fn load(suite: &Suite, case: &Case, args: &Args) -> Result<Vec<Named>, BenchError> {
    let inputs = Rc::new(suite.rows(case)?);
    let mut contenders: Vec<Named> = vec![];
    let local = |name: &str| -> Result<Named, BenchError> {
        let subject = subject::load(suite, case, name)?;
        Ok((name.to_owned(), Box::new(Local::new(subject, Rc::clone(&inputs)))))
    };
    contenders.push(local(BASELINE)?);
    if OURS.contains(&args.subject) {
        contenders.push(local(OURS)?);
    }
    for (name, environment) in &case.variants {
        let name = format!("{OURS}-{name}");
        if name.contains(&args.subject) {
            contenders.push((name, Box::new(Remote::start(&suite.name, case, environment, args)?)));
        }
    }
    for name in case.native.keys().filter(|name| name.contains(&args.subject)) {
        contenders.push(local(name)?);
    }
    Ok(contenders)
}

/// A subject in this process.
struct Local {
    subject: Box<dyn Subject>,
    inputs: Rc<Vec<Tensor>>,
    next: usize,
}

impl Local {
    fn new(subject: Box<dyn Subject>, inputs: Rc<Vec<Tensor>>) -> Self {
        Self {
            subject,
            inputs,
            next: 0,
        }
    }

    fn prepare(&mut self, size: usize, index: usize) -> Result<(), BenchError> {
        let batches = self.inputs.first().map_or(0, Tensor::rows) / size;
        if batches == 0 {
            return Err(format!("there are fewer than {size} rows").into());
        }
        let start = index % batches * size;
        let batch = self
            .inputs
            .iter()
            .map(|input| subject::slice(input, start..start + size));
        self.subject.prepare(batch.collect::<Result<_, _>>()?)
    }
}

impl Contender for Local {
    fn answer(&mut self, size: usize, index: usize) -> Result<Answer, BenchError> {
        self.prepare(size, index)?;
        self.subject.run()?;
        self.subject.answer()
    }

    fn turn(&mut self, size: usize) -> Result<f64, BenchError> {
        let mut calls = vec![];
        let turn = Instant::now();
        while !is_over(calls.len(), turn.elapsed()) {
            self.next = self.next.wrapping_add(1);
            self.prepare(size, self.next)?;
            let call = Instant::now();
            self.subject.run()?;
            calls.push(call.elapsed());
        }
        calls.sort_unstable();
        Ok(calls[calls.len() / 2].as_secs_f64() * 1e6)
    }
}

/// Whether a turn is over.
pub(crate) fn is_over(calls: usize, elapsed: Duration) -> bool {
    calls >= CALLS && elapsed >= TURN || calls > 0 && elapsed >= LONGEST_TURN
}

/// Sardonyx in a process of its own.
struct Remote(Worker);

#[derive(Serialize, Deserialize)]
enum Request {
    Answer { size: usize, index: usize },
    Turn { size: usize },
}

impl Remote {
    fn start(
        suite: &str,
        case: &Case,
        environment: &BTreeMap<String, String>,
        args: &Args,
    ) -> Result<Self, BenchError> {
        let mut program = Command::new(std::env::current_exe()?);
        program
            .args([suite, "--serve", "--case", &case.name])
            .arg("--models")
            .arg(&args.models)
            .arg("--output")
            .arg(&args.output)
            .envs(environment);
        Ok(Self(Worker::start(&mut program)?))
    }
}

impl Contender for Remote {
    fn answer(&mut self, size: usize, index: usize) -> Result<Answer, BenchError> {
        self.0.ask(&Request::Answer { size, index })
    }

    fn turn(&mut self, size: usize) -> Result<f64, BenchError> {
        self.0.ask(&Request::Turn { size })
    }
}

/// Answers the requests of another process of this program with our own subject, until it closes the line.
///
/// # Errors
/// When the model cannot be loaded, or the other process has gone.
pub(crate) fn serve(suite: &Suite, case: &Case) -> Result<(), BenchError> {
    let subject = subject::load(suite, case, OURS)?;
    let mut local = Local::new(subject, Rc::new(suite.rows(case)?));
    for line in std::io::stdin().lock().lines() {
        match serde_json::from_str(&line?)? {
            Request::Answer { size, index } => reply(local.answer(size, index))?,
            Request::Turn { size } => reply(local.turn(size))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use sardonyx_core::tensor::TensorData;

    use super::*;

    /// Answers with its rows, and notes what it was called with.
    struct Echo {
        rows: Vec<Tensor>,
        calls: Rc<RefCell<Vec<TensorData>>>,
    }

    impl Subject for Echo {
        fn prepare(&mut self, inputs: Vec<Tensor>) -> Result<(), BenchError> {
            self.rows = inputs;
            Ok(())
        }

        fn run(&mut self) -> Result<(), BenchError> {
            self.calls.borrow_mut().push(self.rows[0].data().clone());
            Ok(())
        }

        fn answer(&self) -> Result<Answer, BenchError> {
            Answer::from_tensors(&self.rows)
        }
    }

    #[test]
    fn calls_go_round_the_batches() {
        let rows = Tensor::new(vec![5], TensorData::Int64(vec![0, 1, 2, 3, 4])).expect("fits");
        let calls = Rc::default();
        let subject = Echo {
            rows: vec![],
            calls: Rc::clone(&calls),
        };
        let mut local = Local::new(Box::new(subject), Rc::new(vec![rows]));
        for index in 0..3 {
            local.answer(2, index).expect("answers");
        }
        let batch = |rows: [i64; 2]| TensorData::Int64(rows.to_vec());
        assert_eq!(*calls.borrow(), [batch([0, 1]), batch([2, 3]), batch([0, 1])]);
        assert!(local.answer(6, 0).is_err(), "there are five rows");

        calls.borrow_mut().clear();
        local.turn(2).expect("runs");
        let calls = calls.borrow();
        assert!(calls.len() >= CALLS);
        assert!(calls.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_turn_ends_after_some_calls_and_some_time() {
        assert!(!is_over(0, Duration::from_secs(2)));
        assert!(!is_over(2, TURN));
        assert!(!is_over(1000, TURN / 2));
        assert!(is_over(3, TURN));
        assert!(is_over(1, LONGEST_TURN));
    }
}
