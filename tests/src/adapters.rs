//! The conformance suites of the ports on the AWS adapters; the in-memory implementations pass the same ones.

use std::time::Duration;

use sardonyx_aws::{
    DynamoDbFeatureWriter, DynamoDbOnlineStore, DynamoDbResultStore, S3CatalogueStore, S3FileStore, S3ModelStore,
};
use sardonyx_core::manifest::Layout;
use sardonyx_core::testing::conformance;

use crate::local_aws::LocalAws;

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn s3_model_store_conforms() {
    let aws = LocalAws::connect().await;
    conformance::model_store(&S3ModelStore::new(aws.s3(), aws.text("/artifact_bucket"))).await;
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn s3_catalogue_store_conforms() {
    let aws = LocalAws::connect().await;
    conformance::catalogue_store(&S3CatalogueStore::new(aws.s3(), aws.text("/artifact_bucket"))).await;
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn s3_file_store_conforms() {
    let aws = LocalAws::connect().await;
    conformance::file_store(&S3FileStore::new(aws.s3()), aws.text("/feature_files/bucket")).await;
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn dynamodb_online_store_and_feature_writer_conform() {
    let aws = LocalAws::connect().await;
    let table = aws.text("/feature_table");
    let store = DynamoDbOnlineStore::new(aws.dynamodb(), table).with_snapshot_max_age(Duration::ZERO);
    let writer = DynamoDbFeatureWriter::new(aws.dynamodb(), table);
    conformance::online_store(&store, &writer, Layout::Native).await;
    conformance::feature_writer(&store, &writer).await;
}

#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn dynamodb_result_store_conforms() {
    let aws = LocalAws::connect().await;
    conformance::result_store(&DynamoDbResultStore::new(aws.dynamodb(), aws.text("/result_table"))).await;
}
