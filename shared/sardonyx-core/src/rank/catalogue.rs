use std::fmt;

use sha2::{Digest, Sha256};

use crate::hashed::hex;

use super::schema::CatalogueSchema;

/// The most offers that a catalogue holds.
pub const MOST_OFFERS: usize = 50_000;

/// The number of an offer that has no category.
pub(super) const NO_CATEGORY: u16 = u16::MAX;

/// Identifies a packed catalogue by its bytes: the first 16 hexadecimal digits of their SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CatalogueId(String);

impl CatalogueId {
    const DIGITS: usize = 16;

    /// The id of a packed catalogue.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)[..Self::DIGITS / 2]))
    }

    /// The id that is written so; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == Self::DIGITS && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CatalogueId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The offers of a model, ready to be filtered and scored. An offer is a number here, from 0 up in the order of the ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue {
    /// When it was packed, in milliseconds since the Unix epoch.
    pub(super) created_at_ms: i64,
    /// The ids one after the other, increasing.
    pub(super) id_text: String,
    /// The end of each id in that text.
    pub(super) id_ends: Vec<u32>,
    /// From when on each offer may be shown, in milliseconds since the Unix epoch.
    pub(super) valid_from_ms: Vec<i64>,
    /// From when on each offer may be shown no more.
    pub(super) valid_to_ms: Vec<i64>,
    /// How much of each offer's budget is left; infinity where there is none.
    pub(super) budget_left: Vec<f64>,
    /// The regions of each offer, a bit for each region of the manifest.
    pub(super) regions: Vec<u64>,
    /// The category of each offer, by its place in the manifest.
    pub(super) category: Vec<u16>,
    /// How many columns of the model's input an offer fills.
    pub(super) columns: usize,
    /// These columns, encoded: [offers, columns], f32, row-major, in the order of the input.
    pub(super) features: Vec<f32>,
}

/// What a request asks of an offer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Eligibility {
    /// The bit of the region; 0 asks for none.
    pub(super) region: u64,
    /// For each category of the manifest whether an offer may be of it; `None` takes all, and those that have none.
    pub(super) categories: Option<Vec<bool>>,
    /// The ids of the offers that must not be shown.
    pub(super) excluded: Vec<String>,
}

impl Catalogue {
    /// How many offers there are.
    pub fn len(&self) -> usize {
        self.id_ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whole seconds since it was packed; 0 for one from ahead of this clock.
    pub fn age_seconds(&self, now_ms: i64) -> u64 {
        u64::try_from(now_ms.saturating_sub(self.created_at_ms)).unwrap_or(0) / 1000
    }

    /// The id of an offer.
    pub(super) fn offer_id(&self, offer: usize) -> &str {
        let start = offer.checked_sub(1).map_or(0, |before| self.id_ends[before] as usize);
        &self.id_text[start..self.id_ends[offer] as usize]
    }

    /// The columns of an offer.
    pub(super) fn row(&self, offer: usize) -> &[f32] {
        &self.features[offer * self.columns..(offer + 1) * self.columns]
    }

    /// The offer of that id.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let mut range = 0..self.len();
        while !range.is_empty() {
            let middle = range.start + range.len() / 2;
            match self.offer_id(middle).cmp(id) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => range.start = middle + 1,
                std::cmp::Ordering::Greater => range.end = middle,
            }
        }
        None
    }

    /// The offers that may be shown now, increasing.
    pub(super) fn eligible(&self, wanted: &Eligibility, now_ms: i64) -> Vec<usize> {
        let mut excluded = vec![false; self.len()];
        for offer in wanted.excluded.iter().filter_map(|id| self.find(id)) {
            excluded[offer] = true;
        }
        let is_wanted = |category: u16| match &wanted.categories {
            None => true,
            Some(categories) => categories.get(usize::from(category)).copied().unwrap_or(false),
        };
        let is_eligible = |&offer: &usize| {
            self.valid_from_ms[offer] <= now_ms
                && now_ms < self.valid_to_ms[offer]
                && self.budget_left[offer] > 0.0
                && self.regions[offer] & wanted.region == wanted.region
                && is_wanted(self.category[offer])
                && !excluded[offer]
        };
        (0..self.len()).filter(is_eligible).collect()
    }

    /// Whether it is one of that schema, apart from the fingerprint, which only the packed form has.
    pub(super) fn fits(&self, schema: &CatalogueSchema) -> bool {
        self.columns == schema.columns
    }
}
