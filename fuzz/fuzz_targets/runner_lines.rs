#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| omni_exec::fuzz::runner_lines(input));
