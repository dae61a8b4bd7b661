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

/// The unit of all durations in a table or plot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TimeUnit {
    /// `minutes`
    pub(crate) name: &'static str,
    /// Its length.
    pub(crate) seconds: f64,
}

impl TimeUnit {
    /// The one in which the longest is a handy number.
    pub(crate) fn of(longest: f64) -> Self {
        match longest {
            longest if longest < 180.0 => Self { name: "seconds", seconds: 1.0 },
            longest if longest < 5.0 * 3600.0 => Self { name: "minutes", seconds: 60.0 },
            _ => Self { name: "hours", seconds: 3600.0 },
        }
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

/// `0.031`, `< 0.001`.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
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
    fn the_longest_time_gives_the_unit_of_all() {
        let units = [0.0, 179.0, 181.0, 17_999.0, 1e6].map(|longest| TimeUnit::of(longest).name);
        assert_eq!(units, ["seconds", "seconds", "minutes", "minutes", "hours"]);
    }

    #[test]
    fn three_digits_are_enough() {
        assert_eq!([8.314, 54.16, 99.96, 1234.4].map(three_digits), ["8.31", "54.2", "100", "1,234"]);
    }
}
