//! What a row of 200 features costs: DynamoDB's units, as ARCHITECTURE.md (*What a read costs*) says them, and memory allocations.

use aws_sdk_dynamodb::types::AttributeValue;
use sardonyx_core::entity::{EntityKey, KeyType, KeyValue};
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::{FeatureView, JoinKey, Layout, StalePolicy, StoredFeature};
use sardonyx_core::ports::RowWrite;
use sardonyx_core::snapshots::SnapshotId;
use sardonyx_core::value::{FeatureValue, ValueType};

use crate::feast_layout::writer;
use crate::native_layout::{self, Item};
use crate::row_layout::RowLayout;

const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");

fn view(layout: Layout, value_type: ValueType, features: usize) -> FeatureView {
    let features = (0..features).map(|index| StoredFeature {
        name: format!("average_amount_{index:03}"),
        value_type,
        length: None,
    });
    FeatureView {
        name: "card_stats".into(),
        join_keys: vec![JoinKey {
            name: "card_id".into(),
            key_type: KeyType::String,
        }],
        layout,
        table: (layout == Layout::Feast).then(|| "feast-card_stats".into()),
        features: features.collect(),
        max_age_seconds: None,
        stale: StalePolicy::Reject,
    }
}

fn snapshot() -> SnapshotId {
    SnapshotId::new("20260102T030405Z-1f3a").expect("is an id")
}

fn item(view: &FeatureView) -> Item {
    let value = |feature: &StoredFeature| match feature.value_type {
        ValueType::Float32 => FeatureValue::Float32(0.1),
        ValueType::Float64 => FeatureValue::Float64(0.1),
        ValueType::Int64 => FeatureValue::Int64(i64::MAX),
        ValueType::Bool => FeatureValue::Bool(true),
        ValueType::String => FeatureValue::String("text".into()),
    };
    let write = RowWrite {
        entity: EntityKey(vec![KeyValue::String("c-1234567".into())]),
        row: FeatureRow {
            event_time_ms: 1_767_323_045_123,
            expires_at_seconds: Some(1_769_915_045),
            values: view
                .features
                .iter()
                .map(|feature| Stored::Value(value(feature)))
                .collect(),
        },
    };
    match view.layout {
        Layout::Native => native_layout::to_item(view, Some(&snapshot()), &write).expect("fits"),
        Layout::Feast => writer::to_item(view, &write).expect("fits"),
    }
}

/// By DynamoDB's [rules](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html): names and values;
/// a byte for two digits of a number, and one more; 3 bytes for a map, and one for each entry.
fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::M(entries) => 3 + entries.len() + size(entries),
        other => panic!("{other:?} is in no layout"),
    }
}

/// On-demand prices of us-east-1 in dollars for a million: a write unit of 1 KB, a read unit of 4 KB, of which an eventually consistent read
/// takes half.
const WRITE_UNIT: f64 = 0.625;
const READ_UNIT: f64 = 0.125;

fn line(title: &str, view: &FeatureView) -> String {
    let bytes = size(&item(view));
    let (reads, writes) = (bytes.div_ceil(4096) as f64, bytes.div_ceil(1024) as f64);
    format!(
        "| {title} | {bytes} | {:.1} | ${:.4} | {reads:.1} | ${:.4} | {writes:.0} | ${:.3} |",
        reads / 2.0,
        reads / 2.0 * READ_UNIT,
        reads * READ_UNIT,
        writes * WRITE_UNIT,
    )
}

#[test]
fn items_cost_what_the_documentation_says() {
    for (title, layout, value_type) in [
        ("native, float32", Layout::Native, ValueType::Float32),
        ("native, float64 or int64", Layout::Native, ValueType::Float64),
        ("native, float64 or int64", Layout::Native, ValueType::Int64),
        ("Feast, float32", Layout::Feast, ValueType::Float32),
        ("Feast, float64", Layout::Feast, ValueType::Float64),
    ] {
        let line = line(title, &view(layout, value_type, 200));
        assert!(ARCHITECTURE.contains(&line), "ARCHITECTURE.md does not say\n{line}");
    }
}

/// The values are one allocation. Feast's time is read by way of a text.
#[test]
fn a_row_of_numbers_is_decoded_without_an_allocation_for_any_feature() {
    for value_type in [
        ValueType::Float32,
        ValueType::Float64,
        ValueType::Int64,
        ValueType::Bool,
    ] {
        for layout in [Layout::Native, Layout::Feast] {
            let allocations = |features| {
                let view = view(layout, value_type, features);
                let (item, layout) = (item(&view).into(), RowLayout::of(&view, Some(snapshot())));
                let mut row = None;
                let counted = allocation_counter::measure(|| row = Some(layout.row(&item)));
                let row = row.expect("was read").expect("is a row");
                assert_eq!(row.values.len(), features);
                counted.count_total
            };
            let fewest = match layout {
                Layout::Native => 1..=1,
                Layout::Feast => 1..=4,
            };
            assert!(fewest.contains(&allocations(1)), "{layout:?}: {}", allocations(1));
            assert_eq!(allocations(1), allocations(200), "{layout:?} {value_type:?}");
        }
    }
}

/// A text is the only value that has memory of its own.
#[test]
fn a_text_is_allocated_once() {
    let view = view(Layout::Native, ValueType::String, 200);
    let (item, layout) = (item(&view).into(), RowLayout::of(&view, Some(snapshot())));
    let counted = allocation_counter::measure(|| drop(layout.row(&item)));
    assert_eq!(counted.count_total, 201);
}
