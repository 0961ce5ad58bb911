//! MD5 beside the crate `md-5`: every kernel, any number of lanes, lengths and divisions.

use causeway_digest::{Engine, Md5, update_together};
use md5::Digest;
use proptest::{collection::vec, prelude::*, sample::Index};

/// Miri runs each instruction some thousand times slower.
const CASES: u32 = if cfg!(miri) { 2 } else { 256 };

fn of(bytes: &[u8]) -> [u8; 16] {
    md5::Md5::digest(bytes).into()
}

/// RFC 1321, appendix A.5.
const SUITE: [(&str, &str); 7] = [
    ("", "d41d8cd98f00b204e9800998ecf8427e"),
    ("a", "0cc175b9c0f1b6a831c399e269772661"),
    ("abc", "900150983cd24fb0d6963f7d28e17f72"),
    ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
    ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
    (
        "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
        "57edf4a22be3c955ac49da2e2107b67a",
    ),
];

#[test]
fn the_test_suite_of_rfc_1321_passes_alone_and_in_lanes() {
    for (text, digest) in SUITE {
        let mut md5 = Md5::new();
        md5.update(text.as_bytes());
        assert_eq!(hex::encode(md5.finish()), digest, "{text}");
    }
    for engine in Engine::all() {
        let mut all = vec![Md5::new(); SUITE.len()];
        update_together(engine, &mut all, &SUITE.map(|(text, _)| text.as_bytes()));
        for (md5, (text, digest)) in all.into_iter().zip(SUITE) {
            assert_eq!(hex::encode(md5.finish()), digest, "{}: {text}", engine.name());
        }
    }
}

#[test]
fn every_kernel_gives_every_lane_its_own_digest() {
    let bodies: Vec<Vec<u8>> =
        (0..20u8).map(|lane| (0..64 * 3).map(|at: u8| at.wrapping_mul(31) ^ lane).collect()).collect();
    let all_numbers: Vec<usize> = (1..=bodies.len()).collect();
    let numbers = if cfg!(miri) { &[1, 2, 8, 17][..] } else { &all_numbers[..] };
    // Under Miri, the CPU has what the compiler was told that it has.
    let has_avx512 = Engine::all().iter().any(|engine| engine.name() == "avx512");
    assert!(has_avx512 || !cfg!(target_feature = "avx512f"));
    for engine in Engine::all() {
        for &lanes in numbers {
            let mut all = vec![Md5::new(); lanes];
            let bytes: Vec<&[u8]> = bodies[..lanes].iter().map(Vec::as_slice).collect();
            update_together(engine, &mut all, &bytes);
            for (lane, md5) in all.into_iter().enumerate() {
                assert_eq!(md5.finish(), of(bytes[lane]), "{} {lane} of {lanes}", engine.name());
            }
        }
    }
}

#[test]
fn every_length_around_the_padding_is_right() {
    let bytes: Vec<u8> = (0..=255).collect();
    for length in 0..=if cfg!(miri) { 70 } else { 256 } {
        let mut md5 = Md5::new();
        md5.update(&bytes[..length]);
        assert_eq!(md5.finish(), of(&bytes[..length]), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() })]

    #[test]
    fn pieces_are_the_whole(bytes in vec(any::<u8>(), 0..500), cuts in vec(any::<Index>(), 0..6)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut md5 = Md5::new();
        let mut from = 0;
        for cut in cuts {
            md5.update(&bytes[from..cut]);
            from = cut;
        }
        md5.update(&bytes[from..]);
        prop_assert_eq!(md5.finish(), of(&bytes));
    }

    #[test]
    fn lanes_of_any_lengths_fed_twice_have_their_own_digests(
        bodies in vec((vec(any::<u8>(), 0..700), any::<Index>()), 1..24),
    ) {
        for engine in Engine::all() {
            let halves = bodies.iter().map(|(body, cut)| body.split_at(cut.index(body.len() + 1)));
            let (first, second): (Vec<_>, Vec<_>) = halves.unzip();
            let mut all = vec![Md5::new(); bodies.len()];
            update_together(engine, &mut all, &first);
            update_together(engine, &mut all, &second);
            for (md5, (body, _)) in all.into_iter().zip(&bodies) {
                prop_assert_eq!(md5.finish(), of(body), "{}", engine.name());
            }
        }
    }
}
