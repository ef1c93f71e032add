//! `feature_store.yaml`: where the registry is, and how the online store names its tables.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::CommandError;

/// The only serialisation of entity keys that Feast still writes.
const ENTITY_KEY_VERSION: u32 = 3;

/// What `feature_store.yaml` says, as far as the tables depend on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StoreConfig {
    pub(super) project: String,
    pub(super) registry: PathBuf,
    pub(super) table_name_template: Option<String>,
    /// Whether each version of a view has a table of its own.
    pub(super) has_versioned_tables: bool,
}

#[derive(Deserialize)]
struct File {
    project: String,
    registry: RegistryConfig,
    online_store: OnlineStoreConfig,
    #[serde(default = "default_entity_key_version")]
    entity_key_serialization_version: u32,
}

fn default_entity_key_version() -> u32 {
    ENTITY_KEY_VERSION
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RegistryConfig {
    Path(String),
    Options {
        #[serde(default)]
        registry_type: Option<String>,
        #[serde(default)]
        path: String,
        #[serde(default)]
        enable_online_feature_view_versioning: bool,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OnlineStoreConfig {
    Type(String),
    Options {
        #[serde(rename = "type")]
        store_type: String,
        #[serde(default)]
        table_name_template: Option<String>,
    },
}

impl StoreConfig {
    /// Reads the text of the file at `path`, beside which a relative registry is.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, CommandError> {
        let error = |problem: String| format!("{}: {problem}", path.display());
        let file: File = serde_saphyr::from_str(text).map_err(|cause| error(cause.to_string()))?;
        if file.entity_key_serialization_version != ENTITY_KEY_VERSION {
            return Err(error(format!(
                "entity_key_serialization_version is {}, and only {ENTITY_KEY_VERSION} can be read; set it, and materialise anew",
                file.entity_key_serialization_version
            ))
            .into());
        }
        let (store_type, table_name_template) = match file.online_store {
            OnlineStoreConfig::Type(store_type) => (store_type, None),
            OnlineStoreConfig::Options {
                store_type,
                table_name_template,
            } => (store_type, table_name_template),
        };
        if store_type != "dynamodb" {
            return Err(error(format!(
                "online_store.type is {store_type:?}, and only dynamodb can be read"
            ))
            .into());
        }
        let (registry, has_versioned_tables) = match file.registry {
            RegistryConfig::Path(path) => (path, false),
            RegistryConfig::Options {
                registry_type: Some(other),
                ..
            } if other != "file" => {
                return Err(error(format!(
                    "registry.registry_type is {other:?}; dump the registry to a file, and give that file with --project and --table-name-template"
                ))
                .into());
            }
            RegistryConfig::Options {
                path,
                enable_online_feature_view_versioning,
                ..
            } => (path, enable_online_feature_view_versioning),
        };
        let fields = [
            ("project", Some(&file.project)),
            ("registry", Some(&registry)),
            ("online_store.table_name_template", table_name_template.as_ref()),
        ];
        for (field, value) in fields {
            // Feast replaces what looks like a variable of the shell in the whole file.
            if value.is_some_and(|value| value.contains('$')) {
                return Err(error(format!(
                    "{field} holds an environment variable; write its value into a copy of the file, and give that"
                ))
                .into());
            }
        }
        if registry.contains("://") {
            return Err(error(format!(
                "the registry is {registry}; download it, and give that file with --project and --table-name-template"
            ))
            .into());
        }
        Ok(Self {
            project: file.project,
            registry: path.parent().unwrap_or(Path::new("")).join(registry),
            table_name_template,
            has_versioned_tables,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<StoreConfig, String> {
        StoreConfig::parse(Path::new("repo/feature_store.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_of_the_file_are_read() {
        let short = parse("project: shop\nprovider: aws\nregistry: data/registry.db\nonline_store: dynamodb\n");
        let expected = StoreConfig {
            project: "shop".into(),
            registry: "repo/data/registry.db".into(),
            table_name_template: None,
            has_versioned_tables: false,
        };
        assert_eq!(short, Ok(expected));
        let long = parse(
            "project: shop\nprovider: local\nregistry:\n  registry_type: file\n  path: /tmp/registry.db\n  \
             enable_online_feature_view_versioning: true\nonline_store:\n  type: dynamodb\n  region: eu-west-1\n  \
             table_name_template: 'x-{project}-{table_name}'\nentity_key_serialization_version: 3\n",
        );
        let expected = StoreConfig {
            project: "shop".into(),
            registry: "/tmp/registry.db".into(),
            table_name_template: Some("x-{project}-{table_name}".into()),
            has_versioned_tables: true,
        };
        assert_eq!(long, Ok(expected));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let with = |registry: &str, store: &str, rest: &str| {
            parse(&format!(
                "project: shop\nregistry: {registry}\nonline_store: {store}\n{rest}"
            ))
            .expect_err("is refused")
        };
        for (error, expected) in [
            (with("r.db", "redis", ""), "online_store.type is \"redis\""),
            (
                with("s3://bucket/r.db", "dynamodb", ""),
                "the registry is s3://bucket/r.db",
            ),
            (
                with("{registry_type: sql, path: 'x'}", "dynamodb", ""),
                "registry.registry_type is \"sql\"",
            ),
            (
                with("r.db", "dynamodb", "entity_key_serialization_version: 2"),
                "entity_key_serialization_version is 2",
            ),
            (
                with("'${REGISTRY}'", "dynamodb", ""),
                "registry holds an environment variable",
            ),
            (
                parse("project: [").expect_err("is no YAML"),
                "repo/feature_store.yaml: ",
            ),
        ] {
            assert!(error.contains(expected), "{error}");
        }
    }
}
