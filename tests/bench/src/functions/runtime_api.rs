//! Lambda's Runtime API for one function: it hands out events, and notes when each was taken and answered.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::http::{Request, respond};
use crate::BenchError;
use crate::cores::leave_this_core;

/// How long a function may take for an event, or to start.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often is looked whether the function is still there.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// An event that was answered.
#[derive(Debug)]
pub(super) struct Answered {
    /// Its place among those that were given.
    pub(super) index: usize,
    /// From when the function was given it.
    pub(super) taken: Instant,
    /// To when its whole answer was there.
    pub(super) at: Instant,
    /// The answer.
    pub(super) body: Vec<u8>,
}

impl Answered {
    /// In microseconds.
    pub(super) fn latency(&self) -> f64 {
        (self.at - self.taken).as_secs_f64() * 1e6
    }
}

/// The API of one function. Its threads end when the function does.
pub(super) struct RuntimeApi {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready_at: Option<Instant>,
    /// The events that wait, with their places.
    waiting: VecDeque<(usize, Arc<[u8]>)>,
    /// How many events the function may have at the same time.
    at_once: usize,
    taken: HashMap<usize, Instant>,
    answered: Vec<Answered>,
    problem: Option<String>,
}

impl RuntimeApi {
    /// Listens for a function.
    ///
    /// # Errors
    /// When the system has no port or no thread for it.
    pub(super) fn start() -> Result<Self, BenchError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared: Arc<Shared> = Arc::default();
        let of_connections = Arc::clone(&shared);
        thread::Builder::new().name("runtime-api".into()).spawn(move || {
            leave_this_core();
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&of_connections);
                // A connection that breaks is one of a function that ends.
                thread::spawn(move || serve(&stream, &shared));
            }
        })?;
        Ok(Self { address, shared })
    }

    /// Lets the function have the events, at most so many at the same time, without waiting for answers.
    pub(super) fn give(&self, events: &[Arc<[u8]>], at_once: usize) {
        let mut state = self.shared.lock();
        state.at_once = at_once;
        state.answered.clear();
        state.waiting.extend(events.iter().cloned().enumerate());
        self.shared.changed.notify_all();
    }

    /// Waits for the answers to all events that were given, in the order in which they came. `ended` says how the function ended, if it has.
    ///
    /// # Errors
    /// When the function reports an error, ends, or takes too long.
    pub(super) fn answers(&self, mut ended: impl FnMut() -> Option<String>) -> Result<Vec<Answered>, BenchError> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        loop {
            if let Some(problem) = state.problem.take().or_else(&mut ended) {
                return Err(problem.into());
            }
            if state.waiting.is_empty() && state.taken.is_empty() {
                return Ok(std::mem::take(&mut state.answered));
            }
            if Instant::now() > deadline {
                return Err("the function does not answer".into());
            }
            state = self.shared.wait(state, LOOK_AGAIN);
        }
    }

    /// When the function first asked for an event.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        self.shared.lock().ready_at
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, at_most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn fail(&self, problem: String) {
        self.lock().problem.get_or_insert(problem);
        self.changed.notify_all();
    }

    /// The next event, as soon as there is one that the function may have.
    fn take(&self) -> (usize, Arc<[u8]>) {
        let mut state = self.lock();
        state.ready_at.get_or_insert_with(Instant::now);
        loop {
            if state.taken.len() < state.at_once
                && let Some(next) = state.waiting.pop_front()
            {
                state.taken.insert(next.0, Instant::now());
                return next;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn answered(&self, index: usize, body: Vec<u8>) {
        let at = Instant::now();
        let mut state = self.lock();
        let Some(taken) = state.taken.remove(&index) else {
            return;
        };
        state.answered.push(Answered { index, taken, at, body });
        if !state.waiting.is_empty() || state.taken.is_empty() {
            self.changed.notify_all();
        }
    }
}

/// The calls of one connection: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut requests, mut answers) = (BufReader::new(stream), stream);
    while let Some(request) = Request::read(&mut requests)? {
        let call = request.path.strip_prefix("/2018-06-01/runtime/").unwrap_or_default();
        let words: Vec<&str> = call.split('/').collect();
        match words.as_slice() {
            ["invocation", "next"] => {
                let (index, event) = shared.take();
                let headers = [
                    ("content-type", "application/json"),
                    ("lambda-runtime-aws-request-id", &request_id(index)),
                    ("lambda-runtime-deadline-ms", &deadline_ms()),
                    (
                        "lambda-runtime-invoked-function-arn",
                        "arn:aws:lambda:eu-west-1:123456789012:function:bench",
                    ),
                    (
                        "lambda-runtime-trace-id",
                        "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
                    ),
                ];
                respond(&mut answers, "200 OK", &headers, &event)?;
                continue;
            }
            ["invocation", id, "response"] => match index_of(id) {
                Some(index) => shared.answered(index, request.body),
                None => shared.fail(format!("the function answers {id}, which nobody asked")),
            },
            _ => {
                let said = String::from_utf8_lossy(&request.body).into_owned();
                shared.fail(format!("the function reports to {call}: {said}"));
            }
        }
        let accepted = [("content-type", "application/json")];
        respond(&mut answers, "202 Accepted", &accepted, br#"{"status":"OK"}"#)?;
    }
    Ok(())
}

/// In the form of Lambda's.
fn request_id(index: usize) -> String {
    format!("8476a536-e9f4-11e8-9739-{index:012x}")
}

fn index_of(request_id: &str) -> Option<usize> {
    usize::from_str_radix(request_id.rsplit('-').next()?, 16).ok()
}

fn deadline_ms() -> String {
    let at = SystemTime::now() + Duration::from_secs(30);
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Read, Write};

    use super::*;

    /// A call of a function; the request id and the body of the answer.
    fn call(stream: &mut BufReader<TcpStream>, method: &str, path: &str, body: &str) -> (String, String) {
        let head = format!(
            "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let request = head + body;
        stream.get_mut().write_all(request.as_bytes()).expect("is connected");
        let (mut id, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).expect("is an answer");
            match line.trim_end().split_once(": ") {
                Some(("lambda-runtime-aws-request-id", value)) => value.clone_into(&mut id),
                Some(("content-length", value)) => length = value.parse().expect("is a number"),
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).expect("is whole");
        (id, String::from_utf8(body).expect("is text"))
    }

    fn connect(api: &RuntimeApi) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(api.address).expect("listens"))
    }

    #[test]
    fn each_event_is_given_once_and_its_answer_comes_back() {
        let api = RuntimeApi::start().expect("starts");
        let events: Vec<Arc<[u8]>> = ["a", "b"].map(|event| Arc::from(event.as_bytes())).to_vec();
        api.give(&events, 1);
        let mut function = connect(&api);
        assert_eq!(api.ready_at(), None);
        for _ in &events {
            let (id, event) = call(&mut function, "GET", "invocation/next", "");
            call(
                &mut function,
                "POST",
                &format!("invocation/{id}/response"),
                &event.to_uppercase(),
            );
        }
        let answers = api.answers(|| None).expect("all are answered");
        let answers: Vec<_> = answers.iter().map(|answer| (answer.index, &answer.body[..])).collect();
        assert_eq!(answers, [(0, &b"A"[..]), (1, &b"B"[..])]);
        assert!(api.ready_at().is_some());
    }

    #[test]
    fn what_a_function_reports_or_how_it_ends_is_told() {
        let api = RuntimeApi::start().expect("starts");
        api.give(&[Arc::from(&b"{}"[..])], 1);
        call(&mut connect(&api), "POST", "init/error", "no model");
        let problem = api.answers(|| None).expect_err("it failed").to_string();
        assert!(
            problem.contains("init/error") && problem.contains("no model"),
            "{problem}"
        );
        let problem = api
            .answers(|| Some("it is gone".into()))
            .expect_err("it ended")
            .to_string();
        assert_eq!(problem, "it is gone");
    }
}
