//! What goes into a catalogue, and what its bytes stand for.

use serde_json::{Value as Json, json};

use super::{NOW_MS, offer};
use crate::rank::{Catalogue, CatalogueBuilder, CatalogueId, CatalogueSchema, PackedError};
use crate::testing::offers;

fn packed() -> (Catalogue, CatalogueSchema, Vec<u8>) {
    let manifest = offers::manifest();
    let mut builder = CatalogueBuilder::new(&manifest, offers::seconds).expect("has a catalogue");
    for offer in [
        offer("é", json!({"valid_from": "5", "valid_to": "7", "regions": ["south"]})),
        offer("b", json!({"category": "travel", "budget_left": 2.5, "price": -1})),
        offer("a", json!({"discount": null, "colour": "red"})),
    ] {
        builder.add(offer.as_object().expect("is an object")).expect("is valid");
    }
    let (catalogue, schema) = builder.finish(NOW_MS);
    let bytes = catalogue.to_bytes(&schema);
    (catalogue, schema, bytes)
}

#[test]
fn the_packed_form_gives_back_what_went_in() {
    let (catalogue, schema, bytes) = packed();
    assert_eq!(Catalogue::from_bytes(&bytes, &schema), Ok(catalogue.clone()));
    let ids: Vec<_> = (0..catalogue.len()).map(|offer| catalogue.offer_id(offer)).collect();
    assert_eq!(ids, ["a", "b", "é"]);
    let found: Vec<_> = ["a", "b", "é", "", "aa", "z", "ÿ"]
        .iter()
        .map(|id| catalogue.find(id))
        .collect();
    assert_eq!(found, [Some(0), Some(1), Some(2), None, None, None, None]);
    assert_eq!(catalogue.row(1), [1.0, 10.0, -1.0], "category, discount, price");
    assert_eq!(catalogue.row(0)[1], 1.0, "the default");
}

/// Published catalogues must stay readable: this is the format, byte for byte, but for the fingerprint.
#[test]
fn the_format_does_not_change() {
    let (_, schema, bytes) = packed();
    assert_eq!(bytes[..12], *b"SDXOFFER\x01\0\0\0");
    assert_eq!(bytes[16..24], schema.fingerprint);
    let behind_fingerprint = &bytes[24..];
    let checksum = crc32fast::hash(behind_fingerprint);
    assert_eq!((behind_fingerprint.len(), checksum), (FORMAT_LENGTH, FORMAT_CHECKSUM));
}

const FORMAT_LENGTH: usize = 20 + 3 * 4 + 4 + 3 * (8 + 8 + 8 + 8 + 2) + 9 * 4;
const FORMAT_CHECKSUM: u32 = 2_720_436_857;

#[test]
fn damaged_bytes_are_an_error_and_never_another_catalogue() {
    let (_, schema, bytes) = packed();
    for len in 0..bytes.len() {
        assert!(
            Catalogue::from_bytes(&bytes[..len], &schema).is_err(),
            "cut to {len} bytes"
        );
    }
    for bit in 0..8 * bytes.len() {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Catalogue::from_bytes(&damaged, &schema).is_err(), "bit {bit}");
    }
    let longer = [bytes.as_slice(), b"\0"].concat();
    assert!(Catalogue::from_bytes(&longer, &schema).is_err());
}

/// A checksum that is right is no proof that the rest is: whatever else the bytes say, reading ends with a catalogue or an error.
#[test]
fn bytes_with_a_right_checksum_are_read_or_refused() {
    let (_, schema, bytes) = packed();
    let sealed = |mut bytes: Vec<u8>| {
        let checksum = crc32fast::hash(&bytes[16..]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    };
    let mut read = 0;
    for place in 16..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[place] = value;
            if let Ok(catalogue) = Catalogue::from_bytes(&sealed(changed), &schema) {
                read += 1;
                let wanted = Default::default();
                for offer in catalogue.eligible(&wanted, NOW_MS) {
                    assert_eq!(catalogue.find(catalogue.offer_id(offer)), Some(offer));
                    assert_eq!(catalogue.row(offer).len(), 3);
                }
            }
        }
    }
    assert!(read > 100, "most places hold numbers, any of which may be: {read}");
    for len in 16..bytes.len() {
        assert!(
            Catalogue::from_bytes(&sealed(bytes[..len].to_vec()), &schema).is_err(),
            "cut to {len} bytes"
        );
    }
    let mut many = bytes;
    many[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = Catalogue::from_bytes(&sealed(many), &schema).expect_err("no such number");
    assert_eq!(error.to_string(), "it is damaged: its counts cannot be");
}

