//! What the Python package calls: the functions of `mfacore.h` and `mfacore_selftest.h`, in one shared object. There is
//! nothing of its own; maturin reads the declarations out of those crates, as `cbindgen.toml` says.
#![deny(missing_docs)]

extern crate mfacore_c as _;
extern crate mfacore_selftest as _;
