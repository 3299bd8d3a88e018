//! The layout of the structs that cross the boundary, for x86-64 and other LP64 targets. `c/layout.c` holds the
//! same numbers on the other side.
#![allow(missing_docs)]
#![cfg(target_pointer_width = "64")]

use std::mem::{align_of, offset_of, size_of};

use mfacore_c::finished::mfacore_effect;
use mfacore_c::otp::mfacore_totp;
use mfacore_c::slice::mfacore_slice;
use mfacore_c::table::mfacore_store_table;
use mfacore_c::want::mfacore_want;

macro_rules! layout {
    ($of:ident is $size:literal: $($member:ident at $offset:literal),*) => {
        assert_eq!((size_of::<$of>(), align_of::<$of>()), ($size, 8), stringify!($of));
        $(assert_eq!(offset_of!($of, $member), $offset, concat!(stringify!($of), ".", stringify!($member)));)*
    };
}

/// The members follow each other without a gap, and end where the struct does: there is no padding.
#[test]
fn structs_have_the_layout_of_the_first_header() {
    layout!(mfacore_slice is 16: data at 0, len at 8);
    layout!(mfacore_want is 88: struct_size at 0, kind at 8, after_ms at 12, key at 16, has_expected at 32,
        is_delete at 36, expected at 40, version at 56, bytes at 72);
    layout!(mfacore_store_table is 32: struct_size at 0, context at 8, load at 16, swap at 24);
    layout!(mfacore_totp is 48: struct_size at 0, secret at 8, algorithm at 24, digits at 28, period_s at 32,
        steps_back at 36, steps_forward at 40, reserved at 44);
    layout!(mfacore_effect is 80: struct_size at 0, kind at 8, reserved at 12, json at 16, name at 32,
        destination at 48, code at 64);
}
