use std::collections::HashMap;

use sardonyx_core::entity::KeyType;
use sardonyx_core::manifest::{Layout, StoredFeature};
use sardonyx_core::value::ValueType;

use super::registry::{
    Duration, Entity, EntitySpec, FeatureService, FeatureServiceSpec, FeatureView, FeatureViewMeta, FeatureViewSpec,
    Field, OtherView, OtherViewSpec, Projection, Registry,
};
use super::views::{ListLength, Wanted, views};

const WANTED: Wanted<'_> = Wanted {
    feature_service: "model",
    project: None,
    table_name_template: "{project}.{table_name}",
    has_versioned_tables: false,
    lengths: &[],
};

fn field(name: &str, value_type: i32) -> Field {
    Field {
        name: name.into(),
        value_type,
        vector_length: 0,
    }
}

fn projection(view: &str, columns: &[(&str, i32)]) -> Projection {
    Projection {
        feature_view_name: view.into(),
        feature_columns: columns.iter().map(|&(name, kind)| field(name, kind)).collect(),
        ..Projection::default()
    }
}

fn service(project: &str, projections: Vec<Projection>) -> FeatureService {
    FeatureService {
        spec: Some(FeatureServiceSpec {
            name: "model".into(),
            project: project.into(),
            features: projections,
        }),
    }
}

fn user_view() -> FeatureViewSpec {
    FeatureViewSpec {
        name: "user".into(),
        project: "shop".into(),
        entities: vec!["user".into()],
        features: vec![field("age", 3), field("score", 6), field("blob", 1)],
        ttl: Some(Duration { seconds: 60, nanos: 1 }),
        online: true,
        entity_columns: vec![field("user_id", 4)],
        disabled: false,
    }
}

/// The view `user` of the project `shop`, changed, and a feature service that takes two of its features, changed.
fn registry(change: impl FnOnce(&mut FeatureViewSpec), project: impl FnOnce(&mut Projection)) -> Registry {
    let mut view = user_view();
    change(&mut view);
    let mut taken = projection("user", &[("score", 6), ("age", 3)]);
    project(&mut taken);
    Registry {
        entities: vec![Entity {
            spec: Some(EntitySpec {
                name: "user".into(),
                value_type: 2,
                join_key: "user_key".into(),
                project: "shop".into(),
            }),
        }],
        feature_views: vec![FeatureView {
            spec: Some(view),
            meta: Some(FeatureViewMeta {
                current_version_number: 2,
            }),
        }],
        feature_services: vec![service("shop", vec![taken])],
        on_demand_feature_views: vec![OtherView {
            spec: Some(OtherViewSpec {
                name: "ratio".into(),
                project: "shop".into(),
            }),
        }],
        ..Registry::default()
    }
}

fn problems(registry: &Registry) -> String {
    views(registry, &WANTED).expect_err("cannot be served").join("\n")
}

#[test]
fn a_view_comes_with_the_features_that_the_service_takes() {
    let found = views(&registry(|_| {}, |_| {}), &WANTED).expect("can be served");
    let [view] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((view.name.as_str(), view.layout), ("user", Layout::Feast));
    assert_eq!(view.table.as_deref(), Some("shop.user"));
    assert_eq!(view.max_age_seconds, Some(60));
    assert_eq!(view.join_keys.len(), 1);
    assert_eq!(
        (view.join_keys[0].name.as_str(), view.join_keys[0].key_type),
        ("user_id", KeyType::Int64)
    );
    let features: Vec<_> = view
        .features
        .iter()
        .map(|feature| (feature.name.as_str(), feature.value_type))
        .collect();
    assert_eq!(features, [("score", ValueType::Float32), ("age", ValueType::Int64)]);
}

#[test]
fn every_scalar_and_every_key_type_has_its_place() {
    let kinds = [
        (2, ValueType::String),
        (3, ValueType::Int64),
        (4, ValueType::Int64),
        (5, ValueType::Float64),
        (6, ValueType::Float32),
        (7, ValueType::Bool),
        (8, ValueType::Int64),
    ];
    let keys = [
        (1, KeyType::Bytes),
        (2, KeyType::String),
        (3, KeyType::Int32),
        (4, KeyType::Int64),
        (8, KeyType::UnixTimestamp),
    ];
    let all = registry(
        |view| {
            view.features = kinds.map(|(number, _)| field(&format!("f{number}"), number)).to_vec();
            view.entity_columns = keys.map(|(number, _)| field(&format!("k{number}"), number)).to_vec();
        },
        |taken| taken.feature_columns.clear(),
    );
    let view = &views(&all, &WANTED).expect("can be served")[0];
    let found = view.features.iter().map(|StoredFeature { value_type, .. }| *value_type);
    assert!(found.eq(kinds.map(|(_, value_type)| value_type)));
    assert!(
        view.join_keys
            .iter()
            .map(|key| key.key_type)
            .eq(keys.map(|(_, key_type)| key_type))
    );
}

