//! Numbers as ONNX Runtime casts them: what C++ leaves open is what x86-64 does.

use anyhow::{Result, bail};
use half::f16;

/// An element that can be cast.
pub(super) trait Number: Copy {
    fn to_bool(self) -> bool;
    fn to_i32(self) -> i32;
    fn to_i64(self) -> i64;
    fn to_u32(self) -> u32;
    fn to_u64(self) -> u64;
    fn to_f32(self) -> f32;
    fn to_f64(self) -> f64;
    fn to_text(self) -> String;
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl Number for $type {
            fn to_bool(self) -> bool {
                self != 0
            }
            fn to_i32(self) -> i32 {
                self as i32
            }
            fn to_i64(self) -> i64 {
                self as i64
            }
            fn to_u32(self) -> u32 {
                self as u32
            }
            fn to_u64(self) -> u64 {
                self as u64
            }
            fn to_f32(self) -> f32 {
                self as f32
            }
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn to_text(self) -> String {
                self.to_string()
            }
        })*
    };
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! floats {
    ($($type:ty, $digits:literal);*) => {
        $(impl Number for $type {
            fn to_bool(self) -> bool {
                self != 0.0
            }
            // A conversion that does not fit gives the least integer.
            fn to_i32(self) -> i32 {
                let whole = self.trunc();
                let fits = whole >= i32::MIN as $type && whole < -(i32::MIN as $type);
                if fits { whole as i32 } else { i32::MIN }
            }
            fn to_i64(self) -> i64 {
                let fits = self >= i64::MIN as $type && self < -(i64::MIN as $type);
                if fits { self as i64 } else { i64::MIN }
            }
            // There is no conversion to unsigned integers: the upper half is shifted down and back.
            fn to_u32(self) -> u32 {
                const HALF: $type = (1u32 << 31) as $type;
                if self < HALF || self.is_nan() {
                    self.to_i32() as u32
                } else {
                    (self - HALF).to_i32() as u32 ^ (1 << 31)
                }
            }
            fn to_u64(self) -> u64 {
                const HALF: $type = (1u64 << 63) as $type;
                if self < HALF || self.is_nan() {
                    self.to_i64() as u64
                } else {
                    (self - HALF).to_i64() as u64 ^ (1 << 63)
                }
            }
            fn to_f32(self) -> f32 {
                self as f32
            }
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn to_text(self) -> String {
                float_text(self as f64, $digits)
            }
        })*
    };
}

floats!(f32, 8; f64, 17);

macro_rules! through {
    ($type:ty, $self:ident => $number:expr) => {
        impl Number for $type {
            fn to_bool($self) -> bool {
                $number.to_bool()
            }
            fn to_i32($self) -> i32 {
                $number.to_i32()
            }
            fn to_i64($self) -> i64 {
                $number.to_i64()
            }
            fn to_u32($self) -> u32 {
                $number.to_u32()
            }
            fn to_u64($self) -> u64 {
                $number.to_u64()
            }
            fn to_f32($self) -> f32 {
                $number.to_f32()
            }
            fn to_f64($self) -> f64 {
                $number.to_f64()
            }
            fn to_text($self) -> String {
                $number.to_text()
            }
        }
    };
}

through!(bool, self => u8::from(self));
through!(f16, self => f32::from(self));

/// A float as C prints it by `%.{digits}g`.
fn float_text(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF".into() } else { "-INF".into() };
    }
    let scientific = format!("{:.*e}", digits - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..digits as i32).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        return without_trailing_zeros(&format!("{value:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_trailing_zeros(mantissa), exponent.abs())
}

fn without_trailing_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

pub(super) fn parse_float(text: &str) -> Result<f64> {
    match text.trim().parse() {
        Ok(value) => Ok(value),
        Err(_) => bail!("a text to cast is no number"),
    }
}

/// The integer at the beginning of a text.
pub(super) fn parse_integer(text: &str) -> Result<i128> {
    let text = text.trim_start();
    let signs = usize::from(text.starts_with(['+', '-']));
    let digits = text[signs..].bytes().take_while(u8::is_ascii_digit).count();
    match text[..signs + digits].parse() {
        Ok(value) => Ok(value),
        Err(_) => bail!("a text to cast is no integer"),
    }
}
