#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mfacore_fuzz::record_sealed::run(data));
