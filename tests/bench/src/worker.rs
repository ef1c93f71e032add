//! Processes that answer requests, one a line: a request is JSON, a reply the JSON of a `Result`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BenchError;

/// A process on the other end of a line. It ends with this value.
pub(crate) struct Worker {
    process: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Worker {
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn start(program: &mut Command) -> Result<Self, BenchError> {
        let mut process = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let requests = process.stdin.take().ok_or("no standard input")?;
        let replies = process.stdout.take().ok_or("no standard output")?;
        Ok(Self {
            process,
            requests,
            replies: BufReader::new(replies),
        })
    }

    /// # Errors
    /// What the process replies as its error, or that it is gone.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, request: &impl Serialize) -> Result<T, BenchError> {
        writeln!(self.requests, "{}", serde_json::to_string(request)?)?;
        let mut reply = String::new();
        if self.replies.read_line(&mut reply)? == 0 {
            return Err(format!("the process ended: {}", self.process.wait()?).into());
        }
        Ok(serde_json::from_str::<Result<T, String>>(&reply)??)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends what a worker of this program replies.
///
/// # Errors
/// When the other end is gone.
pub(crate) fn reply<T: Serialize>(result: Result<T, BenchError>) -> Result<(), BenchError> {
    let mut stdout = std::io::stdout().lock();
    writeln!(
        stdout,
        "{}",
        serde_json::to_string(&result.map_err(|error| error.to_string()))?
    )?;
    Ok(stdout.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_an_error_and_an_end_are_three_things() {
        let script = r#"read line; echo "{\"Ok\":$line}"; read line; echo '{"Err":"no such batch"}'; exit 3"#;
        let mut worker = Worker::start(Command::new("sh").args(["-c", script])).expect("there is a shell");
        assert_eq!(worker.ask::<u32>(&7).expect("is echoed"), 7);
        let mut problem = || worker.ask::<u32>(&7).expect_err("is no answer").to_string();
        assert_eq!(problem(), "no such batch");
        let problem = problem();
        assert!(
            problem.contains("ended") || problem.contains("Broken pipe"),
            "{problem}"
        );
    }
}
