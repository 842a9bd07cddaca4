//! Sizes as Kubernetes writes quantities: `512Mi`, `1G`, `67108864`.

/// Bytes of a quantity.
///
/// # Errors
/// What is wrong with it, for the command line's message.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("{text:?} does not start with a whole number"))?;
    let factor: u64 = match unit {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err(format!("{unit:?} is no unit; use k, M, G, Ki, Mi or Gi")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too large"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn quantities_are_bytes() {
        assert_eq!(parse("64Mi"), Ok(64 << 20));
        assert_eq!(parse("1G"), Ok(1_000_000_000));
        assert_eq!(parse("4096"), Ok(4096));
        for wrong in ["", "Mi", "64MB", "-1", "99999999999Gi", "1.5Gi"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
