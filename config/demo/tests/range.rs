use slate::range::clamp;

#[test]
fn inside_stays() {
    assert_eq!(clamp(5.0, 1.0, 9.0), Ok(5.0));
}

#[test]
fn outside_goes_to_the_nearest_end() {
    assert_eq!(clamp(0.0, 1.0, 9.0), Ok(1.0));
    assert_eq!(clamp(10.0, 1.0, 9.0), Ok(9.0));
}
