use std::fmt::Debug;
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
    /// Not a number.
    const NAN: Self;
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// One half, the threshold of probabilities.
    const HALF: Self;
    /// Negative infinity.
    const NEG_INFINITY: Self;

    /// Whether this is not a number.
    fn is_nan(self) -> bool;
    /// The greatest value below this one.
    fn next_down(self) -> Self;
    /// The nearest value in single precision.
    fn to_f32(self) -> f32;
    /// The nearest value to a count.
    fn from_count(count: usize) -> Self;
}

macro_rules! scalar {
    ($type:ty) => {
        impl Scalar for $type {
            const NAN: Self = <$type>::NAN;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const HALF: Self = 0.5;
            const NEG_INFINITY: Self = <$type>::NEG_INFINITY;

            fn is_nan(self) -> bool {
                self.is_nan()
            }
            fn next_down(self) -> Self {
                self.next_down()
            }
            fn to_f32(self) -> f32 {
                self as f32
            }
            fn from_count(count: usize) -> Self {
                count as Self
            }
        }
    };
}

scalar!(f32);
scalar!(f64);
