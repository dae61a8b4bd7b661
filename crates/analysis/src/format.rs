//! Numbers as people read them.

/// A whole number with a comma between thousands: `27,179,136`.
pub(crate) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rounded number with a comma between thousands and a true minus.
pub(crate) fn signed_thousands(value: f64) -> String {
    let size = thousands(value.abs().round() as u64);
    if value < 0.0 && size != "0" { format!("−{size}") } else { size }
}

/// A number with an explicit sign and a true minus: `+0.314`, `−0.089`; zero has no sign.
pub(crate) fn signed(value: f64, decimals: usize) -> String {
    let size = format!("{:.decimals$}", value.abs());
    let is_zero = size.chars().all(|c| matches!(c, '0' | '.'));
    let sign = match value {
        _ if is_zero => "",
        v if v < 0.0 => "−",
        _ => "+",
    };
    format!("{sign}{size}")
}

/// The change from `from` to `to` in percent: `−21 %`; one decimal below ten percent.
pub(crate) fn percent_change(from: u64, to: u64) -> Option<String> {
    if from == 0 {
        return None;
    }
    let percent = (to as f64 / from as f64 - 1.0) * 100.0;
    Some(format!("{} %", signed(percent, if percent.abs() < 9.95 { 1 } else { 0 })))
}

/// A duration in two units at most: `45 s`, `36.3 min`, `2 h 05 min`, `3 d 04 h`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = |unit: f64| (seconds / unit).round() as u64;
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 59.5 => format!("{s:.0} s"),
        s if s < 3597.0 => format!("{:.1} min", s / 60.0),
        s if s < 86_370.0 => format!("{} h {:02} min", whole(60.0) / 60, whole(60.0) % 60),
        _ => format!("{} d {:02} h", whole(3600.0) / 24, whole(3600.0) % 24),
    }
}

/// Three significant digits, without a decimal point where there is nothing to put behind it: `8.31`, `54.2`, `1,234`.
pub(crate) fn three_digits(value: f64) -> String {
    match value.abs() {
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => signed_thousands(value),
    }
}

/// The noun with its number, in the plural where it belongs: `1 run`, `5 runs`.
pub(crate) fn plural(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number as u64), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let texts = [0, 999, 1000, 27_179_136].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "27,179,136"]);
    }

    #[test]
    fn zero_has_no_sign() {
        let texts = [-0.0004, 0.0, -0.0006, 1.5].map(|value| signed(value, 3));
        assert_eq!(texts, ["0.000", "0.000", "−0.001", "+1.500"]);
    }

    #[test]
    fn changes_are_in_percent() {
        // 21,535,872 / 27,179,136 = 0.79237; 27,176,064 / 27,179,136 = 0.99989
        assert_eq!(percent_change(27_179_136, 21_535_872).as_deref(), Some("−21 %"));
        assert_eq!(percent_change(27_179_136, 27_176_064).as_deref(), Some("0.0 %"));
        assert_eq!(percent_change(100, 107).as_deref(), Some("+7.0 %"));
        assert_eq!(percent_change(0, 107), None);
    }

    #[test]
    fn durations_carry_into_the_next_unit() {
        let texts = [0.25, 9.97, 59.6, 3599.0, 7259.0, 86_399.0, 270_000.0].map(duration);
        assert_eq!(texts, ["0.2 s", "10 s", "1.0 min", "1 h 00 min", "2 h 01 min", "1 d 00 h", "3 d 03 h"]);
    }

    #[test]
    fn three_digits_are_enough() {
        assert_eq!([8.314, 54.16, 99.96, 1234.4].map(three_digits), ["8.31", "54.2", "100", "1,234"]);
    }
}
