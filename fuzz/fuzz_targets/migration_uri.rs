#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mfacore_fuzz::migration_uri::run(data));
