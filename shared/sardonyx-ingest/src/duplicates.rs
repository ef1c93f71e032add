use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use sardonyx_core::entity::{EntityKey, KeyValue};
use sha2::{Digest, Sha256};

/// Each part grows by itself, so that no more than one of them is there twice at a time.
const PARTS: usize = 64;

/// The entities that were seen, each with the number of the row where it was.
///
/// An entity is known by 128 bits of a SHA-256 of its key, so that it takes the same memory however long its key is: 24 bytes and one of
/// the table, which is between 7/16 and 7/8 full: 29 to 57 bytes for each entity, some 55 MB for a million. That two of a billion
/// keys have the same 128 bits has a probability of 1e-21.
#[derive(Debug)]
pub struct Duplicates {
    parts: Vec<HashMap<Fingerprint, u64, BuildHasherDefault<AsItIs>>>,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self::new()
    }
}

impl Duplicates {
    /// With nothing seen yet.
    pub fn new() -> Self {
        Self {
            parts: std::iter::repeat_with(HashMap::default).take(PARTS).collect(),
        }
    }

    /// Notes the entity of the row with that number. When it was seen before, nothing is changed, and the answer is the number of the row
    /// where it was first.
    pub fn insert(&mut self, entity: &EntityKey, number: u64) -> Option<u64> {
        let fingerprint = fingerprint(entity);
        let part = &mut self.parts[(fingerprint.0[1] % PARTS as u64) as usize];
        match part.entry(fingerprint) {
            Entry::Occupied(seen) => Some(*seen.get()),
            Entry::Vacant(place) => {
                place.insert(number);
                None
            }
        }
    }

    /// How many different entities were seen.
    pub fn len(&self) -> usize {
        self.parts.iter().map(HashMap::len).sum()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(HashMap::is_empty)
    }

    /// The reason for rejecting a row whose entity was seen before, where `unit` is [`crate::Format::unit`].
    pub fn reason(unit: &str, first: u64) -> String {
        format!("has the same join keys as {unit} {first}")
    }
}

/// Each value is preceded by its kind and its length, so that no two keys give the same bytes.
fn fingerprint(entity: &EntityKey) -> Fingerprint {
    let mut hash = Sha256::new();
    for value in &entity.0 {
        let number;
        let (kind, bytes): (u8, &[u8]) = match value {
            KeyValue::String(text) => (0, text.as_bytes()),
            KeyValue::Int64(integer) => {
                number = integer.to_le_bytes();
                (1, &number)
            }
            KeyValue::Bytes(bytes) => (2, bytes),
        };
        hash.update([kind]);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    let hash = hash.finalize();
    let word = |start: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hash[start..start + 8]);
        u64::from_le_bytes(bytes)
    };
    Fingerprint([word(0), word(8)])
}

/// The first 128 bits of the hash of an entity's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint([u64; 2]);

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// A fingerprint is as evenly distributed as a hash of it would be.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &[&str]) -> EntityKey {
        EntityKey(parts.iter().map(|part| KeyValue::String((*part).into())).collect())
    }

    #[test]
    fn an_entity_is_seen_once() {
        let mut duplicates = Duplicates::new();
        assert!(duplicates.is_empty());
        for number in 0..10_000 {
            assert_eq!(
                duplicates.insert(&EntityKey(vec![KeyValue::Int64(number)]), number as u64),
                None
            );
        }
        for number in 0..10_000 {
            let entity = EntityKey(vec![KeyValue::Int64(number)]);
            assert_eq!(duplicates.insert(&entity, 99_999), Some(number as u64));
        }
        assert_eq!(duplicates.len(), 10_000);
        assert_eq!(Duplicates::reason("line", 4), "has the same join keys as line 4");
    }

    #[test]
    fn keys_that_look_alike_are_different() {
        let mut duplicates = Duplicates::new();
        let number = i64::from_le_bytes(*b"abcdefgh");
        for entity in [
            text(&["ab", "c"]),
            text(&["a", "bc"]),
            text(&["abc"]),
            text(&["abc", ""]),
            text(&["abcdefgh"]),
            EntityKey(vec![KeyValue::Bytes(b"abcdefgh".to_vec())]),
            EntityKey(vec![KeyValue::Int64(number)]),
        ] {
            assert_eq!(duplicates.insert(&entity, 1), None, "{entity:?}");
        }
    }
}
