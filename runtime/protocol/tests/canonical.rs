//! One value, one form: what is written is read back, and nothing else is.

mod arbitrary;

use arbitrary::{envelope, sample};
use bytes::Bytes;
use foureyes_protocol::{
    Digest, Envelope, Kind, Sealed,
    canonical::{self, CanonicalError, MAX_DEPTH, MAX_ITEMS},
    envelope::{MAX_BYTES, OpenError, VERSION},
};
use proptest::prelude::*;

fn open(bytes: Vec<u8>) -> Result<Envelope, OpenError> {
    Sealed::of_bytes(Bytes::from(bytes)).open(MAX_BYTES)
}

fn canonical_error(bytes: Vec<u8>) -> CanonicalError {
    match open(bytes) {
        Err(OpenError::Canonical(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The sample with `from` replaced by `to`, once.
fn patched(from: &[u8], to: &[u8]) -> Vec<u8> {
    let bytes = canonical::to_bytes(&sample());
    let at = bytes.windows(from.len()).position(|w| w == from).expect("the sample holds it");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[test]
fn the_form_of_an_envelope_does_not_change() {
    insta::assert_snapshot!(hex::encode(canonical::to_bytes(&sample())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_envelope_is_read_back(envelope in envelope()) {
        let sealed = envelope.seal();
        prop_assert_eq!(sealed.open(MAX_BYTES), Ok(envelope.clone()));
        prop_assert_eq!(sealed, envelope.seal());
    }
}

#[test]
fn every_kind_is_read_back() {
    for kind in Kind::ALL {
        let body = arbitrary::body_of(*kind);
        assert_eq!(body.kind(), *kind);
        let envelope = Envelope { kind: *kind, body, ..sample() };
        assert_eq!(envelope.seal().open(MAX_BYTES), Ok(envelope), "{kind}");
    }
}

#[test]
fn a_cut_at_any_byte_is_refused() {
    let bytes = canonical::to_bytes(&sample());
    for at in 0..bytes.len() {
        assert_eq!(canonical_error(bytes[..at].to_vec()), CanonicalError::Truncated, "at {at}");
    }
}

#[test]
fn random_flips_never_panic_and_never_pass_for_the_same() {
    let sealed = sample().seal();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..100_000 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let mut bytes = sealed.bytes.to_vec();
        let at = seed as usize % bytes.len();
        bytes[at] ^= 1 << (seed >> 60 & 7);
        // Under its own hash it opens only as another value, and only in that value's one form.
        if let Ok(other) = canonical::from_bytes::<Envelope>(&bytes, MAX_BYTES) {
            assert_ne!(other, sample());
            assert_eq!(canonical::to_bytes(&other), bytes);
        }
        if seed.is_multiple_of(64) {
            let kept = Sealed { bytes: bytes.into(), hash: sealed.hash };
            assert_eq!(kept.open(MAX_BYTES), Err(OpenError::Hash));
        }
    }
}

#[test]
fn what_follows_the_value_is_refused() {
    let bytes = [canonical::to_bytes(&sample()), vec![0xc0, 0xc0]].concat();
    assert_eq!(canonical_error(bytes), CanonicalError::Trailing(2));
}

#[test]
fn an_unknown_key_is_refused() {
    let mut bytes = canonical::to_bytes(&sample());
    // One more item: `x` = nil.
    assert_eq!(bytes[0], 0xde);
    bytes[2] += 1;
    bytes.extend([0xa1, b'x', 0xc0]);
    assert!(matches!(canonical_error(bytes), CanonicalError::Decode(e) if e.contains("unknown field")));
}

#[test]
fn swapped_keys_are_refused() {
    // `epoch` before `run`: the same value in another order.
    let bytes = canonical::to_bytes(&sample());
    let run = bytes.windows(4).position(|w| w == b"\xa3run").unwrap();
    let epoch = bytes.windows(6).position(|w| w == b"\xa5epoch").unwrap();
    let id = bytes.windows(3).position(|w| w == b"\xa2id").unwrap();
    let swapped = [&bytes[..run], &bytes[epoch..id], &bytes[run..epoch], &bytes[id..]].concat();
    assert_eq!(canonical_error(swapped), CanonicalError::NotCanonical);
}

#[test]
fn a_missing_and_a_repeated_key_are_refused() {
    let bytes = canonical::to_bytes(&sample());
    let seq = bytes.windows(4).position(|w| w == b"\xa3seq").unwrap();
    let sent = bytes.windows(8).position(|w| w == b"\xa7sent_at").unwrap();
    let mut missing = [&bytes[..seq], &bytes[sent..]].concat();
    missing[2] -= 1;
    assert!(matches!(canonical_error(missing), CanonicalError::Decode(_)));
    let mut twice = [&bytes[..sent], &bytes[seq..]].concat();
    twice[2] += 1;
    assert!(matches!(canonical_error(twice), CanonicalError::Decode(_)));
}

#[test]
fn wider_integers_and_longer_texts_than_needed_are_refused() {
    // `seq` is 7, `kind` is a short text.
    let wide: [(&[u8], &[u8]); 5] = [
        (b"\xa3seq\x07", b"\xa3seq\xcc\x07"),
        (b"\xa3seq\x07", b"\xa3seq\xcd\x00\x07"),
        (b"\xa3seq\x07", b"\xa3seq\xd0\x07"),
        (b"\xa3seq\x07", b"\xa3seq\xcf\x00\x00\x00\x00\x00\x00\x00\x07"),
        (b"\xa4kind\xac", b"\xa4kind\xd9\x0c"),
    ];
    for (from, to) in wide {
        assert_eq!(canonical_error(patched(from, to)), CanonicalError::NotCanonical, "{to:?}");
    }
}

#[test]
fn floats_extensions_and_the_reserved_byte_are_refused() {
    for (type_byte, payload) in [
        (0xc1_u8, 0_usize),
        (0xca, 4),
        (0xcb, 8),
        (0xd4, 2),
        (0xd5, 3),
        (0xd6, 5),
        (0xd7, 9),
        (0xd8, 17),
        (0xc7, 2),
        (0xc8, 3),
        (0xc9, 5),
    ] {
        let mut value = vec![type_byte];
        value.resize(1 + payload, 0);
        let to = [b"\xa3seq".as_slice(), &value].concat();
        assert_eq!(canonical_error(patched(b"\xa3seq\x07", &to)), CanonicalError::Type(type_byte));
    }
}

#[test]
fn a_structure_as_an_array_is_refused() {
    let text = foureyes_protocol::body::Answer { text: "yes".to_owned() };
    let as_array = [0x91, 0xa3, b'y', b'e', b's'];
    let read = canonical::from_bytes::<foureyes_protocol::body::Answer>(&as_array, 100);
    assert!(matches!(read, Err(CanonicalError::NotCanonical | CanonicalError::Decode(_))), "{read:?}");
    assert_eq!(canonical::from_bytes(&canonical::to_bytes(&text), 100), Ok(text));
}

#[test]
fn nesting_is_bounded() {
    for wrap in [0x91_u8, 0x81] {
        let deep = vec![wrap; 200_000];
        let error = canonical_error(deep);
        assert!(matches!(error, CanonicalError::TooDeep | CanonicalError::Type(_)), "{error:?}");
    }
    let mut just = vec![0x91; MAX_DEPTH];
    just.push(0xc0);
    assert!(!matches!(canonical_error(just), CanonicalError::TooDeep));
    let mut over = vec![0x91; MAX_DEPTH + 1];
    over.push(0xc0);
    assert_eq!(canonical_error(over), CanonicalError::TooDeep);
}

#[test]
fn many_items_are_refused_by_their_count_alone() {
    let bomb = |head: &[u8]| [head, &vec![0xc0; 1_000_000]].concat();
    assert_eq!(canonical_error(bomb(&[0xdd, 0, 0x0f, 0x42, 0x40])), CanonicalError::TooManyItems(1_000_000));
    assert_eq!(canonical_error(bomb(&[0xdf, 0, 0x0f, 0x42, 0x40])), CanonicalError::TooManyItems(1_000_000));
    let over = u16::try_from(MAX_ITEMS + 1).unwrap().to_be_bytes();
    assert_eq!(canonical_error(bomb(&[0xdc, over[0], over[1]])), CanonicalError::TooManyItems(MAX_ITEMS + 1));
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    for head in [[0xdb_u8, 0xff, 0xff, 0xff, 0xff], [0xc6, 0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(canonical_error(head.to_vec()), CanonicalError::Truncated);
    }
    for head in [[0xdd_u8, 0xff, 0xff, 0xff, 0xff], [0xdf, 0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(canonical_error(head.to_vec()), CanonicalError::TooManyItems(0xffff_ffff));
    }
    assert_eq!(canonical_error(vec![0xdc, 0x10, 0x00]), CanonicalError::Truncated);
}

#[test]
fn size_is_checked_before_everything_else() {
    let bytes = canonical::to_bytes(&sample());
    let limit = bytes.len();
    let sealed = Sealed { bytes: bytes.into(), hash: Digest::of(b"other") };
    assert_eq!(sealed.open(limit), Err(OpenError::Hash));
    let too_large = CanonicalError::TooLarge { found: limit, limit: limit - 1 };
    assert_eq!(sealed.open(limit - 1), Err(too_large.into()));
    let ten_mib = Sealed::of_bytes(vec![0; 10 << 20].into());
    assert!(matches!(ten_mib.open(MAX_BYTES), Err(OpenError::Canonical(CanonicalError::TooLarge { .. }))));
}

#[test]
fn other_versions_are_named_and_not_guessed() {
    assert_eq!(VERSION, 1);
    for (version, bytes) in
        [(0_u8, vec![0xa1, b'v', 0]), (2, vec![0xa1, b'v', 2]), (255, vec![0xa1, b'v', 0xcc, 255])]
    {
        assert_eq!(open(patched(&[0xa1, b'v', 1], &bytes)), Err(OpenError::Version(version)));
    }
}

#[test]
fn a_kind_over_another_body_is_refused() {
    let envelope = Envelope { kind: Kind::Freeze, ..sample() };
    assert_eq!(envelope.seal().open(MAX_BYTES), Err(OpenError::Kind(Kind::Freeze, Kind::StatusReport)));
}

#[test]
fn an_unknown_kind_is_refused() {
    let error = canonical_error(patched(b"\xa4kind\xacStatusReport", b"\xa4kind\xacStatusRepart"));
    assert!(matches!(error, CanonicalError::Decode(_)));
}

#[test]
fn names_that_are_no_names_are_refused() {
    for bad in [
        b"\xa4from\xa5DEV-A".as_slice(),
        b"\xa4from\xa5dev\x00a",
        b"\xa4from\xa5\xef\xbb\xbfaa",
        b"\xa4from\xa5\xed\xa0\x80aa",
        b"\xa4from\xa5\xff\xfeaaa",
        b"\xa4from\xa5-deva",
    ] {
        let error = canonical_error(patched(b"\xa4from\xa5dev-a", bad));
        assert!(matches!(error, CanonicalError::Decode(_)), "{bad:?}: {error:?}");
    }
}

#[test]
fn labels_in_another_order_or_twice_are_refused() {
    // The sample carries two labels; a set has one order.
    let labels = b"\x92\xa5agent\xabtool_output";
    let swapped = patched(labels, b"\x92\xabtool_output\xa5agent");
    assert_eq!(canonical_error(swapped), CanonicalError::NotCanonical);
    let twice = patched(labels, b"\x93\xa5agent\xa5agent\xabtool_output");
    assert_eq!(canonical_error(twice), CanonicalError::NotCanonical);
}

#[test]
fn it_expires_at_its_time_and_not_before() {
    let envelope = Envelope { expires_at: Some(100), ..sample() };
    assert!(!envelope.expired(99) && envelope.expired(100));
    assert!(!Envelope { expires_at: None, ..envelope }.expired(u64::MAX));
}