#[test]
fn a_list_has_the_length_that_feast_or_a_person_gives() {
    let with_list = registry(
        |view| {
            let mut vector = field("vector", 16);
            vector.vector_length = 8;
            view.features = vec![vector, field("flags", 17)];
        },
        |taken| taken.feature_columns.clear(),
    );
    let error = problems(&with_list);
    assert_eq!(
        error,
        "user.flags: is BOOL_LIST, and a model needs to know how long; give --length VIEW.FEATURE=LENGTH"
    );
    let lengths: [ListLength; 1] = ["user.flags=2".parse().expect("is one")];
    let wanted = Wanted {
        lengths: &lengths,
        ..WANTED
    };
    let view = views(&with_list, &wanted).expect("can be served").remove(0);
    let found: Vec<_> = view
        .features
        .iter()
        .map(|feature| (feature.value_type, feature.length))
        .collect();
    assert_eq!(found, [(ValueType::Float32, Some(8)), (ValueType::Bool, Some(2))]);
    let lengths: [ListLength; 1] = ["user.age=2".parse().expect("is one")];
    let wanted = Wanted {
        lengths: &lengths,
        ..WANTED
    };
    let error = views(&registry(|_| {}, |_| {}), &wanted)
        .expect_err("is no list")
        .remove(0);
    assert_eq!(
        error,
        "--length user.age: the feature service takes no list of that name"
    );
    for wrong in ["user.flags", "flags=2", "user.flags=x", "user.flags=-1"] {
        assert!(wrong.parse::<ListLength>().is_err(), "{wrong}");
    }
}

#[test]
fn tables_and_times_to_live_are_feasts() {
    let of = |registry: &Registry, wanted: &Wanted<'_>| views(registry, wanted).expect("can be served").remove(0);
    let plain = registry(|view| view.ttl = Some(Duration::default()), |_| {});
    assert_eq!(of(&plain, &WANTED).max_age_seconds, None);
    let brief = registry(|view| view.ttl = Some(Duration { seconds: 0, nanos: 5 }), |_| {});
    assert_eq!(of(&brief, &WANTED).max_age_seconds, Some(1));
    let versioned = Wanted {
        has_versioned_tables: true,
        table_name_template: "x-{table_name}",
        ..WANTED
    };
    assert_eq!(of(&plain, &versioned).table.as_deref(), Some("x-user_v2"));
    let pinned = registry(|_| {}, |taken| taken.version_tag = Some(0));
    assert_eq!(of(&pinned, &versioned).table.as_deref(), Some("x-user"));
    let strange = Wanted {
        table_name_template: "{project}.{region}",
        ..WANTED
    };
    let error = views(&plain, &strange).expect_err("the template is unknown").remove(0);
    assert!(error.contains("has more than {project} and {table_name}"), "{error}");
}

#[test]
fn without_columns_the_join_keys_come_from_the_entities() {
    let old = registry(|view| view.entity_columns.clear(), |_| {});
    let view = views(&old, &WANTED).expect("can be served").remove(0);
    assert_eq!(
        (view.join_keys[0].name.as_str(), view.join_keys[0].key_type),
        ("user_key", KeyType::String)
    );
}

#[test]
fn what_cannot_be_served_is_named_with_its_view_and_feature() {
    let keep = |_: &mut Projection| {};
    let same = |_: &mut FeatureViewSpec| {};
    for (registry, expected) in [
        (
            registry(same, |taken| taken.feature_columns.push(field("blob", 1))),
            "user.blob: is BYTES, which no model takes",
        ),
        (
            registry(|view| view.features[0].value_type = 20, keep),
            "user.age: is MAP, which no model takes",
        ),
        (
            registry(|view| view.features[0].value_type = 12, keep),
            "user.age: is STRING_LIST, which no model takes",
        ),
        (
            registry(|view| view.features[0].value_type = 99, keep),
            "user.age: is Feast's type number 99, which no model takes",
        ),
        (
            registry(same, |taken| taken.feature_columns.push(field("gone", 3))),
            "user.gone: the feature service takes it, and the view no longer has it",
        ),
        (
            registry(|view| view.entity_columns[0].value_type = 5, keep),
            "user.user_id: is DOUBLE, which cannot be a join key",
        ),
        (
            registry(|view| view.entities = vec!["__dummy".into()], keep),
            "user: has no entities",
        ),
        (registry(|view| view.online = false, keep), "user: is not stored online"),
        (registry(|view| view.disabled = true, keep), "user: is disabled"),
        (
            registry(same, |taken| taken.feature_view_name_alias = "sender".into()),
            "user: has the alias \"sender\"",
        ),
        (
            registry(same, |taken| {
                taken.join_key_map = HashMap::from([("user_id".into(), "sender_id".into())]);
            }),
            "user: has a join_key_map",
        ),
        (
            registry(same, |taken| taken.feature_view_name = "ratio".into()),
            "ratio: is an on-demand feature view",
        ),
        (
            registry(|view| view.project = "other".into(), keep),
            "user: the registry has no such feature view",
        ),
    ] {
        let found = problems(&registry);
        assert!(found.contains(expected), "{found}");
    }
    let several = problems(&registry(
        |view| {
            view.features[0].value_type = 20;
            view.features[1].value_type = 33;
            view.online = false;
        },
        keep,
    ));
    assert_eq!(several.lines().count(), 3, "{several}");
}

#[test]
fn a_feature_service_is_found_in_its_project() {
    let mut all = registry(|_| {}, |_| {});
    let unknown = Wanted {
        feature_service: "modle",
        ..WANTED
    };
    let error = views(&all, &unknown).expect_err("is unknown").remove(0);
    assert!(
        error.contains("no feature service \"modle\"; it has model (project shop)"),
        "{error}"
    );
    all.feature_services.push(service("other", vec![]));
    let error = problems(&all);
    assert!(error.contains("shop, other; choose one by --project"), "{error}");
    let of_shop = Wanted {
        project: Some("shop"),
        ..WANTED
    };
    assert_eq!(views(&all, &of_shop).expect("can be served").len(), 1);
    let of_nobody = Wanted {
        project: Some("nobody"),
        ..WANTED
    };
    let error = views(&all, &of_nobody).expect_err("is unknown").remove(0);
    assert!(error.ends_with("it has none"), "{error}");
}
