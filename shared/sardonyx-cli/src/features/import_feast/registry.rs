//! The parts of Feast's registry that a manifest needs: `feast.core.Registry` of release 0.67, in protobuf.
//!
//! <https://github.com/feast-dev/feast/tree/master/protos/feast/core>

use std::collections::HashMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Registry {
    #[prost(message, repeated, tag = "1")]
    pub(super) entities: Vec<Entity>,
    #[prost(message, repeated, tag = "6")]
    pub(super) feature_views: Vec<FeatureView>,
    #[prost(message, repeated, tag = "7")]
    pub(super) feature_services: Vec<FeatureService>,
    #[prost(message, repeated, tag = "8")]
    pub(super) on_demand_feature_views: Vec<OtherView>,
    #[prost(message, repeated, tag = "14")]
    pub(super) stream_feature_views: Vec<StreamFeatureView>,
    #[prost(message, repeated, tag = "19")]
    pub(super) label_views: Vec<OtherView>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Entity {
    #[prost(message, optional, tag = "1")]
    pub(super) spec: Option<EntitySpec>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EntitySpec {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "2")]
    pub(super) value_type: i32,
    #[prost(string, tag = "4")]
    pub(super) join_key: String,
    #[prost(string, tag = "9")]
    pub(super) project: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FeatureView {
    #[prost(message, optional, tag = "1")]
    pub(super) spec: Option<FeatureViewSpec>,
    #[prost(message, optional, tag = "2")]
    pub(super) meta: Option<FeatureViewMeta>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FeatureViewSpec {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) project: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) entities: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) features: Vec<Field>,
    #[prost(message, optional, tag = "6")]
    pub(super) ttl: Option<Duration>,
    #[prost(bool, tag = "8")]
    pub(super) online: bool,
    /// The join keys with the types that rows are written with.
    #[prost(message, repeated, tag = "12")]
    pub(super) entity_columns: Vec<Field>,
    #[prost(bool, tag = "20")]
    pub(super) disabled: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FeatureViewMeta {
    #[prost(int32, tag = "4")]
    pub(super) current_version_number: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamFeatureView {
    #[prost(message, optional, tag = "1")]
    pub(super) spec: Option<StreamFeatureViewSpec>,
    #[prost(message, optional, tag = "2")]
    pub(super) meta: Option<FeatureViewMeta>,
}

/// The same as of a feature view, under other numbers.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamFeatureViewSpec {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    project: String,
    #[prost(string, repeated, tag = "3")]
    entities: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    features: Vec<Field>,
    #[prost(message, repeated, tag = "5")]
    entity_columns: Vec<Field>,
    #[prost(message, optional, tag = "9")]
    ttl: Option<Duration>,
    #[prost(bool, tag = "12")]
    online: bool,
    #[prost(bool, tag = "23")]
    disabled: bool,
}

impl From<StreamFeatureView> for FeatureView {
    fn from(view: StreamFeatureView) -> Self {
        Self {
            spec: view.spec.map(|spec| FeatureViewSpec {
                name: spec.name,
                project: spec.project,
                entities: spec.entities,
                features: spec.features,
                ttl: spec.ttl,
                online: spec.online,
                entity_columns: spec.entity_columns,
                disabled: spec.disabled,
            }),
            meta: view.meta,
        }
    }
}

/// A view of another kind, of which only the name matters.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtherView {
    #[prost(message, optional, tag = "1")]
    pub(super) spec: Option<OtherViewSpec>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OtherViewSpec {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) project: String,
}

/// `feast.core.FeatureSpecV2`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Field {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// `feast.types.ValueType.Enum`.
    #[prost(int32, tag = "2")]
    pub(super) value_type: i32,
    #[prost(int32, tag = "7")]
    pub(super) vector_length: i32,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Duration {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FeatureService {
    #[prost(message, optional, tag = "1")]
    pub(super) spec: Option<FeatureServiceSpec>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FeatureServiceSpec {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) project: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) features: Vec<Projection>,
}

/// `feast.core.FeatureViewProjection`: what a feature service takes of a view.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Projection {
    #[prost(string, tag = "1")]
    pub(super) feature_view_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) feature_columns: Vec<Field>,
    #[prost(string, tag = "3")]
    pub(super) feature_view_name_alias: String,
    #[prost(map = "string, string", tag = "4")]
    pub(super) join_key_map: HashMap<String, String>,
    #[prost(int32, optional, tag = "10")]
    pub(super) version_tag: Option<i32>,
}
