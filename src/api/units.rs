//! Durations ("30s", "1m 30s") and sizes ("256Mi", "4Gi", "1e6") in the forms that people know from Kubernetes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is no duration or size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// The text is no duration: a number with a unit, or several of them.
    #[error("`{0}` is not a duration: write a number and a unit, like 500ms, 30s or 5m")]
    Duration(String),
    /// The text is no quantity of bytes as Kubernetes writes them.
    #[error("`{0}` is not a size: write a number of bytes, alone or with Ki, Mi, Gi, Ti, k, M, G or T")]
    Size(String),
}

/// A time to wait, written like `500ms` or `1m 30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(u64);

impl Span {
    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl Quantity {
    /// So many mebibytes.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        humantime::parse_duration(text.trim()).map(Self).map_err(|_| UnitError::Duration(text.to_owned()))
    }
}

impl FromStr for Quantity {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_size(text.trim()).map(Self).ok_or_else(|| UnitError::Size(text.to_owned()))
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit {
        "" => 1,
        "k" | "K" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        exponent => 10u64.checked_pow(exponent.strip_prefix(['e', 'E'])?.parse().ok()?)?,
    };
    match number.split_once('.') {
        None => number.parse::<u64>().ok()?.checked_mul(factor),
        Some((whole, fraction)) => {
            let scale = 10u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
            let tail = fraction.parse::<u64>().ok()?.checked_mul(factor)? / scale;
            whole.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(tail)
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1u64 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
        match units.iter().find(|(size, _)| self.0 >= *size && self.0.is_multiple_of(*size)) {
            Some((size, unit)) => write!(f, "{}{unit}", self.0 / size),
            None => self.0.fmt(f),
        }
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // Numbers are taken as the text that they are in YAML.
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a number with a unit")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$type, E> {
                        number.to_string().parse().map_err(E::custom)
                    }

                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$type, E> {
                        number.to_string().parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }
    };
}

as_text!(Span);
as_text!(Quantity);

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let units = "nsec|ns|usec|us|msec|millis|ms|seconds|second|sec|secs|s|minutes|minute|min|mins|m|hours|hour|hrs|hr|h";
        json_schema!({"type": "string", "maxLength": 64, "pattern": format!("^([0-9]+ *({units}) *)+$")})
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A bare number is taken as well, as everywhere in Kubernetes; a pattern looks at texts only.
        let pattern = "^[0-9]+(\\.[0-9]+)?(k|K|M|G|T|Ki|Mi|Gi|Ti|[eE][0-9]+)?$";
        json_schema!({"x-kubernetes-int-or-string": true, "maxLength": 32, "pattern": pattern})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_kubernetes_writes_them() {
        let cases = [
            ("256Mi", 256 << 20),
            ("4Gi", 4 << 30),
            ("1500k", 1_500_000),
            ("1.5Gi", 3 << 29),
            ("2e3", 2000),
            ("7", 7),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse::<Quantity>().unwrap().bytes(), bytes, "{text}");
        }
        for text in ["", "Mi", "-1", "1.2.3", "99999999999Ti", "1 Mi", "12e99", "1.99999999999999999999"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
        assert_eq!("256Mi".parse::<Quantity>().unwrap().to_string(), "256Mi");
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!("1m 30s".parse::<Span>().unwrap().duration().as_secs(), 90);
        assert!("30".parse::<Span>().unwrap_err().to_string().contains("30s"));
    }
}
