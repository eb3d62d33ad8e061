use slate::list::{largest, smallest, sum};

#[test]
fn sums() {
    assert_eq!(sum(&[1.5, 2.5, -1.0]), 3.0);
    assert_eq!(sum(&[]), 0.0);
}

#[test]
fn extremes() {
    assert_eq!(smallest(&[2.0, -3.0, 7.0]), Some(-3.0));
    assert_eq!(largest(&[2.0, -3.0, 7.0]), Some(7.0));
}

#[test]
fn nothing_has_no_extremes() {
    assert_eq!(smallest(&[]), None);
    assert_eq!(largest(&[]), None);
}
