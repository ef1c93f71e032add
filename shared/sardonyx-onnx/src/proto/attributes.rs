//! Attributes of nodes, read strictly: an attribute of another type than the specification's is an error, not absent.

use std::fmt::Display;

use anyhow::{Result, bail};

use super::attribute_proto::AttributeType;
use super::{AttributeProto, NodeProto, TensorProto};

/// What an attribute can be read as.
pub(crate) trait AttributeValue<'a>: Sized {
    /// The type that the attribute must declare.
    const TYPE: AttributeType;

    /// The value of an attribute of this type.
    ///
    /// # Errors
    /// When it is none, as said by the text.
    fn read(attribute: &'a AttributeProto) -> Result<Self, String>;
}

impl AttributeValue<'_> for f32 {
    const TYPE: AttributeType = AttributeType::Float;

    fn read(attribute: &AttributeProto) -> Result<Self, String> {
        Ok(attribute.f.unwrap_or_default())
    }
}

impl AttributeValue<'_> for i64 {
    const TYPE: AttributeType = AttributeType::Int;

    fn read(attribute: &AttributeProto) -> Result<Self, String> {
        Ok(attribute.i)
    }
}

impl AttributeValue<'_> for i32 {
    const TYPE: AttributeType = AttributeType::Int;

    fn read(attribute: &AttributeProto) -> Result<Self, String> {
        Self::try_from(attribute.i).map_err(|_| format!("must have 32 bits, but is {}", attribute.i))
    }
}

impl AttributeValue<'_> for usize {
    const TYPE: AttributeType = AttributeType::Int;

    fn read(attribute: &AttributeProto) -> Result<Self, String> {
        Self::try_from(attribute.i).map_err(|_| format!("must not be negative, but is {}", attribute.i))
    }
}

impl AttributeValue<'_> for bool {
    const TYPE: AttributeType = AttributeType::Int;

    fn read(attribute: &AttributeProto) -> Result<Self, String> {
        match attribute.i {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(format!("must be 0 or 1, but is {other}")),
        }
    }
}

impl<'a> AttributeValue<'a> for &'a str {
    const TYPE: AttributeType = AttributeType::String;

    fn read(attribute: &'a AttributeProto) -> Result<Self, String> {
        text(&attribute.s)
    }
}

impl AttributeValue<'_> for String {
    const TYPE: AttributeType = AttributeType::String;

    fn read(attribute: &AttributeProto) -> Result<Self, String> {
        text(&attribute.s).map(Into::into)
    }
}

impl<'a> AttributeValue<'a> for &'a TensorProto {
    const TYPE: AttributeType = AttributeType::Tensor;

    fn read(attribute: &'a AttributeProto) -> Result<Self, String> {
        attribute.t.as_ref().ok_or_else(|| "has no tensor".into())
    }
}

impl<'a> AttributeValue<'a> for &'a [f32] {
    const TYPE: AttributeType = AttributeType::Floats;

    fn read(attribute: &'a AttributeProto) -> Result<Self, String> {
        Ok(&attribute.floats)
    }
}

impl<'a> AttributeValue<'a> for &'a [i64] {
    const TYPE: AttributeType = AttributeType::Ints;

    fn read(attribute: &'a AttributeProto) -> Result<Self, String> {
        Ok(&attribute.ints)
    }
}

impl AttributeValue<'_> for Vec<String> {
    const TYPE: AttributeType = AttributeType::Strings;

    fn read(attribute: &AttributeProto) -> Result<Self, String> {
        let texts = attribute.strings.iter();
        texts.map(|bytes| text(bytes).map(Into::into)).collect()
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "must be UTF-8".into())
}

impl NodeProto {
    /// The attribute of this name, whatever its type.
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// The value of an attribute that may be left out.
    ///
    /// # Errors
    /// When it has another type, or a value that this type does not have.
    pub(crate) fn optional<'a, T: AttributeValue<'a>>(&'a self, name: &str) -> Result<Option<T>> {
        let Some(attribute) = self.attribute(name) else {
            return Ok(None);
        };
        if attribute.r#type != T::TYPE as i32 {
            let found = AttributeType::try_from(attribute.r#type).unwrap_or(AttributeType::Undefined);
            return self.refuse(name, format_args!("must be of the type {:?}, not {found:?}", T::TYPE));
        }
        T::read(attribute)
            .map(Some)
            .or_else(|problem| self.refuse(name, problem))
    }

    /// The value of an attribute that must be there.
    ///
    /// # Errors
    /// When it is not, has another type, or a value that this type does not have.
    pub(crate) fn required<'a, T: AttributeValue<'a>>(&'a self, name: &str) -> Result<T> {
        match self.optional(name)? {
            Some(value) => Ok(value),
            None => self.refuse(name, "is missing"),
        }
    }

    /// The error of an attribute with a wrong value.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn refuse<T>(&self, attribute: &str, problem: impl Display) -> Result<T> {
        self.fail(format_args!("attribute {attribute:?}: {problem}"))
    }

    /// Refuses an attribute unless a condition holds.
    ///
    /// # Errors
    /// When it does not, with what is expected.
    pub(crate) fn expect(&self, attribute: &str, holds: bool, expected: impl Display) -> Result<()> {
        if holds {
            return Ok(());
        }
        self.refuse(attribute, format_args!("expected {expected}"))
    }

    /// The error of this node.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn fail<T>(&self, problem: impl Display) -> Result<T> {
        bail!("the node {:?} ({}): {problem}", self.name, self.op_type)
    }
}
