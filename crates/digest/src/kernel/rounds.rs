//! The 64 steps of RFC 1321's compression function, as a macro.
//!
//! Every kernel says what one step of each of the four rounds does to its kind of lane. The order of the
//! steps, their words, rotations and constants are here alone, so that no kernel has a table of its own.

/// Calls `$f`, `$g`, `$h` and `$i` for the steps of the four rounds:
/// `step!(a, b, c, d, word, rotation, constant)`.
macro_rules! rounds {
    ($f:ident, $g:ident, $h:ident, $i:ident, $a:ident, $b:ident, $c:ident, $d:ident) => {
        $f!($a, $b, $c, $d, 0, 7, 0xd76a_a478);
        $f!($d, $a, $b, $c, 1, 12, 0xe8c7_b756);
        $f!($c, $d, $a, $b, 2, 17, 0x2420_70db);
        $f!($b, $c, $d, $a, 3, 22, 0xc1bd_ceee);
        $f!($a, $b, $c, $d, 4, 7, 0xf57c_0faf);
        $f!($d, $a, $b, $c, 5, 12, 0x4787_c62a);
        $f!($c, $d, $a, $b, 6, 17, 0xa830_4613);
        $f!($b, $c, $d, $a, 7, 22, 0xfd46_9501);
        $f!($a, $b, $c, $d, 8, 7, 0x6980_98d8);
        $f!($d, $a, $b, $c, 9, 12, 0x8b44_f7af);
        $f!($c, $d, $a, $b, 10, 17, 0xffff_5bb1);
        $f!($b, $c, $d, $a, 11, 22, 0x895c_d7be);
        $f!($a, $b, $c, $d, 12, 7, 0x6b90_1122);
        $f!($d, $a, $b, $c, 13, 12, 0xfd98_7193);
        $f!($c, $d, $a, $b, 14, 17, 0xa679_438e);
        $f!($b, $c, $d, $a, 15, 22, 0x49b4_0821);

        $g!($a, $b, $c, $d, 1, 5, 0xf61e_2562);
        $g!($d, $a, $b, $c, 6, 9, 0xc040_b340);
        $g!($c, $d, $a, $b, 11, 14, 0x265e_5a51);
        $g!($b, $c, $d, $a, 0, 20, 0xe9b6_c7aa);
        $g!($a, $b, $c, $d, 5, 5, 0xd62f_105d);
        $g!($d, $a, $b, $c, 10, 9, 0x0244_1453);
        $g!($c, $d, $a, $b, 15, 14, 0xd8a1_e681);
        $g!($b, $c, $d, $a, 4, 20, 0xe7d3_fbc8);
        $g!($a, $b, $c, $d, 9, 5, 0x21e1_cde6);
        $g!($d, $a, $b, $c, 14, 9, 0xc337_07d6);
        $g!($c, $d, $a, $b, 3, 14, 0xf4d5_0d87);
        $g!($b, $c, $d, $a, 8, 20, 0x455a_14ed);
        $g!($a, $b, $c, $d, 13, 5, 0xa9e3_e905);
        $g!($d, $a, $b, $c, 2, 9, 0xfcef_a3f8);
        $g!($c, $d, $a, $b, 7, 14, 0x676f_02d9);
        $g!($b, $c, $d, $a, 12, 20, 0x8d2a_4c8a);

        $h!($a, $b, $c, $d, 5, 4, 0xfffa_3942);
        $h!($d, $a, $b, $c, 8, 11, 0x8771_f681);
        $h!($c, $d, $a, $b, 11, 16, 0x6d9d_6122);
        $h!($b, $c, $d, $a, 14, 23, 0xfde5_380c);
        $h!($a, $b, $c, $d, 1, 4, 0xa4be_ea44);
        $h!($d, $a, $b, $c, 4, 11, 0x4bde_cfa9);
        $h!($c, $d, $a, $b, 7, 16, 0xf6bb_4b60);
        $h!($b, $c, $d, $a, 10, 23, 0xbebf_bc70);
        $h!($a, $b, $c, $d, 13, 4, 0x289b_7ec6);
        $h!($d, $a, $b, $c, 0, 11, 0xeaa1_27fa);
        $h!($c, $d, $a, $b, 3, 16, 0xd4ef_3085);
        $h!($b, $c, $d, $a, 6, 23, 0x0488_1d05);
        $h!($a, $b, $c, $d, 9, 4, 0xd9d4_d039);
        $h!($d, $a, $b, $c, 12, 11, 0xe6db_99e5);
        $h!($c, $d, $a, $b, 15, 16, 0x1fa2_7cf8);
        $h!($b, $c, $d, $a, 2, 23, 0xc4ac_5665);

        $i!($a, $b, $c, $d, 0, 6, 0xf429_2244);
        $i!($d, $a, $b, $c, 7, 10, 0x432a_ff97);
        $i!($c, $d, $a, $b, 14, 15, 0xab94_23a7);
        $i!($b, $c, $d, $a, 5, 21, 0xfc93_a039);
        $i!($a, $b, $c, $d, 12, 6, 0x655b_59c3);
        $i!($d, $a, $b, $c, 3, 10, 0x8f0c_cc92);
        $i!($c, $d, $a, $b, 10, 15, 0xffef_f47d);
        $i!($b, $c, $d, $a, 1, 21, 0x8584_5dd1);
        $i!($a, $b, $c, $d, 8, 6, 0x6fa8_7e4f);
        $i!($d, $a, $b, $c, 15, 10, 0xfe2c_e6e0);
        $i!($c, $d, $a, $b, 6, 15, 0xa301_4314);
        $i!($b, $c, $d, $a, 13, 21, 0x4e08_11a1);
        $i!($a, $b, $c, $d, 4, 6, 0xf753_7e82);
        $i!($d, $a, $b, $c, 11, 10, 0xbd3a_f235);
        $i!($c, $d, $a, $b, 2, 15, 0x2ad7_d2bb);
        $i!($b, $c, $d, $a, 9, 21, 0xeb86_d391);
    };
}

pub(super) use rounds;
