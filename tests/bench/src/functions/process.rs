//! The process of a function, started as Lambda starts it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::Deserialize;

use super::runtime_api::{Answered, RuntimeApi};
use crate::BenchError;
use crate::cores::start_on_this_core;

/// A deployment package, and how it is started.
#[derive(Clone, Deserialize)]
pub(super) struct Package {
    /// As in `sardonyx`.
    pub(super) name: String,
    /// The one function that it is. None where it is all of them.
    pub(super) function: Option<String>,
    /// What it is made of.
    pub(super) version: Option<String>,
    command: Vec<String>,
    directory: PathBuf,
    environment: BTreeMap<String, String>,
    /// Of the package as it is deployed.
    pub(super) zip_bytes: u64,
    /// Whether it answers queue messages, too.
    pub(super) takes_messages: bool,
    /// Whether one process answers several requests at the same time.
    pub(super) takes_several: bool,
    /// Whether it serves models at all.
    pub(super) serves_models: bool,
}

impl Package {
    /// The same with another setting, under a name of its own.
    pub(super) fn with(&self, name: &str, (variable, value): (&str, &str)) -> Self {
        let mut package = self.clone();
        name.clone_into(&mut package.name);
        package.environment.insert(variable.to_owned(), value.to_owned());
        package
    }

    /// The same, run by another program.
    pub(super) fn under(&self, program: &[&str]) -> Self {
        let mut package = self.clone();
        package
            .command
            .splice(0..0, program.iter().map(|word| (*word).to_owned()));
        package
    }
}

/// A running function. It ends with this value.
pub(super) struct Function {
    process: Child,
    api: RuntimeApi,
    started: Instant,
    log: PathBuf,
}

/// What a function has taken of the machine so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Of all of its threads, in microseconds.
    pub(super) cpu: f64,
    /// At the most, in MiB.
    pub(super) peak_rss: f64,
}

impl Function {
    /// Starts a function, which finds the events as soon as it asks.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(
        package: &Package,
        function: &str,
        environment: &[(String, String)],
        log: &Path,
        events: &[Arc<[u8]>],
    ) -> Result<Self, BenchError> {
        let api = RuntimeApi::start()?;
        api.give(events, 1);
        let [program, arguments @ ..] = package.command.as_slice() else {
            return Err(format!("{} has no command", package.name).into());
        };
        fs::create_dir_all(log)?;
        let log = log.join(format!("{}-{function}.log", package.name));
        let output = File::create(&log)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&package.directory)
            .env_clear()
            .envs(environment.iter().cloned())
            .envs(&package.environment)
            .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
            .env("LAMBDA_TASK_ROOT", &package.directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let started = Instant::now();
        let process = start_on_this_core(|| command.spawn())
            .map_err(|error| format!("{} does not start: {error}", package.name))?;
        Ok(Self {
            process,
            api,
            started,
            log,
        })
    }

    /// What it answered, and when, to what it was given.
    ///
    /// # Errors
    /// When it reports an error, ends, or takes too long.
    pub(super) fn answers(&mut self) -> Result<Vec<Answered>, BenchError> {
        let process = &mut self.process;
        self.api.answers(|| match process.try_wait() {
            Ok(Some(status)) => Some(format!("the function ended: {status}")),
            _ => None,
        })
    }

    /// Has it answer the events, at most so many at the same time.
    ///
    /// # Errors
    /// As [`Self::answers`].
    pub(super) fn answer(&mut self, events: &[Arc<[u8]>], at_once: usize) -> Result<Vec<Answered>, BenchError> {
        self.api.give(events, at_once);
        self.answers()
    }

    /// Ends it as Lambda does, so that what watches it has its say; the file of all that was said.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub(super) fn terminate(mut self) -> Result<PathBuf, BenchError> {
        rustix::process::kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        self.process.wait()?;
        Ok(std::mem::take(&mut self.log))
    }

    /// From its start to its first call for an event.
    pub(super) fn ready(&self) -> Option<Duration> {
        Some(self.api.ready_at()? - self.started)
    }

    /// From its start to that answer.
    pub(super) fn since_start(&self, answered: &Answered) -> Duration {
        answered.at - self.started
    }

    /// # Errors
    /// When the process has ended.
    pub(super) fn usage(&self) -> Result<Usage, BenchError> {
        let of_process = PathBuf::from(format!("/proc/{}", self.process.id()));
        let mut nanoseconds = 0;
        for task in fs::read_dir(of_process.join("task"))? {
            let times = fs::read_to_string(task?.path().join("schedstat"))?;
            let on_cpu = times.split(' ').next().unwrap_or_default();
            nanoseconds += on_cpu.parse::<u64>()?;
        }
        let status = fs::read_to_string(of_process.join("status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.split_ascii_whitespace().next());
        let peak: f64 = peak
            .ok_or("the system does not tell how much memory a process has had")?
            .parse()?;
        Ok(Usage {
            cpu: nanoseconds as f64 / 1e3,
            peak_rss: peak / 1024.0,
        })
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
