//! Numbers of a list.

/// The sum; 0 for an empty list.
pub fn sum(numbers: &[f64]) -> f64 {
    numbers.iter().sum()
}

/// The smallest number; an empty list has none.
pub fn smallest(numbers: &[f64]) -> Option<f64> {
    numbers.iter().copied().reduce(f64::min)
}

/// The largest number; an empty list has none.
pub fn largest(numbers: &[f64]) -> Option<f64> {
    numbers.iter().copied().reduce(f64::max)
}
