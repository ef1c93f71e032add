//! Feast's registry to the manifest's feature views.

use std::str::FromStr;

use sardonyx_core::entity::KeyType;
use sardonyx_core::manifest::{FeatureView, JoinKey, Layout, StalePolicy, StoredFeature};
use sardonyx_core::value::ValueType;

use super::registry::{FeatureServiceSpec, FeatureView as FeastView, FeatureViewSpec, Field, Projection, Registry};

/// Feast's entity of views that have none.
const DUMMY_ENTITY: &str = "__dummy";
/// Feast's `table_name_template` where `feature_store.yaml` has none.
pub(super) const DEFAULT_TABLE_NAME_TEMPLATE: &str = "{project}.{table_name}";

/// Which views are wanted, and where their rows are.
pub(super) struct Wanted<'a> {
    pub(super) feature_service: &'a str,
    /// Needed where several projects of the registry have a feature service of that name.
    pub(super) project: Option<&'a str>,
    pub(super) table_name_template: &'a str,
    /// Whether each version of a view has a table of its own.
    pub(super) has_versioned_tables: bool,
    /// How many elements lists have that Feast keeps without a length.
    pub(super) lengths: &'a [ListLength],
}

/// How many elements a list has, as a person gives it: `VIEW.FEATURE=LENGTH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListLength {
    view: String,
    feature: String,
    length: u32,
}

impl ListLength {
    /// What is wrong where none of the views has the list.
    fn without_a_list(&self, views: &[FeatureView]) -> Option<String> {
        let mut features = views
            .iter()
            .filter(|view| view.name == self.view)
            .flat_map(|view| &view.features);
        let is_there = features.any(|feature| feature.name == self.feature && feature.length.is_some());
        (!is_there).then(|| {
            format!(
                "--length {}.{}: the feature service takes no list of that name",
                self.view, self.feature
            )
        })
    }
}

impl FromStr for ListLength {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (path, length) = text.split_once('=')?;
            let (view, feature) = path.split_once('.')?;
            Some(Self {
                view: view.into(),
                feature: feature.into(),
                length: length.parse().ok()?,
            })
        };
        parse().ok_or("expected VIEW.FEATURE=LENGTH, as in user.embedding=128")
    }
}

