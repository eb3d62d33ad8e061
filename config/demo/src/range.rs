//! Ranges of numbers.

/// A range that holds no number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmptyRange;

/// The number of the range `low..=high` that is nearest to `value`.
pub fn clamp(value: f64, low: f64, high: f64) -> Result<f64, EmptyRange> {
    Ok(value.max(low).min(high))
}
