#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| omni_server::fuzz::lines(input));