/// The feature service's views.
///
/// # Errors
/// Every reason why they cannot be served, by view and feature.
pub(super) fn views(registry: &Registry, wanted: &Wanted<'_>) -> Result<Vec<FeatureView>, Vec<String>> {
    let service = find_service(registry, wanted).map_err(|problem| vec![problem])?;
    let mut views = Vec::new();
    let mut problems = Vec::new();
    for projection in &service.features {
        match view(registry, service, projection, wanted) {
            Ok(view) => views.push(view),
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() {
        problems.extend(wanted.lengths.iter().filter_map(|length| length.without_a_list(&views)));
    }
    if problems.is_empty() { Ok(views) } else { Err(problems) }
}

fn find_service<'a>(registry: &'a Registry, wanted: &Wanted<'_>) -> Result<&'a FeatureServiceSpec, String> {
    let of_project = || {
        let services = registry
            .feature_services
            .iter()
            .filter_map(|service| service.spec.as_ref());
        services.filter(|service| wanted.project.is_none_or(|project| service.project == project))
    };
    let name = wanted.feature_service;
    let found: Vec<_> = of_project().filter(|service| service.name == name).collect();
    match found.as_slice() {
        [service] => Ok(service),
        [] => {
            let known: Vec<_> = of_project()
                .map(|service| format!("{} (project {})", service.name, service.project))
                .collect();
            let known = match known.as_slice() {
                [] => "none".into(),
                known => known.join(", "),
            };
            Err(format!("the registry has no feature service {name:?}; it has {known}"))
        }
        several => {
            let projects: Vec<_> = several.iter().map(|service| service.project.as_str()).collect();
            Err(format!(
                "several projects have a feature service {name:?}: {}; choose one by --project",
                projects.join(", ")
            ))
        }
    }
}

fn view(
    registry: &Registry,
    service: &FeatureServiceSpec,
    projection: &Projection,
    wanted: &Wanted<'_>,
) -> Result<FeatureView, Vec<String>> {
    let name = &projection.feature_view_name;
    let view = find_view(registry, &service.project, name).map_err(|problem| vec![format!("{name}: {problem}")])?;
    let spec = view
        .spec
        .as_ref()
        .ok_or_else(|| vec![format!("{name}: is empty in the registry")])?;
    let mut problems: Vec<String> = Vec::new();
    let alias = &projection.feature_view_name_alias;
    if !alias.is_empty() && alias != name {
        problems.push(format!(
            "{name}: has the alias {alias:?} in the feature service, and features keep the name of their view; take the view without with_name"
        ));
    }
    if !projection.join_key_map.is_empty() {
        problems.push(format!(
            "{name}: has a join_key_map in the feature service, and join keys keep their names; take the view without with_join_key_map"
        ));
    }
    if !spec.online {
        problems.push(format!(
            "{name}: is not stored online; set online=True, and materialise it"
        ));
    }
    if spec.disabled {
        problems.push(format!(
            "{name}: is disabled; enable it, or leave it out of the feature service"
        ));
    }
    let join_keys = join_keys(registry, spec).unwrap_or_else(|more| {
        problems.extend(more);
        vec![]
    });
    let features = features(spec, projection, wanted.lengths).unwrap_or_else(|more| {
        problems.extend(more);
        vec![]
    });
    let table = table(view, spec, projection, wanted).unwrap_or_else(|problem| {
        problems.push(format!("{name}: {problem}"));
        String::new()
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(FeatureView {
        name: name.clone(),
        join_keys,
        layout: Layout::Feast,
        table: Some(table),
        features,
        max_age_seconds: max_age_seconds(spec),
        stale: StalePolicy::default(),
    })
}

fn find_view<'a>(registry: &'a Registry, project: &str, name: &str) -> Result<&'a FeastView, String> {
    let found = registry.feature_views.iter().find(|view| {
        let spec = view.spec.as_ref();
        spec.is_some_and(|spec| spec.name == name && spec.project == project)
    });
    if let Some(view) = found {
        return Ok(view);
    }
    for (kind, views) in [
        (
            "an on-demand feature view, which is computed and not stored: leave it out of the feature service, and send what it computes with the request",
            &registry.on_demand_feature_views,
        ),
        (
            "a label view, and labels are not known yet when a model is served: leave it out of the feature service",
            &registry.label_views,
        ),
    ] {
        let mut specs = views.iter().filter_map(|view| view.spec.as_ref());
        if specs.any(|spec| spec.name == name && spec.project == project) {
            return Err(format!("is {kind}"));
        }
    }
    Err("the registry has no such feature view; run `feast apply`".into())
}

fn join_keys(registry: &Registry, spec: &FeatureViewSpec) -> Result<Vec<JoinKey>, Vec<String>> {
    let name = &spec.name;
    if spec.entities.iter().all(|entity| entity == DUMMY_ENTITY) {
        return Err(vec![format!(
            "{name}: has no entities, so that no instance could find its row; give it an entity"
        )]);
    }
    let mut keys: Vec<(&str, i32)> = spec
        .entity_columns
        .iter()
        .map(|column| (column.name.as_str(), column.value_type))
        .collect();
    if keys.is_empty() {
        let entities = registry.entities.iter().filter_map(|entity| entity.spec.as_ref());
        keys = entities
            .filter(|entity| entity.project == spec.project && spec.entities.contains(&entity.name))
            .map(|entity| (entity.join_key.as_str(), entity.value_type))
            .collect();
    }
    all(keys.into_iter().map(|(key, value_type)| {
        let key_type = match value_type {
            1 => KeyType::Bytes,
            2 => KeyType::String,
            3 => KeyType::Int32,
            4 => KeyType::Int64,
            8 => KeyType::UnixTimestamp,
            other => {
                return Err(format!(
                    "{name}.{key}: is {}, which cannot be a join key; use INT64 or STRING",
                    type_name(other)
                ));
            }
        };
        Ok(JoinKey {
            name: key.into(),
            key_type,
        })
    }))
}

fn features(
    spec: &FeatureViewSpec,
    projection: &Projection,
    lengths: &[ListLength],
) -> Result<Vec<StoredFeature>, Vec<String>> {
    let wanted = match projection.feature_columns.as_slice() {
        [] => &spec.features,
        columns => columns,
    };
    all(wanted.iter().map(|column| {
        let stored = spec.features.iter().find(|feature| feature.name == column.name);
        let stored = stored.ok_or_else(|| {
            format!(
                "{}.{}: the feature service takes it, and the view no longer has it; run `feast apply`",
                spec.name, column.name
            )
        })?;
        let length = lengths
            .iter()
            .find(|length| length.view == spec.name && length.feature == stored.name);
        feature(stored, length.map(|length| length.length))
            .map_err(|problem| format!("{}.{}: {problem}", spec.name, stored.name))
    }))
}

/// `length` is what a person says of a list; otherwise Feast may know it, of a vector.
fn feature(field: &Field, length: Option<u32>) -> Result<StoredFeature, String> {
    let (value_type, is_list) = match field.value_type {
        2 => (ValueType::String, false),
        // A timestamp is a number of seconds.
        3 | 4 | 8 => (ValueType::Int64, false),
        5 => (ValueType::Float64, false),
        6 => (ValueType::Float32, false),
        7 => (ValueType::Bool, false),
        13 | 14 | 18 => (ValueType::Int64, true),
        15 => (ValueType::Float64, true),
        16 => (ValueType::Float32, true),
        17 => (ValueType::Bool, true),
        other => {
            return Err(format!(
                "is {}, which no model takes; leave it out of the feature service",
                type_name(other)
            ));
        }
    };
    let known = u32::try_from(field.vector_length).ok().filter(|length| *length > 0);
    let length = match (is_list, length.or(known)) {
        (false, _) => None,
        (true, Some(length)) => Some(length),
        (true, None) => {
            return Err(format!(
                "is {}, and a model needs to know how long; give --length VIEW.FEATURE=LENGTH",
                type_name(field.value_type)
            ));
        }
    };
    Ok(StoredFeature {
        name: field.name.clone(),
        value_type,
        length,
    })
}

fn table(
    view: &FeastView,
    spec: &FeatureViewSpec,
    projection: &Projection,
    wanted: &Wanted<'_>,
) -> Result<String, String> {
    let current = view.meta.as_ref().map_or(0, |meta| meta.current_version_number);
    let version = projection.version_tag.unwrap_or(current);
    let table_name = match version {
        1.. if wanted.has_versioned_tables => format!("{}_v{version}", spec.name),
        _ => spec.name.clone(),
    };
    let table = wanted
        .table_name_template
        .replace("{project}", &spec.project)
        .replace("{table_name}", &table_name);
    if table.contains(['{', '}']) {
        return Err(format!(
            "the template {:?} has more than {{project}} and {{table_name}}",
            wanted.table_name_template
        ));
    }
    Ok(table)
}

/// A view's time to live; 0 is Feast's "for ever".
fn max_age_seconds(spec: &FeatureViewSpec) -> Option<u64> {
    let ttl = spec.ttl.as_ref()?;
    let seconds = u64::try_from(ttl.seconds).ok()?;
    // A part of a second still is a limit.
    (seconds > 0 || ttl.nanos > 0).then_some(seconds.max(1))
}

/// All results, or all errors.
fn all<T>(results: impl Iterator<Item = Result<T, String>>) -> Result<Vec<T>, Vec<String>> {
    let mut values = Vec::new();
    let mut problems = Vec::new();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// The names of `feast.types.ValueType.Enum`, by number; those that are not in use are empty.
const TYPE_NAMES: [&str; 49] = [
    "INVALID",
    "BYTES",
    "STRING",
    "INT32",
    "INT64",
    "DOUBLE",
    "FLOAT",
    "BOOL",
    "UNIX_TIMESTAMP",
    "",
    "",
    "BYTES_LIST",
    "STRING_LIST",
    "INT32_LIST",
    "INT64_LIST",
    "DOUBLE_LIST",
    "FLOAT_LIST",
    "BOOL_LIST",
    "UNIX_TIMESTAMP_LIST",
    "NULL",
    "MAP",
    "MAP_LIST",
    "BYTES_SET",
    "STRING_SET",
    "INT32_SET",
    "INT64_SET",
    "DOUBLE_SET",
    "FLOAT_SET",
    "BOOL_SET",
    "UNIX_TIMESTAMP_SET",
    "",
    "",
    "JSON",
    "JSON_LIST",
    "STRUCT",
    "STRUCT_LIST",
    "UUID",
    "TIME_UUID",
    "UUID_LIST",
    "TIME_UUID_LIST",
    "UUID_SET",
    "TIME_UUID_SET",
    "VALUE_LIST",
    "VALUE_SET",
    "DECIMAL",
    "DECIMAL_LIST",
    "DECIMAL_SET",
    "SCALAR_MAP",
    "ZONED_TIMESTAMP",
];

fn type_name(number: i32) -> String {
    let name = usize::try_from(number).ok().and_then(|index| TYPE_NAMES.get(index));
    match name {
        Some(name) if !name.is_empty() => (*name).into(),
        _ => format!("Feast's type number {number}"),
    }
}
