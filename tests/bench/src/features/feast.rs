//! The real Feast, in a Python process of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::{Case, JOIN_KEY, Reader, Spent, Stage};
use crate::dynamodb::DynamoDb;
use crate::worker::Worker;
use crate::{Args, BenchError};

/// Reads with Feast's `get_online_features`.
pub(crate) struct Feast {
    worker: Worker,
    materialised: Materialised,
}

#[derive(Serialize)]
enum Request<'a> {
    Materialise {
        folder: &'a Path,
        view: &'a str,
        join_key: &'a str,
        features: &'a [String],
        rows: &'a Path,
    },
    Values {
        users: &'a [usize],
    },
    Call {
        stage: Stage,
        users: &'a [usize],
    },
}

#[derive(Deserialize)]
struct Materialised {
    table: String,
    versions: BTreeMap<String, String>,
}

impl Feast {
    /// Lets Feast make a view of the case and materialise its rows, a file of numbers.
    ///
    /// # Errors
    /// What Feast says when it cannot.
    pub(crate) fn start(args: &Args, dynamodb: &DynamoDb, case: &Case, rows: &Path) -> Result<Self, BenchError> {
        let [python, script] = args.feast.as_slice() else {
            return Err("this suite compares with Feast: name its Python and the script with --feast".into());
        };
        std::fs::create_dir_all(&args.output)?;
        let mut program = Command::new(python);
        program.arg(script).envs(dynamodb.environment());
        program.stderr(File::create(args.output.join("feast.log"))?);
        let mut worker = Worker::start(&mut program)?;
        let materialised = worker.ask(&Request::Materialise {
            folder: &args.output.join("feast").join(&case.view),
            view: &case.view,
            join_key: JOIN_KEY,
            features: &case.features,
            rows,
        })?;
        Ok(Self { worker, materialised })
    }

    /// The table of the view.
    pub(crate) fn table(&self) -> &str {
        &self.materialised.table
    }

    /// The versions of Feast and of what it stands on.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        self.materialised.versions.clone()
    }
}

impl Reader for Feast {
    fn values(&mut self, users: &[usize]) -> Result<Vec<Vec<f64>>, BenchError> {
        self.worker.ask(&Request::Values { users })
    }

    fn call(&mut self, stage: Stage, users: &[usize]) -> Result<Spent, BenchError> {
        self.worker.ask(&Request::Call { stage, users })
    }
}
