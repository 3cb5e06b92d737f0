//! From samples to figures.

use std::time::Duration;

/// A duration in milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// A quantile of samples, 0 to 1, by the nearest rank; not a number where there are none.
pub(crate) fn quantile(samples: &[f64], at: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    // The number of samples is far below what a float holds exactly.
    let Ok(last) = u32::try_from(sorted.len().saturating_sub(1)) else { return f64::NAN };
    let rank = (0..=last).find(|rank| f64::from(*rank) >= at * f64::from(last)).unwrap_or(last);
    let index = usize::try_from(rank).unwrap_or(usize::MAX);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// A line of the report's table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// What is wanted, in words.
    pub(crate) target: &'static str,
    /// The unit of the figures.
    pub(crate) unit: &'static str,
    /// One figure a round.
    pub(crate) samples: Vec<f64>,
}

impl Row {
    /// A row without figures.
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, target: &'static str) -> Self {
        Self { what: what.into(), target, unit, samples: Vec::new() }
    }

    /// The row as a line of a Markdown table.
    pub(crate) fn line(&self) -> String {
        let at = |quantile_at| {
            let value = quantile(&self.samples, quantile_at);
            let digits = if value == 0.0 || value >= 100.0 {
                0
            } else if value >= 1.0 {
                1
            } else {
                3
            };
            format!("{value:.digits$}")
        };
        format!(
            "| {} | {} {} | {} to {} | {} | {} |",
            self.what,
            at(0.5),
            self.unit,
            at(0.0),
            at(1.0),
            self.samples.len(),
            self.target
        )
    }
}

/// The head of the table.
pub(crate) const HEAD: [&str; 2] =
    ["| what | median | from, to | samples | target |", "|---|---|---|---|---|"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_sample_of_that_rank() {
        let samples: Vec<f64> = (1..=101).map(f64::from).collect();
        let at = |quantile_at| quantile(&samples, quantile_at).to_string();
        assert_eq!([at(0.0), at(0.5), at(0.99), at(1.0)], ["1", "51", "100", "101"]);
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(quantile(&[7.0], 0.99).to_string(), "7");
    }
}
