//! A DynamoDB on the loopback interface of this machine, on other cores than the subjects.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_dynamodb::{Client, Config};
use dynoxide::Database;
use tokio::runtime::{Builder, Runtime};

use crate::BenchError;
use crate::cores::leave_this_core;

const REGION: &str = "eu-west-1";
/// The server takes any.
const ACCESS_KEY: &str = "local";

/// A server that lives as long as this process.
pub(crate) struct DynamoDb {
    endpoint: String,
    /// What it serves.
    pub(crate) database: Database,
}

impl DynamoDb {
    /// Starts a server with no tables.
    ///
    /// # Errors
    /// When the system has no port or no thread for it.
    pub(crate) fn start() -> Result<Self, BenchError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let database = Database::memory().map_err(|error| error.to_string())?;
        let runtime = runtime()?;
        let served = database.clone();
        thread::Builder::new().name("dynamodb".into()).spawn(move || {
            leave_this_core();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is set up for it");
                dynoxide::server::serve_on(listener, served).await;
            });
        })?;
        Ok(Self { endpoint, database })
    }

    /// What makes the AWS SDKs of other languages use this server.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", ACCESS_KEY),
        ]
    }

    /// A client with a connection of its own.
    pub(crate) fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::from_static(REGION))
            .credentials_provider(Credentials::new(ACCESS_KEY, ACCESS_KEY, None, None, "bench"))
            .endpoint_url(&self.endpoint);
        Client::from_conf(config.build())
    }
}

/// The server's version.
pub(crate) fn versions() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("dynoxide".to_owned(), dynoxide::PRODUCT_VERSION.to_owned()),
        ("sardonyx".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ])
}

/// Everything on the thread that waits, as in a function.
///
/// # Errors
/// When the system has not what it takes.
pub(crate) fn runtime() -> Result<Runtime, BenchError> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Makes a table with these attributes, texts, for its partition key and, where there are two, its sort key.
///
/// # Errors
/// When DynamoDB does not take it.
pub(crate) async fn create_table(client: &Client, table: &str, keys: &[&str]) -> Result<(), BenchError> {
    let mut call = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest);
    for (key, key_type) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
        let schema = KeySchemaElement::builder().attribute_name(*key).key_type(key_type);
        let attribute = AttributeDefinition::builder()
            .attribute_name(*key)
            .attribute_type(ScalarAttributeType::S);
        call = call
            .key_schema(schema.build()?)
            .attribute_definitions(attribute.build()?);
    }
    call.send().await?;
    Ok(())
}
