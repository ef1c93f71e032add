use std::fmt::Debug;
use std::hash::Hash;
use std::ops::{Add, AddAssign, Div, Neg};

/// The precision of thresholds, weights and inputs: `f32` or `f64`.
pub trait Scalar:
    Copy
    + Debug
    + Default
    + PartialEq
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Div<Output = Self>
    + Neg<Output = Self>
    + Send
    + Sync
    + 'static
{
    /// An integer of the same width, see [`Scalar::key`].
    type Key: Key;

    /// Not a number: nothing is greater than it, and it is greater than nothing.
    const NAN: Self;
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// One half, the threshold of probabilities.
    const HALF: Self;

    /// Whether this is not a number.
    fn is_nan(self) -> bool;
    /// The nearest value in single precision.
    fn to_f32(self) -> f32;
    /// The nearest value to a count.
    fn from_count(count: usize) -> Self;

    /// An integer in the order of the numbers: `a <= b` just when `a.key() <= b.key()`. Both zeros have the same key. Not for NaN.
    fn key(self) -> Self::Key;
    /// The number of a key.
    fn from_key(key: Self::Key) -> Self;
    /// The same bits as an integer.
    fn bits(self) -> Self::Key;
    /// The number of these bits.
    fn from_bits(bits: Self::Key) -> Self;

    /// The same numbers, if they are in single precision: for kernels that only have that.
    fn as_singles<const N: usize>(numbers: &[Self; N]) -> Option<&[f32; N]>;
    /// Like [`Scalar::as_singles`].
    fn as_singles_mut<const N: usize>(numbers: &mut [Self; N]) -> Option<&mut [f32; N]>;
}

/// An integer that numbers are compared as.
pub trait Key: Copy + Debug + Eq + Hash + Ord + Send + Sync + 'static {
    /// Below the keys of all numbers: a missing value for which every test holds.
    const LEAST: Self;
    /// Above the keys of all numbers: a missing value for which no test holds.
    const GREATEST: Self;

    /// The key of the next lower number.
    fn next_down(self) -> Self;
    /// The key of a small count.
    fn from_u32(count: u32) -> Self;
    /// The inverse of [`Key::from_u32`].
    fn to_u32(self) -> u32;
    /// The same key, if it is of a number in single precision: for kernels that only have that.
    fn as_single(self) -> Option<i32>;
    /// Appends the key to a file.
    fn write(self, out: &mut Vec<u8>);
    /// Reads what [`Key::write`] wrote, from a slice of [`Key::BYTES`].
    fn read(bytes: &[u8]) -> Self;
    /// How many bytes a key has in a file.
    const BYTES: usize;
}

macro_rules! scalar {
    ($float:ty, $key:ty, $bits:ty, $singles:expr, $singles_mut:expr, $single_key:expr) => {
        impl Scalar for $float {
            type Key = $key;

            const NAN: Self = <$float>::NAN;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const HALF: Self = 0.5;

            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }
            fn from_count(count: usize) -> Self {
                count as Self
            }
            #[inline(always)]
            fn key(self) -> $key {
                // Adding zero makes the negative zero a positive one.
                let bits = (self + 0.0).to_bits() as $key;
                // The negative numbers have their sign bit set and grow downwards.
                bits ^ ((bits >> (<$key>::BITS - 1)) as $bits >> 1) as $key
            }
            fn from_key(key: $key) -> Self {
                Self::from_bits((key ^ ((key >> (<$key>::BITS - 1)) as $bits >> 1) as $key) as $bits)
            }
            #[inline(always)]
            fn bits(self) -> $key {
                self.to_bits() as $key
            }
            #[inline(always)]
            fn from_bits(bits: $key) -> Self {
                <$float>::from_bits(bits as $bits)
            }
            #[inline(always)]
            fn as_singles<const N: usize>(numbers: &[Self; N]) -> Option<&[f32; N]> {
                $singles(numbers)
            }
            #[inline(always)]
            fn as_singles_mut<const N: usize>(numbers: &mut [Self; N]) -> Option<&mut [f32; N]> {
                $singles_mut(numbers)
            }
        }

        impl Key for $key {
            const LEAST: Self = <$key>::MIN;
            const GREATEST: Self = <$key>::MAX;
            const BYTES: usize = size_of::<$key>();

            fn next_down(self) -> Self {
                // Where the negative zero would be there is no key.
                if self == 0 { -2 } else { self - 1 }
            }
            fn from_u32(count: u32) -> Self {
                count as $key
            }
            #[inline(always)]
            fn to_u32(self) -> u32 {
                self as u32
            }
            #[inline(always)]
            fn as_single(self) -> Option<i32> {
                $single_key(self)
            }
            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn read(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$key>()];
                array.copy_from_slice(bytes);
                <$key>::from_le_bytes(array)
            }
        }
    };
}

scalar!(f32, i32, u32, Some, Some, Some);
scalar!(f64, i64, u64, |_| None, |_| None, |_| None);
