#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| omni_catalog::fuzz::list_cache(input));
