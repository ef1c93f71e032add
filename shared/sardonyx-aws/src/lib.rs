//! The ports of `sardonyx-core` on S3, DynamoDB and SQS. The only crate that names the AWS SDK.

mod backoff;
mod batch_read;
mod body;
mod clients;
#[cfg(test)]
mod cost_tests;
mod direct;
mod dynamodb_feature_writer;
mod dynamodb_online_store;
mod dynamodb_result_store;
mod feast_layout;
mod http_client;
mod lazy_client;
mod native_layout;
mod row_layout;
mod s3_blocks;
mod s3_catalogue_store;
mod s3_file_store;
mod s3_model_store;
mod s3_objects;
mod snapshot_record;
#[cfg(test)]
mod snapshot_tests;
mod sqs_message_queue;
mod stored_item;
#[cfg(test)]
mod stub_dynamodb;
#[cfg(test)]
mod throttling_tests;

pub use clients::AwsClients;
pub use dynamodb_feature_writer::DynamoDbFeatureWriter;
pub use dynamodb_online_store::DynamoDbOnlineStore;
pub use dynamodb_result_store::DynamoDbResultStore;
pub use http_client::CaBundleError;
pub use lazy_client::LazyClient;
pub use native_layout::schema_fingerprint;
pub use row_layout::RowLayout;
pub use s3_catalogue_store::S3CatalogueStore;
pub use s3_file_store::S3FileStore;
pub use s3_model_store::S3ModelStore;
pub use sqs_message_queue::SqsMessageQueue;
pub use stored_item::StoredItem;
