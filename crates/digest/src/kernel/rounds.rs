//! The 64 steps of RFC 1321's compression function, as a macro.
//!
//! Every kernel says what one step of each of the four rounds does to its kind of lane. The order of the
//! steps, their words, rotations and constants are here alone, so that no kernel has a table of its own.

/// The constant of each step.
pub(super) const CONSTANTS: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// Calls `$f`, `$g`, `$h` and `$i` for the steps of the four rounds:
/// `step!(a, b, c, d, word, rotation, number of the step)`.
macro_rules! rounds {
    ($f:ident, $g:ident, $h:ident, $i:ident, $a:ident, $b:ident, $c:ident, $d:ident) => {
        $f!($a, $b, $c, $d, 0, 7, 0);
        $f!($d, $a, $b, $c, 1, 12, 1);
        $f!($c, $d, $a, $b, 2, 17, 2);
        $f!($b, $c, $d, $a, 3, 22, 3);
        $f!($a, $b, $c, $d, 4, 7, 4);
        $f!($d, $a, $b, $c, 5, 12, 5);
        $f!($c, $d, $a, $b, 6, 17, 6);
        $f!($b, $c, $d, $a, 7, 22, 7);
        $f!($a, $b, $c, $d, 8, 7, 8);
        $f!($d, $a, $b, $c, 9, 12, 9);
        $f!($c, $d, $a, $b, 10, 17, 10);
        $f!($b, $c, $d, $a, 11, 22, 11);
        $f!($a, $b, $c, $d, 12, 7, 12);
        $f!($d, $a, $b, $c, 13, 12, 13);
        $f!($c, $d, $a, $b, 14, 17, 14);
        $f!($b, $c, $d, $a, 15, 22, 15);

        $g!($a, $b, $c, $d, 1, 5, 16);
        $g!($d, $a, $b, $c, 6, 9, 17);
        $g!($c, $d, $a, $b, 11, 14, 18);
        $g!($b, $c, $d, $a, 0, 20, 19);
        $g!($a, $b, $c, $d, 5, 5, 20);
        $g!($d, $a, $b, $c, 10, 9, 21);
        $g!($c, $d, $a, $b, 15, 14, 22);
        $g!($b, $c, $d, $a, 4, 20, 23);
        $g!($a, $b, $c, $d, 9, 5, 24);
        $g!($d, $a, $b, $c, 14, 9, 25);
        $g!($c, $d, $a, $b, 3, 14, 26);
        $g!($b, $c, $d, $a, 8, 20, 27);
        $g!($a, $b, $c, $d, 13, 5, 28);
        $g!($d, $a, $b, $c, 2, 9, 29);
        $g!($c, $d, $a, $b, 7, 14, 30);
        $g!($b, $c, $d, $a, 12, 20, 31);

        $h!($a, $b, $c, $d, 5, 4, 32);
        $h!($d, $a, $b, $c, 8, 11, 33);
        $h!($c, $d, $a, $b, 11, 16, 34);
        $h!($b, $c, $d, $a, 14, 23, 35);
        $h!($a, $b, $c, $d, 1, 4, 36);
        $h!($d, $a, $b, $c, 4, 11, 37);
        $h!($c, $d, $a, $b, 7, 16, 38);
        $h!($b, $c, $d, $a, 10, 23, 39);
        $h!($a, $b, $c, $d, 13, 4, 40);
        $h!($d, $a, $b, $c, 0, 11, 41);
        $h!($c, $d, $a, $b, 3, 16, 42);
        $h!($b, $c, $d, $a, 6, 23, 43);
        $h!($a, $b, $c, $d, 9, 4, 44);
        $h!($d, $a, $b, $c, 12, 11, 45);
        $h!($c, $d, $a, $b, 15, 16, 46);
        $h!($b, $c, $d, $a, 2, 23, 47);

        $i!($a, $b, $c, $d, 0, 6, 48);
        $i!($d, $a, $b, $c, 7, 10, 49);
        $i!($c, $d, $a, $b, 14, 15, 50);
        $i!($b, $c, $d, $a, 5, 21, 51);
        $i!($a, $b, $c, $d, 12, 6, 52);
        $i!($d, $a, $b, $c, 3, 10, 53);
        $i!($c, $d, $a, $b, 10, 15, 54);
        $i!($b, $c, $d, $a, 1, 21, 55);
        $i!($a, $b, $c, $d, 8, 6, 56);
        $i!($d, $a, $b, $c, 15, 10, 57);
        $i!($c, $d, $a, $b, 6, 15, 58);
        $i!($b, $c, $d, $a, 13, 21, 59);
        $i!($a, $b, $c, $d, 4, 6, 60);
        $i!($d, $a, $b, $c, 11, 10, 61);
        $i!($c, $d, $a, $b, 2, 15, 62);
        $i!($b, $c, $d, $a, 9, 21, 63);
    };
}

pub(super) use rounds;
