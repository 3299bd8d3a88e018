#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mfacore_fuzz::typed_codes::run(data));