#[test]
fn a_catalogue_of_another_schema_is_refused() {
    let (_, _, bytes) = packed();
    for (pointer, value) in [
        ("/inputs/0/features/2/missing", json!({"default": 2})),
        ("/inputs/0/features/2/range/max", json!(99)),
        ("/inputs/0/features/1/categories", json!(["travel", "food"])),
        ("/catalogue/regions", json!(["south", "north"])),
        ("/catalogue/categories", json!(["food", "travel", "more"])),
        ("/catalogue/features/2/type", json!("float64")),
    ] {
        let mut manifest = offers::manifest_json();
        *manifest.pointer_mut(pointer).expect("is there") = value;
        let schema = CatalogueSchema::new(&offers::from_json(&manifest)).expect("has a catalogue");
        let found = Catalogue::from_bytes(&bytes, &schema);
        assert_eq!(found, Err(PackedError::OtherSchema), "{pointer}");
    }
}

#[test]
fn what_is_wrong_with_an_offer_is_named() {
    let manifest = offers::manifest();
    let mut builder = CatalogueBuilder::new(&manifest, offers::seconds).expect("has a catalogue");
    let mut add = |offer: &Json| builder.add(offer.as_object().expect("is an object"));
    add(&offer("there", json!({}))).expect("is valid");
    for (changes, message) in [
        (json!({"offer_id": "there"}), r#"offer_id: "there" was there before"#),
        (
            json!({"offer_id": 7}),
            "offer_id: expected a string of 1 to 128 bytes without spaces",
        ),
        (
            json!({"offer_id": "a b"}),
            "offer_id: expected a string of 1 to 128 bytes without spaces",
        ),
        (
            json!({"offer_id": ""}),
            "offer_id: expected a string of 1 to 128 bytes without spaces",
        ),
        (
            json!({"colr": 1}),
            "colr: is neither a field of every offer nor a feature of the catalogue",
        ),
        (
            json!({"category": null}),
            "category: is null; expected one of food, travel",
        ),
        (
            json!({"category": "fud"}),
            r#"category: expected one of food, travel, got "fud""#,
        ),
        (
            json!({"discount": 101}),
            "discount: is out of range; expected a number from 0 to 100",
        ),
        (json!({"discount": "10"}), r#"discount: expected a number, got "10""#),
        (json!({"price": 1.5}), "price: expected an integer, got 1.5"),
        (json!({"colour": 1}), "colour: expected a string, got 1"),
        (
            json!({"budget_left": -1}),
            "budget_left: expected a number of at least 0, got -1",
        ),
        (
            json!({"valid_from": "soon"}),
            r#"valid_from: expected a time as in RFC 3339, got "soon""#,
        ),
        (
            json!({"valid_from": "9", "valid_to": "9"}),
            "valid_to: must be later than valid_from",
        ),
        (
            json!({"regions": []}),
            "regions: expected a list of one or more of north, south; leave it out for all of them, got []",
        ),
        (
            json!({"regions": ["north", "nrth"]}),
            r#"regions: expected a list of one or more of north, south; leave it out for all of them, got ["north","nrth"]"#,
        ),
    ] {
        assert_eq!(add(&offer("new", changes)), Err(message.to_owned()));
    }
    add(&offer("new", json!({}))).expect("nothing was added by what failed");
    let (catalogue, _) = builder.finish(0);
    assert_eq!(catalogue.len(), 2);
}

#[test]
fn a_manifest_without_a_catalogue_ranks_nothing() {
    let manifest = crate::testing::models::manifest();
    assert!(CatalogueBuilder::new(&manifest, offers::seconds).is_err());
}

#[test]
fn an_id_is_that_of_the_bytes() {
    let id = CatalogueId::of(b"");
    assert_eq!(id.as_str(), "e3b0c44298fc1c14");
    assert_eq!(CatalogueId::parse(id.as_str()), Some(id));
    for wrong in [
        "",
        "e3b0c44298fc1c1",
        "E3B0C44298FC1C14",
        "../../../../etc/p",
        "e3b0c44298fc1c14\n",
    ] {
        assert_eq!(CatalogueId::parse(wrong), None, "{wrong:?}");
    }
}
