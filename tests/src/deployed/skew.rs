//! The skew check of every model: `sardonyx features check` on the deployed feature table.

use std::process::Command;

use crate::local_aws::LocalAws;
use crate::models::{manifest, models, repository};

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn what_is_served_is_what_every_model_was_trained_on() {
    let aws = LocalAws::connect().await;
    for model in &models() {
        let sample = repository(&format!("functions/{model}/samples/training_rows.parquet"));
        assert!(
            sample.is_file(),
            "functions/{model} has no samples/training_rows.parquet: let its train.py write it with write_training_rows \
             (README: Add your model)"
        );
        let output = Command::new(repository("target/release/sardonyx"))
            .args(["features", "check"])
            .arg(repository(&format!("functions/{model}/model")))
            .arg("--sample")
            .arg(sample)
            .args(["--table", aws.text("/feature_table")])
            .output()
            .expect("the command is built, since it has published the models");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{model}: {said}{errors}");
        let columns: usize = manifest(model).inputs.iter().map(|input| input.features.len()).sum();
        assert!(
            said.contains(&format!(" rows of {columns} features bit-equal")),
            "{said}"
        );
    }
}
