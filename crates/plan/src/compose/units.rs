//! Durations, sizes and numbers as people write them.

/// A duration such as `1m30s`, `500ms` or `2h`, in milliseconds (the format of
/// Go's `time.ParseDuration`, with `d` and `w` for days and weeks beside it, as Docker Compose has it).
pub(super) fn duration_ms(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit_ms = match &rest[..end] {
            "ns" => 0.000_001,
            "us" | "µs" => 0.001,
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => 86_400_000.0,
            "w" => 604_800_000.0,
            _ => return None,
        };
        total += number * unit_ms;
        rest = &rest[end..];
    }
    to_u64(total).filter(|_| !text.is_empty())
}

/// A size such as `512m`, `1.5gb` or `64KiB`, in bytes; units count by 1024, as Docker's do.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1_u64,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        "p" | "pb" | "pib" => 1 << 50,
        _ => return None,
    };
    #[expect(clippy::cast_precision_loss, reason = "the factors are powers of two: exact")]
    to_u64(number * factor as f64)
}

/// A share of cores such as `0.5`, in billionths.
pub(super) fn nano_cpus(text: &str) -> Option<u64> {
    let cores: f64 = text.parse().ok()?;
    to_u64(cores * 1e9)
}

/// The nearest whole number, where there is one that is exact enough to be meant.
fn to_u64(value: f64) -> Option<u64> {
    // 2^53: beyond it a floating-point number skips whole ones.
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    (value.is_finite() && (0.0..=LARGEST_EXACT).contains(&value)).then(|| value.round() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("1.5h", Some(5_400_000)),
            ("0", Some(0)),
            ("10", None),
            ("", None),
            ("1w2d", Some(777_600_000)),
            ("1x", None),
            ("s", None),
            ("1e9s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration_ms(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            ("512m", Some(536_870_912)),
            ("1.5gb", Some(1_610_612_736)),
            ("64KiB", Some(65_536)),
            ("7", Some(7)),
            ("1q", None),
            ("-1", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), expected, "{text}");
        }
        assert_eq!(nano_cpus("0.5"), Some(500_000_000));
        assert_eq!(nano_cpus("inf"), None);
    }

    proptest! {
        #[test]
        fn whole_seconds_come_back(seconds in 0_u64..10_000_000) {
            prop_assert_eq!(duration_ms(&format!("{seconds}s")), Some(seconds * 1000));
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = (duration_ms(&text), bytes(&text), nano_cpus(&text));
        }
    }
}
