//! The packed form of a catalogue: one read makes it usable.
//!
//! Integers and floats are in little-endian order. N is the number of offers, C that of the columns.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `SDXOFFER` |
//! | 4 | the version of this form: 1 |
//! | 4 | the CRC-32 of all that follows |
//! | 8 | the fingerprint of the schema |
//! | 8 | when it was packed, in milliseconds since the Unix epoch |
//! | 4, 4, 4 | N, C, and L, the length of all ids together |
//! | 4 N, L | the end of each id, increasing; the ids, UTF-8, each greater than the one before |
//! | 8 N, 8 N | from when on, and until when, each offer is valid, in milliseconds since the Unix epoch |
//! | 8 N | how much of each budget is left, f64 |
//! | 8 N, 2 N | the regions as bits; the category, 65,535 for none |
//! | 4 N C | the columns, f32, row by row |

use super::catalogue::{Catalogue, MOST_OFFERS, NO_CATEGORY};
use super::schema::CatalogueSchema;

const MAGIC: &[u8; 8] = b"SDXOFFER";
const FORMAT_VERSION: u32 = 1;

/// Bytes that are no catalogue of this model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    /// It is something else, or of a later version.
    #[error("it is not a packed catalogue of version {FORMAT_VERSION}")]
    NotACatalogue,
    /// It is cut or changed.
    #[error("it is damaged: {problem}")]
    Damaged {
        /// How that shows.
        problem: &'static str,
    },
    /// It is one of another model.
    #[error("it was packed for a model with other features, regions or categories; pack it with this model's manifest")]
    OtherSchema,
}

fn damaged(problem: &'static str) -> PackedError {
    PackedError::Damaged { problem }
}

impl Catalogue {
    /// The packed form.
    pub fn to_bytes(&self, schema: &CatalogueSchema) -> Vec<u8> {
        debug_assert!(self.fits(schema), "a catalogue is built for its schema");
        let mut body = Vec::with_capacity(40 + self.id_text.len() + self.len() * (38 + 4 * self.columns));
        body.extend(schema.fingerprint);
        body.extend(self.created_at_ms.to_le_bytes());
        for count in [self.len(), self.columns, self.id_text.len()] {
            body.extend(u32::try_from(count).expect("is limited when it is built").to_le_bytes());
        }
        put(&mut body, &self.id_ends, |end| end.to_le_bytes());
        body.extend(self.id_text.as_bytes());
        put(&mut body, &self.valid_from_ms, |time| time.to_le_bytes());
        put(&mut body, &self.valid_to_ms, |time| time.to_le_bytes());
        put(&mut body, &self.budget_left, |budget| budget.to_le_bytes());
        put(&mut body, &self.regions, |regions| regions.to_le_bytes());
        put(&mut body, &self.category, |category| category.to_le_bytes());
        put(&mut body, &self.features, |feature| feature.to_le_bytes());

        let mut packed = Vec::with_capacity(16 + body.len());
        packed.extend(MAGIC);
        packed.extend(FORMAT_VERSION.to_le_bytes());
        packed.extend(crc32fast::hash(&body).to_le_bytes());
        packed.extend(body);
        packed
    }

    /// Reads the packed form of a catalogue of this schema. Whatever the bytes are, what comes out can be used.
    ///
    /// # Errors
    /// [`PackedError`]
    pub fn from_bytes(packed: &[u8], schema: &CatalogueSchema) -> Result<Self, PackedError> {
        let mut reader = Reader(packed);
        if reader.array() != Ok(*MAGIC) || reader.number() != Ok(FORMAT_VERSION) {
            return Err(PackedError::NotACatalogue);
        }
        if reader.number()? != crc32fast::hash(reader.0) {
            return Err(damaged("its checksum is another"));
        }
        if reader.array()? != schema.fingerprint {
            return Err(PackedError::OtherSchema);
        }
        let created_at_ms = i64::from_le_bytes(reader.array()?);
        let [len, columns, text_len] =
            [reader.number()?, reader.number()?, reader.number()?].map(|count| count as usize);
        if len > MOST_OFFERS || columns != schema.columns {
            return Err(damaged("its counts cannot be"));
        }
        let id_ends = reader.list(len, u32::from_le_bytes)?;
        let id_text = std::str::from_utf8(reader.take(text_len)?).map_err(|_| damaged("an id is not UTF-8"))?;
        let catalogue = Self {
            created_at_ms,
            id_text: id_text.to_owned(),
            id_ends,
            valid_from_ms: reader.list(len, i64::from_le_bytes)?,
            valid_to_ms: reader.list(len, i64::from_le_bytes)?,
            budget_left: reader.list(len, f64::from_le_bytes)?,
            regions: reader.list(len, u64::from_le_bytes)?,
            category: reader.list(len, u16::from_le_bytes)?,
            columns,
            features: reader.list(len * columns, f32::from_le_bytes)?,
        };
        if !reader.0.is_empty() {
            return Err(damaged("it goes on behind its end"));
        }
        catalogue.check(schema)?;
        Ok(catalogue)
    }

    /// What else the code that uses it relies on.
    fn check(&self, schema: &CatalogueSchema) -> Result<(), PackedError> {
        let mut previous: Option<&str> = None;
        let mut start = 0;
        for &end in &self.id_ends {
            let id = self
                .id_text
                .get(start..end as usize)
                .ok_or_else(|| damaged("an id has no place"))?;
            if id.is_empty() || previous.is_some_and(|previous| previous >= id) {
                return Err(damaged("its ids do not increase"));
            }
            (previous, start) = (Some(id), end as usize);
        }
        if start != self.id_text.len() {
            return Err(damaged("it has a text that is no id"));
        }
        let is_known =
            |&category: &u16| category == NO_CATEGORY || usize::from(category) < schema.spec.categories.len();
        if !self.category.iter().all(is_known) {
            return Err(damaged("it has an unknown category"));
        }
        Ok(())
    }
}

fn put<T: Copy, const BYTES: usize>(packed: &mut Vec<u8>, values: &[T], to_bytes: fn(T) -> [u8; BYTES]) {
    packed.extend(values.iter().flat_map(|&value| to_bytes(value)));
}

/// The bytes that are not read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], PackedError> {
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .ok_or_else(|| damaged("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], PackedError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(|| damaged("it ends too early"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u32, PackedError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Takes no memory before it is known that the values are there.
    fn list<T, const BYTES: usize>(
        &mut self,
        len: usize,
        from_bytes: fn([u8; BYTES]) -> T,
    ) -> Result<Vec<T>, PackedError> {
        let bytes = self.take(len * BYTES)?;
        let (values, _) = bytes.as_chunks::<BYTES>();
        Ok(values.iter().map(|&value| from_bytes(value)).collect())
    }
}
